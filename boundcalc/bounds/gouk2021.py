"""Bounds by distances from the initialisation, after Gouk, Hospedales & Pontil 2021 (Distance-based regularisation of deep
networks for fine-tuning), Theorems 1 and 2, derived here with constants of our own.

Class: chains of linear maps A^1..A^L with a ReLU or nothing between them, no biases, ||A^l|| <= B_l and ||A^l - A^l_0|| <= D_l.
With N_k = ||A^k_0||_{1,inf} of the fixed reference and C outputs,

    1inf (norms ||.||_{1,inf}):  R_S <= (C/m) max_coordinate ||X_coordinate||
                                 sum_j D_j prod_{k<j} B_k prod_{k>j} N_k sqrt(2 ((j-1) log 2 + log(2 d_in)))
    fro (Frobenius norms):       R_S <= (C/m) ||X|| sum_j D_j prod_{k<j} B_k prod_{k>j} N_k (1 + sqrt(2 (j-1) log 2)).

Proof. g^l are the values of layer l before its ReLU, h^l after it; g^{l,0}, h^{l,0} those of the reference, which are fixed. For
a unit p let E_l(p) = E sup sum_i xi_i (h^l_p(x_i) - h^{l,0}_p(x_i)); a sign in front changes nothing. For one p the functions
t -> relu(t + g^{l,0}_p(x_i)) - h^{l,0}_p(x_i) are 1-Lipschitz, so that contraction (Meir & Zhang 2003, Theorem 7)
gives E_l(p) <= E sup sum_i xi_i (g^l_p - g^{l,0}_p)(x_i). With w, w_0 the rows of A^l and A^l_0

    g^l_p - g^{l,0}_p = (w - w_0) h^{l-1} + w_0 (h^{l-1} - h^{l-1,0}),
    E_l(p) <= D_l H_{l-1} + sum_q |w_{0,q}| E_{l-1}(q),   so  max_p E_l(p) <= D_l H_{l-1} + N_l max_q E_{l-1}(q),   E_0 = 0,

where H_{l-1} = E sup ||sum_i xi_i h^{l-1}(x_i)||, in the maximum norm for 1inf and the Euclidean norm for fro. By Lemma 1 of
Golowich, Rakhlin & Shamir 2018 inside exp(lambda .), H_{j-1} is at most prod_{k<j} B_k times the factors in the formulas. The
reference's own outputs have mean 0 against the signs; outputs are taken one by one (factor C). Weight sharing only shrinks
the class.

The source's statement, a multiple of sum_j (D_j/B_j) prod_k 2 B_k, follows where N_k <= B_k, for 2^(j-1) grows faster than the
square root; its second theorem has square roots of widths where N_k stands here. Without a reference N_k = 0: the last
layer alone has a distance. B_l and D_l were chosen by training: each is rounded up to its own grid. N_k was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import AROUND_FROBENIUS, AROUND_L1_INF
from boundcalc.bounds.distances import (
    IID,
    REFERENCE,
    moved,
    names_of,
    origin,
    shown_by_layer,
    start_of,
    unbiased,
)
from boundcalc.bounds.outcome import PostHocClass, Terms
from boundcalc.bounds.problem import Problem
from boundcalc.norms.rounding import LOG2, exp_up, log_product, log_up, logsumexp
from boundcalc.norms.toeplitz import Rows, rows_of

FACTOR = (
    "distances and norms of the Toeplitz matrices, each rounded up to a grid; l1-inf norms of the reference"
)


@dataclass(frozen=True)
class _Norm:
    """One of the two norms.

    Attributes:
        size: of a matrix, log from above.
        energy: of the data, log from above.
        factor: log of the factor of layer j = 1, 2, ... given the number of inputs.
    """

    size: Callable[[Rows], float]
    energy: Callable[[Problem], float]
    factor: Callable[[int, int], float]


_L1 = _Norm(
    lambda rows: rows.l1_inf().log,
    lambda problem: 0.5 * log_up(problem.energies.max_coordinate, 1),
    lambda j, inputs: 0.5 * math.log(2 * ((j - 1) * LOG2 + math.log(2 * inputs))),
)
_FRO = _Norm(
    lambda rows: 0.5 * rows.frobenius_squared().log,
    lambda problem: 0.5 * log_up(problem.energies.frobenius_squared, 1),
    lambda j, inputs: math.log1p(math.sqrt(2 * (j - 1) * LOG2)),
)


def compute_1inf(problem: Problem) -> PostHocClass:
    """Evaluate the bound by l1-inf norms.

    Raises:
        NotCovered: the network is no chain of matrices without biases.
    """
    return _evaluate(problem, _L1)


def compute_fro(problem: Problem) -> PostHocClass:
    """Evaluate the bound by Frobenius norms.

    Raises:
        NotCovered: the network is no chain of matrices without biases.
    """
    return _evaluate(problem, _FRO)


def _evaluate(problem: Problem, norm: _Norm) -> PostHocClass:
    chain, m = unbiased(problem), problem.energies.m
    names, depth = names_of(chain), len(chain.links)
    starts = [start_of(problem, link.layer) for link in chain.links]
    shifted = [
        own if start is None else rows_of(link, moved(problem, link.layer))
        for link, own, start in zip(chain.links, chain.rows, starts, strict=True)
    ]
    fixed = [
        -math.inf if start is None else rows_of(link, start).l1_inf().log
        for link, start in zip(chain.links, starts, strict=True)
    ]
    terms_used = [j for j in range(depth) if all(value > -math.inf for value in fixed[j + 1 :])]
    measured = {f"norm.{name}": norm.size(rows) for name, rows in zip(names[:-1], chain.rows, strict=False)}
    measured |= {f"distance.{names[j]}": norm.size(shifted[j]) for j in terms_used}
    front = log_product([math.log(problem.network.outputs), norm.energy(problem), -math.log(m)])
    factors = [norm.factor(j, problem.network.inputs) for j in range(1, depth + 1)]

    def complexity(numbers: Mapping[str, float]) -> float:
        norms = [numbers[f"norm.{name}"] for name in names[:-1]]
        pieces = [
            log_product([front, *norms[:j], numbers[f"distance.{names[j]}"], *fixed[j + 1 :], factors[j]])
            for j in terms_used
        ]
        return logsumexp(pieces)

    terms: Terms = {
        "norms": shown_by_layer(names, measured, "norm"),
        "distances": shown_by_layer(names, measured, "distance"),
        "distance_from": origin(problem, chain),
        "energy": exp_up(2 * norm.energy(problem)),
        "factors": dict(zip(names, map(math.exp, factors), strict=True)),
    }
    return PostHocClass(measured, complexity, terms=terms)


register(
    Bound(
        "gouk2021_1inf", "F", "theorem",
        "after Gouk, Hospedales & Pontil 2021, Theorem 1; derived here with its own constants",
        (IID, REFERENCE, FACTOR), compute_1inf, toeplitz=True,
        hypotheses=AROUND_L1_INF,
    )
)  # fmt: skip
register(
    Bound(
        "gouk2021_fro", "F", "theorem",
        "after Gouk, Hospedales & Pontil 2021, Theorem 2; derived here with its own constants",
        (IID, REFERENCE, FACTOR), compute_fro, toeplitz=True,
        hypotheses=AROUND_FROBENIUS,
    )
)  # fmt: skip

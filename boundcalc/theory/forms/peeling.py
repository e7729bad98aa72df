"""Forms of the peeling bound."""

from __future__ import annotations

import math

from sympy import Symbol, log, sqrt

from boundcalc.bounds.outcome import Homogeneous
from boundcalc.theory.forms.notation import C, exact, exp_of, grows, m, meanings
from boundcalc.theory.symbolic import Evaluation, Filled, Form, NotFilled, Promise
from boundcalc.theory.symbolic_interval import Interval

rho, A, P, N, f = (Symbol(name, positive=True) for name in ("rho", "A", "P", "N", "f"))
_FALLS = Promise(m, "falls", "derivative")


def fill(evaluation: Evaluation) -> Filled:
    """Take scale, path product, number of paths and factors from the walk that was chosen.

    Raises:
        NotFilled: the network is 0.
    """
    terms, problem = evaluation.outcome.terms, evaluation.problem
    outcome = evaluation.outcome
    assert isinstance(outcome, Homogeneous)
    if terms["log10_path_product"] is None or outcome.log_rho == -math.inf:
        raise NotFilled("the network is 0, and so is the bound")
    pairs = terms["output_pairs"]
    values: dict[object, Interval] = {
        m: exact(problem.energies.m), C: exact(problem.network.outputs), rho: exp_of(outcome.log_rho), A: exact(pairs),
        P: exp_of(terms["log10_path_product"] * math.log(10)), f: exact(terms["log_relu_factor"]),
        N: exp_of(terms["log_paths"]),
    }  # fmt: skip
    split = (
        f"{name}: nodes of {size} channels, {terms['norms'][name]} norm"
        for name, size in terms["split"].items()
    )
    chosen = f"{terms['structure']} structure, {terms['positions']} positions, t = {terms['constant']:g}"
    bits = ", ".join(f"{name} {value:.1f}" for name, value in terms["bits"].items())
    return Filled((), values, notes=(chosen, *split, f"bits paid: {bits}"))


def _deep(evaluation: Evaluation) -> bool:
    return evaluation.outcome.terms["log_relu_factor"] > 0 or evaluation.problem.network.depth > 1


def _flat(evaluation: Evaluation) -> bool:
    return not _deep(evaluation)


_SCALE = {
    **meanings(m),
    rho: "scale of the output: each node's scale is the norm of its weights times its predecessors' scales",
}

FORMS = (
    Form(
        "peeling", "R_S(F_rho)", rho * sqrt(A * P) / m * (1 + sqrt(2 * (f + log(N)))),
        {
            **_SCALE,
            A: "connected pairs of a class and a node of the last hidden layer; 1 with an l1 norm",
            P: "largest product of fan-ins and first-layer energy over the paths",
            N: "number of paths from a class to a node of the first layer",
            f: "(L - 1) log 2, and log 1.5 for each halving of a max-pooling window",
        },
        (
            "Split each layer into nodes. Cauchy-Schwarz at the output leaves sqrt(A) times the largest node's sum of signs.",
            "Jensen with exp(lambda .): the maximum becomes a sum, Lemma 1 of Golowich, Rakhlin & Shamir 2018 removes each ReLU for a"
            " factor 2, and a concatenation is at most sqrt(fan-in) times its largest part, again a sum: one term a path.",
            "No supremum is left at layer 1; E exp(lambda M ||sum xi_i v_i||) is sub-Gaussian in the energy of what the node reads.",
            "Sharing weights over positions only shrinks the class, so no Toeplitz matrix appears.",
        ),
        fill, promises=(_FALLS, grows(rho), grows(A), grows(P), grows(N), grows(f)), applies=_deep, rho=rho,
        condition="at least one hidden layer",
    ),
    Form(
        "peeling", "R_S(F_rho)", rho * sqrt(C * P) / m,
        {**_SCALE, **meanings(C), P: "energy of the inputs that any class reads"},
        ("Cauchy-Schwarz: rho times the norm of C sums of signed inputs, each of mean square P.",),
        fill, promises=(_FALLS, grows(rho), grows(C), grows(P)), applies=_flat, rho=rho, condition="no hidden layer",
    ),
)  # fmt: skip

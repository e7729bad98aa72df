"""Symbolic form of Lin & Zhang 2019."""

from __future__ import annotations

from sympy import IndexedBase, Product, Rational, sqrt

from boundcalc.bounds.distances import names_of
from boundcalc.bounds.lin2019 import steps_of_kernel
from boundcalc.bounds.outcome import LossComplexity
from boundcalc.theory.forms.bartlett2017 import LOSS
from boundcalc.theory.forms.notation import (
    FALLS_IN_M,
    FALLS_IN_MARGIN,
    D,
    L,
    X,
    at_numbers,
    by_layer,
    data_norm,
    exact,
    gamma,
    grows,
    k,
    l,
    m,
    margin,
    meanings,
    post_hoc,
    s,
    sizes,
    sum_of,
)  # fmt: skip
from boundcalc.theory.symbolic import Evaluation, Filled, NotFilled, Promise, SymbolicForm

w, q = IndexedBase("w", positive=True), IndexedBase("q", positive=True)
_SUM = sum_of(w[l] ** 2 * q[l] * D[l] / s[l])


def fill(evaluation: Evaluation) -> Filled:
    """Fill in norms, numbers of weights and kernel steps.

    Raises:
        NotFilled: the network is not a chain without biases.
    """
    outcome = evaluation.outcome
    assert isinstance(outcome, LossComplexity)
    if outcome.terms["extended"]:
        raise NotFilled("the formula is written out for chains without biases")
    chain = evaluation.problem.toeplitz()
    names = names_of(chain)
    numbers = post_hoc(outcome, names, spectral=s, distance=D)
    values = {
        **sizes(evaluation), **margin(evaluation), X: data_norm(evaluation),
        **by_layer(w, [exact(link.layer.parameters) for link in chain.links]),
        **by_layer(q, [exact(steps_of_kernel(step)) for _, step in chain.blocks()]),
        **at_numbers(outcome, numbers),
    }  # fmt: skip
    return Filled(tuple(names), values, numbers)


FORMS = (
    SymbolicForm(
        "lin2019", LOSS,
        16 / sqrt(m) * (2 / gamma * X / sqrt(m) * Product(s[k], (k, 1, L)) * L**2 * _SUM) ** Rational(1, 4),
        {
            **meanings(m, L, gamma, X, s[l]),
            D[l]: "Frobenius norm of layer l's kernel",
            w[l]: "number of weights of layer l's kernel, pruned ones included",
            q[l]: "width of layer l's input over its stride; 1 for a layer with one output position",
        },
        ((
            "Published: Lemma 18 of the source, by covering the kernels' Euclidean balls; not proved "
            "again here."
            ),),
        fill,
        promises=(FALLS_IN_M, FALLS_IN_MARGIN, grows(X), grows(D[l]), Promise(s[l], "grows", "grid")),
    ),
)  # fmt: skip

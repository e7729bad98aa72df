"""Form of Bartlett, Foster & Telgarsky 2017."""

from __future__ import annotations

from sympy import log, sqrt

from boundcalc.bounds.distances import names_of
from boundcalc.bounds.outcome import PostHoc
from boundcalc.theory.forms.notation import (
    BIAS,
    FALLS_IN_MARGIN,
    THREE_HALVES,
    TWO_THIRDS,
    Ctilde,
    D,
    L,
    W,
    X,
    at_numbers,
    capacity,
    data_norm,
    exact,
    gamma,
    grows,
    l,
    m,
    margin,
    meanings,
    post_hoc,
    s,
    sizes,
    sum_of,
)  # fmt: skip
from boundcalc.theory.symbolic import Definition, Evaluation, Filled, Form, Promise

LOSS = "R of the ramp-loss class"
PROMISES = (
    Promise(m, "falls", "grid", "X^2 / m fixed, m >= 8"),
    FALLS_IN_MARGIN,
    grows(X),
    grows(D[l]),
    Promise(s[l], "grows", "grid"),
)


def fill(evaluation: Evaluation) -> Filled:
    """Take spectral norms and distances."""
    outcome = evaluation.outcome
    assert isinstance(outcome, PostHoc)
    names = names_of(evaluation.problem.toeplitz())
    numbers = post_hoc(outcome, names, spectral=s, distance=D)
    values = {
        **sizes(evaluation), **margin(evaluation), X: data_norm(evaluation), W: exact(outcome.terms["largest_matrix"]),
        **at_numbers(outcome, numbers),
    }  # fmt: skip
    t = outcome.terms["constant"]
    start = f"distances from {outcome.terms['distance_from']}"
    return Filled(tuple(names), values, numbers, (start,) if t is None else (start, f"t = {t:g}: {BIAS}"))


FORMS = (
    Form(
        "bartlett2017", LOSS,
        4 / m + 12 * log(m) / sqrt(m) * sqrt(log(2 * W)) * sum_of(Ctilde[l] ** TWO_THIRDS) ** THREE_HALVES,
        {
            **meanings(m, L, gamma, X, s[l]),
            D[l]: "sum of the row norms of layer l's Toeplitz matrix minus that of the reference",
            W: "largest number of entries of a layer's matrix",
        },
        (
            "Maurey's lemma covers each layer's outputs by sums of few of 2W elementary maps: log covering number"
            " Ctilde_l^2 log(2W) / eps^2.",
            "Covers of the layers are put together with the resolution shared among them, which leaves the power 2/3.",
            "Dudley's integral from 1/m to 1 gives log m; a ramp of slope 1/gamma after the margin operator gives the factor of"
            " Ctilde_l.",
        ),
        fill, (Definition(Ctilde[l], capacity(4 / gamma * X / sqrt(m))),), PROMISES,
    ),
)  # fmt: skip

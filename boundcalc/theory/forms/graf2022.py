"""Forms of Graf, Zeng, Rieck, Niethammer & Kwitt 2022."""

from __future__ import annotations

from sympy import IndexedBase, Rational, ceiling, harmonic, log, sqrt

from boundcalc.bounds.distances import names_of
from boundcalc.bounds.outcome import PostHoc
from boundcalc.theory.forms.bartlett2017 import LOSS
from boundcalc.theory.forms.notation import (
    THREE_HALVES,
    TWO_THIRDS,
    Ctilde,
    D,
    L,
    W,
    X,
    at_numbers,
    by_layer,
    capacity,
    data_norm,
    exact,
    gamma,
    l,
    m,
    margin,
    meanings,
    post_hoc,
    s,
    sizes,
    sum_of,
)  # fmt: skip
from boundcalc.theory.symbolic import Definition, Evaluation, Filled, Form, NotFilled, Promise

w = IndexedBase("w", positive=True)
_PROMISES = (
    Promise(m, "falls", "grid", "X^2 / m fixed, m >= 8"),
    Promise(gamma, "falls", "grid"),
    Promise(X, "grows", "grid"),
    Promise(D[l], "grows", "grid"),
    Promise(s[l], "grows", "grid"),
)
_PSI = Rational(27, 10)


def fill(evaluation: Evaluation) -> Filled:
    """Take spectral norms, distances and numbers of weights."""
    outcome = evaluation.outcome
    assert isinstance(outcome, PostHoc)
    names = names_of(evaluation.problem.toeplitz())
    numbers = post_hoc(outcome, names, spectral=s, distance=D)
    counts = list(outcome.terms["weights"].values())
    values = {
        **sizes(evaluation), **margin(evaluation), X: data_norm(evaluation), W: exact(max(counts)),
        **by_layer(w, [exact(count) for count in counts]), **at_numbers(outcome, numbers),
    }  # fmt: skip
    return Filled(tuple(names), values, numbers, (f"distances from {outcome.terms['distance_from']}",))


def fill_params(evaluation: Evaluation) -> Filled:
    """As `fill`; a layer that has not moved from its reference has psi = 0, which the form leaves out.

    Raises:
        NotFilled: there is such a layer.
    """
    outcome = evaluation.outcome
    assert isinstance(outcome, PostHoc)
    if any(value == float("-inf") for value in outcome.numbers.values()):
        raise NotFilled("a layer that equals its reference: psi = 0 there")
    return fill(evaluation)


_MEANINGS = {
    **meanings(m, L, gamma, X, s[l]),
    D[
        l
    ]: "(2,1) norm of layer l's kernel minus the reference's: l2 along input channels, summed over the rest",
}
_CAPACITY = (Definition(Ctilde[l], capacity(4 / gamma * X / sqrt(m))),)
_COVER = (
    "A convolution is a sum of elementary ones; a layer's outputs lie in its distance times the convex hull of 2w of them.",
    "Maurey's lemma covers the hull by multisets of ceil(.) of them.",
)

FORMS = (
    Form(
        "graf2022_norms", LOSS,
        4 / m + 12 * harmonic(m - 1) / sqrt(m) * sqrt(log(2 * W))
        * sum_of(ceiling(Ctilde[l] ** TWO_THIRDS)) ** THREE_HALVES,
        {**_MEANINGS, W: "largest number of weights of a kernel"},
        (*_COVER, "Counted as (2W)^k; Dudley's integral of ceil(1/eps) from 1/m to 1 is the harmonic number."),
        fill, _CAPACITY, _PROMISES,
    ),
    Form(
        "graf2022_params", LOSS,
        12 / sqrt(m) * sqrt(sum_of(2 * w[l] * (log(1 + ceiling(L**2 * Ctilde[l] ** 2)) + _PSI))),
        {**_MEANINGS, w[l]: "number of weights of layer l's kernel, pruned ones included"},
        (*_COVER, "Counted as (1 + k)^(2w); 2.7 is above the rest of the integral, which sums log(1 + 1/k) / sqrt k."),
        fill_params, _CAPACITY, _PROMISES,
    ),
)  # fmt: skip

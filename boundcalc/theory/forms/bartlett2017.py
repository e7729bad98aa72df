"""Symbolic form of Bartlett, Foster & Telgarsky 2017."""

from __future__ import annotations

from sympy import IndexedBase, Rational, log, sqrt

from boundcalc.theory.forms.notation import (
    THREE_HALVES,
    Ctilde,
    D,
    L,
    gamma,
    grows,
    l,
    m,
    meanings,
    sum_of,
)  # fmt: skip
from boundcalc.theory.symbolic import Definition, Evaluation, Filled, NotFilled, Promise, SymbolicForm

LOSS = "R of the ramp-loss class"
G, r, w, beta, O = (IndexedBase(name, positive=True) for name in ("G", "r", "w", "beta", "O"))  # noqa: E741
SCALE = sum_of((Ctilde[l] ** 2 * log(2 * w[l])) ** Rational(1, 3)) ** THREE_HALVES / sqrt(m)
"""q: log N(eps) <= q^2 m / eps^2."""
FORMULA = 2 ** Rational(3, 4) * sqrt(SCALE)
CAPACITY = Definition(Ctilde[l], sqrt(2) / gamma * G[l] * (D[l] * r[l] / sqrt(m) + sqrt(O[l]) * beta[l]))
MEANINGS = {
    **meanings(m, L, gamma),
    G[l]: "Lipschitz constant from layer l's output to the network's, from spectral norms",
    r[
        l
    ]: "bound of the norm of what layer l reads, over the sample, from spectral norms, biases and the data",
    beta[l]: "l1 norm of layer l's bias less the reference, over channels",
    O[l]: "output positions of layer l",
}
SKETCH = (
    "Layer l's outputs lie, up to a fixed shift, in D r + sqrt(O m) beta times the hull of 2w maps of norm 1: Maurey's lemma covers"
    " them to eps by log N <= (radius / eps)^2 log 2w, and a shrunken average needs no ceiling.",
    "Covers are put together in the order of the layers, each on what the covers before it give, projected onto the ball of radius r;"
    " errors reach the output through G, and the resolution is shared out at best: the power 2/3.",
    "The margin is sqrt2-Lipschitz in the outputs, a ramp 1/gamma in the margin.",
    "One level: R <= eps + sqrt(log N(eps) / (2m)). The value counts multisets exactly and chains levels; it is at most that.",
)
PROMISES = (
    Promise(m, "falls", "grid"),
    Promise(gamma, "falls", "grid"),
    *(grows(symbol, "grid") for symbol in (D[l], G[l], r[l], beta[l])),
)


def fill(evaluation: Evaluation) -> Filled:
    """Refuse to fill the form, because the value is at most the formula and not equal to it.

    Raises:
        NotFilled: always.
    """
    del evaluation
    raise NotFilled(
        "the value counts multisets exactly and chains several resolutions; it is at most the formula"
    )


def form(name: str, distance: str, weights: str) -> SymbolicForm:
    """Return the form of a bound that covers the layers one by one.

    Args:
        name: name of the bound.
        distance: meaning of D in words.
        weights: meaning of w in words.
    """
    return SymbolicForm(
        name, LOSS, FORMULA, {**MEANINGS, D[l]: distance, w[l]: weights}, SKETCH, fill, (CAPACITY,), PROMISES
    )


FORMS = (
    form(
        "bartlett2017", "sum of the row norms of layer l's Toeplitz matrix minus that of the reference",
        "entries of layer l's matrix and of its bias",
    ),
)  # fmt: skip

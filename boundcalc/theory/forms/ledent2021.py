"""Symbolic form of Ledent, Mustafa, Lei & Kloft 2021."""

from __future__ import annotations

import math

from sympy import IndexedBase, Max, Symbol, log, sqrt

from boundcalc.bounds.distances import names_of
from boundcalc.bounds.outcome import LossComplexity
from boundcalc.norms.kernels import pooling
from boundcalc.theory.forms.bartlett2017 import LOSS
from boundcalc.theory.forms.notation import (
    THREE_HALVES,
    TWO_THIRDS,
    D,
    L,
    at_numbers,
    by_layer,
    exact,
    gamma,
    l,
    m,
    margin,
    meanings,
    post_hoc,
    root_of,
    s,
    sizes,
    sum_of,
)  # fmt: skip
from boundcalc.theory.symbolic import Definition, Evaluation, Filled, NotFilled, Promise, SymbolicForm
from boundcalc.theory.symbolic_interval import Interval, precision

b, r = (IndexedBase(name, positive=True) for name in ("b", "r"))
ahead, width = IndexedBase("alpha", positive=True), IndexedBase("v", positive=True)
Gamma, wbar = Symbol("Gamma", positive=True), Symbol("wbar", positive=True)
units = IndexedBase("u", positive=True)


def fill(evaluation: Evaluation) -> Filled:
    """Fill in norms, patch norms and sizes of layers.

    Raises:
        NotFilled: the network is not a chain without biases.
    """
    outcome = evaluation.outcome
    assert isinstance(outcome, LossComplexity)
    if outcome.terms["extended"]:
        raise NotFilled("the formula is written out for chains without biases")
    chain = evaluation.problem.toeplitz()
    names = names_of(chain)
    numbers = post_hoc(outcome, names, spectral=s, distance=D, patch=b)
    counts = [math.prod(link.layer.shape) for link in chain.links]
    pools = [max(1.0, pooling(link)) for link in chain.links[1:]]
    with precision():
        widths: list[Interval] = [
            root_of(math.prod(link.layer.window.out)) * exact(norm)
            for link, norm in zip(chain.links[:-1], pools, strict=True)
        ]
    values = {
        **sizes(evaluation), **margin(evaluation), **by_layer(units, [exact(count) for count in counts]),
        **by_layer(width, [*widths, exact(1)]), **at_numbers(outcome, numbers),
    }  # fmt: skip
    return Filled(tuple(names), values, numbers, (f"patch norms {outcome.terms['patch_norms_are']}",))


class _Ledent(SymbolicForm):
    """Form whose two maxima over layers are written out for each depth, because sympy cannot express them with a symbolic L."""

    def at_depth(self, depth, expr=None):  # type: ignore[no-untyped-def]
        whole = self.formula if expr is None else expr
        largest = {
            Gamma: Max(*(r[i] * units[i] for i in range(1, depth + 1))),
            wbar: Max(*(units[i] for i in range(1, depth + 1))),
        }
        return super().at_depth(depth, whole.xreplace(largest))


FORMS = (
    _Ledent(
        "ledent2021", LOSS,
        4 / m + 768 * sum_of(r[l] ** TWO_THIRDS) ** THREE_HALVES
        * sqrt(log(32 * Gamma * m**2 + 7 * wbar * m) / log(2)) * log(m) / sqrt(m),
        {
            **meanings(m, L, gamma, s[l]),
            D[l]: "sum over filters of the norm of filter minus reference; Frobenius norm for the last layer",
            b[l]: "largest norm of an input patch of layer l; b[L + 1] is the margin",
            width[l]: "square root of layer l's output positions, times the next pooling's norm where above 1; 1 for layer L",
            units[l]: "output units of layer l",
            Gamma: "largest r[l] u[l]",
            wbar: "largest u[l]",
        },
        (
            "Published: Theorem 11 of the source; not proved again here.",
            "It covers each layer in the maximum norm over patches, so that a filter counts once wherever it slides.",
        ),
        fill,
        (
            Definition(r[l], b[l] * D[l] * width[l] * ahead[l]),
            Definition(ahead[l], Max(s[l + 1] * ahead[l + 1], 1 / b[l + 1]), 1 / gamma),
        ),
        (
            Promise(m, "falls", "grid", "m >= 8"), Promise(gamma, "falls", "grid"), Promise(D[l], "grows", "grid"),
            Promise(s[l], "grows", "grid"),
        ),
    ),
)  # fmt: skip

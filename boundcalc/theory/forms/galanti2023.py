"""Symbolic form of the released code of Galanti, Xu, Galanti & Poggio 2023."""

from __future__ import annotations

import math

from sympy import IndexedBase, Symbol, log, sqrt

from boundcalc.theory.forms.notation import (
    C,
    E,
    L,
    a,
    by_layer,
    delta,
    exact,
    grows,
    l,
    m,
    meanings,
    product_of,
    recorded,
    spread,
)  # fmt: skip
from boundcalc.theory.symbolic import Evaluation, Filled, SymbolicForm

area, widest = IndexedBase("q", positive=True), Symbol("q_max", positive=True)
RHO = product_of(a[l])
_Q = spread(L * log(2 * widest) + log(C)) * sqrt(E) * sqrt(product_of(area[l]))


def fill(evaluation: Evaluation) -> Filled:
    """Fill in norms and kernel areas."""
    problem = evaluation.problem
    norms = recorded(evaluation, "norms")
    layers = [link.layer for link in problem.toeplitz().links]
    areas = [math.prod(layer.window.kernel) if layer.kind != "linear" else 1 for layer in layers]
    values = {
        m: exact(problem.energies.m), C: exact(problem.network.outputs), delta: exact(problem.settings.delta),
        E: exact(problem.energies.max_pixel), widest: exact(max(areas)),
        **by_layer(a, [exact(value) for value in norms.values()]), **by_layer(area, [exact(value) for value in areas]),
    }  # fmt: skip
    return Filled(tuple(norms), values, notes=("biases are ignored by the formula",))


FORMS = (
    SymbolicForm(
        "galanti2023", "claimed R_S(F)", RHO / m * _Q,
        {
            **meanings(m, C, L, delta), a[l]: "Frobenius norm of layer l's weights",
            E: "largest energy of a pixel, channels summed", area[l]: "kernel entries of layer l; 1 for a linear layer",
            widest: "largest q[l]",
        },
        (
            "Refuted: the fan-in of the last linear layer and sqrt(C) are missing.",
            "Counter-example: a 1x1 convolution with one channel and weight 1, inputs >= 0, then one linear output of norm 1. The"
            " class holds all linear maps of norm 1, so R_S grows like the square root of the number of inputs; the formula stays.",
            "Uniform inputs on [0, 1]^256, m = 40, C = 1: attained R_S 0.52 (s.e. 0.04) against 0.284. Repaired: peeling.",
        ),
        fill, promises=(grows(C), grows(E), grows(a[l])),
        value=(RHO + 1) / m * 2 * sqrt(2) * _Q + 3 * sqrt(log(2 * (RHO + 2) ** 2 / delta) / (2 * m)),
    ),
)  # fmt: skip

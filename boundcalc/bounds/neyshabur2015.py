"""Bounds of Neyshabur, Tomioka & Srebro 2015 (Norm-based capacity control in neural networks) by norms of Toeplitz matrices, on any
graph of layers (docs/theory/neyshabur2015.md).

As published, for chains, with the classes one by one (factor C) and biases through a constant unit of value t; contraction costs a
factor 2 for each hidden layer:

    R_S <= 2^(L-1) C prod_l ||A^l||_F ||X|| / m,
    R_S <= 2^(L-1) C prod_l ||A^l||_{1,inf} sqrt(2 log(2 d_in)) max_coordinate ||X_coordinate|| / m.

Here rho is the size of the outputs relative to unit classes (`boundcalc.bounds.toeplitz.scale`), and e^K is the product of 3/2 over
the ReLUs on the longest path. It multiplies a second moment in the Frobenius form and a mean in the other:

    fro:   R_S <= rho sqrt(C) (e^K ||X||^2 + e^K m t^2)^(1/2) / m,
    1inf:  R_S <= rho C e^K (E Z^2)^(1/2) / m,   Z the largest sum of signs of a coordinate.
"""

from __future__ import annotations

import math

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import FROBENIUS, L1_INF
from boundcalc.bounds.outcome import ClassComplexity, NormComplexity
from boundcalc.bounds.toeplitz.layer_by_layer import layer_by_layer
from boundcalc.bounds.toeplitz.loss import GRAPH
from boundcalc.bounds.toeplitz.scale import FRO, ONE_INF
from boundcalc.bounds.toeplitz.units import BIAS, Bottom, product
from boundcalc.bounds.toeplitz_product import DimensionFree, frobenius, l1_inf, where_it_applies
from boundcalc.norms.rounding import LOG2, log_product


def log_factor_fro(shape: DimensionFree) -> float:
    """Return log(2^(L-1) C)."""
    return log_product([math.log(shape.classes), (shape.depth - 1) * LOG2])


def log_factor_1inf(shape: DimensionFree) -> float:
    """Return log(2^(L-1) C sqrt(2 log(2 d_in)))."""
    return log_product([log_factor_fro(shape), 0.5 * math.log(2 * math.log(2 * shape.inputs))])


def compute_fro(problem: BoundInputs) -> NormComplexity:
    """Evaluate the bound by Frobenius norms.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    published = where_it_applies(lambda: frobenius(problem, log_factor_fro))
    return product(problem, FRO, Bottom.outside, published)


def compute_1inf(problem: BoundInputs) -> NormComplexity | ClassComplexity:
    """Evaluate the bound by l1 norms of rows; with smooth activations that of a class that bounds every layer by itself.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    if problem.toeplitz().smooth:
        return layer_by_layer(problem, Bottom.outside)
    published = where_it_applies(lambda: l1_inf(problem, log_factor_1inf))
    return product(problem, ONE_INF, Bottom.outside, published)


register(
    Bound(
        "neyshabur2015_fro", "F", "theorem",
        "Neyshabur, Tomioka & Srebro 2015, Theorem 1 (p = q = 2), smaller constants, any graph (docs/theory/neyshabur2015.md)",
        (GRAPH, BIAS), compute_fro, toeplitz=True, hypotheses=FROBENIUS,
    )
)  # fmt: skip
register(
    Bound(
        "neyshabur2015_1inf", "F", "theorem",
        "Neyshabur, Tomioka & Srebro 2015, Theorem 1 (p = 1, q = inf), with smaller constants, on any graph"
        " (docs/theory/neyshabur2015.md)",
        (GRAPH, BIAS), compute_1inf, toeplitz=True, hypotheses=L1_INF,
    )
)  # fmt: skip

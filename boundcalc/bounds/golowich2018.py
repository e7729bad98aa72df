"""Bounds of Golowich, Rakhlin & Shamir 2018 (Size-independent sample complexity of neural networks) by norms of Toeplitz matrices, on
any graph of layers (docs/theory/golowich2018.md).

As published, for chains, with the classes one by one (factor C) and biases through a constant unit of value t:

    Theorem 1:  R_S <= C prod_l ||A^l||_F ||X|| (1 + sqrt(2 L log 2)) / m.
    Theorem 2:  R_S <= 2 C prod_l ||A^l||_{1,inf} sqrt(L + 1 + log d_in) max_coordinate ||X_coordinate|| / m.

Here rho is the size of the outputs relative to unit classes (a product of norms in a chain, sums of products in a graph,
`boundcalc.bounds.toeplitz.scale`), a ReLU costs 3/2, and the last step is a second moment:

    fro:   R_S <= rho sqrt(C) (E Z^2)^(1/2) / m,   Z over the whole input,
    1inf:  R_S <= rho C (E Z^2)^(1/2) / m,         Z over single coordinates,
    (E Z^2)^(1/2) <= inf_lambda (1/lambda) arccosh(1 + e^K sum_S [exp(lambda^2 E_S / 2) - 1]).
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
    """Return log(C (1 + sqrt(2 L log 2))), the factor of Theorem 1."""
    return log_product([math.log(shape.classes), math.log1p(math.sqrt(2 * shape.depth * LOG2))])


def log_factor_1inf(shape: DimensionFree) -> float:
    """Return log(2 C sqrt(L + 1 + log d_in)), the factor of Theorem 2."""
    return log_product(
        [math.log(2 * shape.classes), 0.5 * math.log(shape.depth + 1 + math.log(shape.inputs))]
    )


def compute_fro(problem: BoundInputs) -> NormComplexity:
    """Evaluate the bound by Frobenius norms.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    published = where_it_applies(lambda: frobenius(problem, log_factor_fro))
    return product(problem, FRO, Bottom.within_exponential, published)


def compute_1inf(problem: BoundInputs) -> NormComplexity | ClassComplexity:
    """Evaluate the bound by l1 norms of rows; with smooth activations that of a class that bounds every layer by itself.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    if problem.toeplitz().smooth:
        return layer_by_layer(problem, Bottom.within_exponential)
    published = where_it_applies(lambda: l1_inf(problem, log_factor_1inf))
    return product(problem, ONE_INF, Bottom.within_exponential, published)


register(
    Bound(
        "golowich2018_fro", "F", "theorem",
        "Golowich, Rakhlin & Shamir 2018, Theorem 1, with smaller constants, on any graph (docs/theory/golowich2018.md)",
        (GRAPH, BIAS), compute_fro, toeplitz=True, hypotheses=FROBENIUS,
    )
)  # fmt: skip
register(
    Bound(
        "golowich2018_1inf", "F", "theorem",
        "Golowich, Rakhlin & Shamir 2018, Theorem 2, with smaller constants, on any graph (docs/theory/golowich2018.md)",
        (GRAPH, BIAS), compute_1inf, toeplitz=True, hypotheses=L1_INF,
    )
)  # fmt: skip

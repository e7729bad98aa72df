"""Toeplitz-norm bounds of Golowich, Rakhlin & Shamir 2018 (Size-independent sample complexity of neural networks).

Theorem 1:  R_S <= C prod_l ||A^l||_F ||X|| (1 + sqrt(2 L log 2)) / m.
Theorem 2:  R_S <= 2 C prod_l ||A^l||_{1,inf} sqrt(L + 1 + log d_in) max_coordinate ||X_coordinate|| / m.
The factor C takes the classes one by one. A^l is the layer's Toeplitz matrix on its actual input size, average pooling multiplied in;
biases enter through a constant unit of value t (theory section 2).
"""

from __future__ import annotations

import math

from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import FROBENIUS, L1_INF
from boundcalc.bounds.outcome import Homogeneous
from boundcalc.bounds.problem import Problem
from boundcalc.bounds.toeplitz_product import BIAS, IID, DimensionFree, frobenius, l1_inf
from boundcalc.norms.rounding import LOG2, log_product


def _fro_factor(shape: DimensionFree) -> float:
    return log_product([math.log(shape.classes), math.log1p(math.sqrt(2 * shape.depth * LOG2))])


def _l1_factor(shape: DimensionFree) -> float:
    return log_product([
        math.log(2 * shape.classes), 0.5 * math.log(shape.depth + 1 + math.log(shape.inputs)),
    ])  # fmt: skip


def compute_fro(problem: Problem) -> Homogeneous:
    """Theorem 1.

    Raises:
        NotCovered: the network is no chain of matrices.
    """
    return frobenius(problem, _fro_factor)


def compute_1inf(problem: Problem) -> Homogeneous:
    """Theorem 2.

    Raises:
        NotCovered: the network is no chain of matrices.
    """
    return l1_inf(problem, _l1_factor)


register(
    Bound(
        "golowich2018_fro", "F", "theorem", "Golowich, Rakhlin & Shamir 2018, Theorem 1",
        (IID, BIAS), compute_fro, toeplitz=True, hypotheses=FROBENIUS,
    )
)  # fmt: skip
register(
    Bound(
        "golowich2018_1inf", "F", "theorem", "Golowich, Rakhlin & Shamir 2018, Theorem 2",
        (IID, BIAS), compute_1inf, toeplitz=True, hypotheses=L1_INF,
    )
)  # fmt: skip

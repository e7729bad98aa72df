"""Toeplitz-norm bounds of Neyshabur, Tomioka & Srebro 2015 (Norm-based capacity control in neural networks).

R_S <= 2^(L-1) C prod_l ||A^l||_F ||X|| / m, and
R_S <= 2^(L-1) C prod_l ||A^l||_{1,inf} sqrt(2 log(2 d_in)) max_coordinate ||X_coordinate|| / m: contraction costs a factor 2
for each hidden layer. Classes are taken one by one (factor C); biases enter through a constant unit (theory section 2).
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
    return log_product([math.log(shape.classes), (shape.depth - 1) * LOG2])


def _l1_factor(shape: DimensionFree) -> float:
    return log_product([_fro_factor(shape), 0.5 * math.log(2 * math.log(2 * shape.inputs))])


def compute_fro(problem: Problem) -> Homogeneous:
    """The Frobenius-norm form.

    Raises:
        NotCovered: the network is no chain of matrices.
    """
    return frobenius(problem, _fro_factor)


def compute_1inf(problem: Problem) -> Homogeneous:
    """The l1-inf form.

    Raises:
        NotCovered: the network is no chain of matrices.
    """
    return l1_inf(problem, _l1_factor)


register(
    Bound(
        "neyshabur2015_fro", "F", "theorem", "Neyshabur, Tomioka & Srebro 2015, Theorem 1 (p = q = 2)",
        (IID, BIAS), compute_fro, toeplitz=True, hypotheses=FROBENIUS,
    )
)  # fmt: skip
register(
    Bound(
        "neyshabur2015_1inf", "F", "theorem", "Neyshabur, Tomioka & Srebro 2015, Theorem 1 (p = 1, q = inf)",
        (IID, BIAS), compute_1inf, toeplitz=True, hypotheses=L1_INF,
    )
)  # fmt: skip

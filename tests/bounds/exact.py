"""Norms without rounding: matrices of fractions, sums of squares of the very float64 numbers, singular values in 50 digits."""

from __future__ import annotations

from fractions import Fraction

import matrices
import mpmath
from twins import dense

from boundcalc.network.ops import AvgPool

DIGITS = 50


def sum_of_squares(tensor):
    return sum((Fraction(float(value)) ** 2 for value in tensor.flatten().tolist()), Fraction(0))


def l1(tensor):
    return sum((abs(Fraction(float(value))) for value in tensor.flatten().tolist()), Fraction(0))


def root(value):
    """The square root of a fraction, in 50 digits."""
    with mpmath.workdps(DIGITS):
        return mpmath.sqrt(mpmath.mpf(value.numerator) / value.denominator)


def spectral(matrix):
    """The largest singular value of a float64 matrix, in 30 digits: the square root of the largest eigenvalue of its Gram matrix."""
    small = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    with mpmath.workdps(DIGITS):
        rows = mpmath.matrix(small.tolist())
        values = mpmath.eigsy(rows * rows.T, eigvals_only=True)
        return mpmath.sqrt(max(values))


def at_least(found, exact):
    """Whether a float64 is not below an exact number: a fraction, or one in 50 digits."""
    if isinstance(exact, Fraction):
        return Fraction(found) >= exact
    with mpmath.workdps(DIGITS):
        return mpmath.mpf(found) >= exact * (1 - mpmath.mpf(10) ** (5 - DIGITS))


def links_of(network):
    """The layers of a chain with the average poolings before each."""
    found, pools = [], []
    for node in network.nodes:
        if isinstance(node, AvgPool):
            pools.append(node)
        elif hasattr(node, "weight"):
            found.append((node, tuple(pools)))
            pools = []
    return found


def matrix_of(network, layer, pools, weight=None):
    """A^l with its poolings, (outputs, inputs): exact in float64 where no two taps read one input through overlapping windows."""
    matrix = dense(network, layer, layer.weight if weight is None else weight)
    for pool in reversed(pools):
        matrix = matrix @ matrices.of_node(network, pool)
    return matrix

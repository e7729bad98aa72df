"""The rounding policy: by how much a float64 result can be below the true number, and by how much it is raised.

Model. u = 2^-53. A sum, product, quotient or square root of float64 numbers (IEEE 754, round to nearest, fused or not) has a
relative error of at most u. Below 2^-1022, a product or quotient instead has an absolute error of at most 2^-1075 (gradual
underflow), and sums are exact. So after n operations

    |computed - true| <= gamma_n true + n 2^-1075,    gamma_n = n u / (1 - n u),

for non-negative numbers and any order of summation (Higham 2002, Accuracy and Stability of Numerical Algorithms, Lemma 3.1 and
section 4.2). For exp, log, log1p, log2, pow and similar functions a relative error of 4 units in the last place, LIBM = 8u, is
assumed: glibc states at most 1 for them, SLEEF (torch) 1 and SVML (numpy) 4. For Python's lgamma at whole numbers LGAMMA = 16u is
assumed.

Rule. A number that enters an upper bound is raised once, where it is computed, by a function of this module that gets the number of
operations: `up` for numbers, `log_up` and `log_product` for logarithms, `exp_up` for exponentials of logarithms. Each raises by about
twice the error of the model, which also covers its own rounding and the last few operations of the caller. No other slack is added
anywhere. Numbers that may leave the range of float64 are stored as logarithms or as an `UpperSize`, a mantissa and a power of two.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

UNIT = 2.0**-53
"""Unit roundoff u of float64."""

LIBM = 8 * UNIT
"""Relative error granted to exp, log, log1p, log2 and pow: 4 units in the last place."""

LGAMMA = 16 * UNIT
"""Relative error granted to lgamma of whole numbers, whose terms CPython adds up: 5u was seen, at n = 2."""

NORMAL = sys.float_info.min
"""Smallest normal float64, 2^-1022; below, products are off by an absolute error."""

NORMAL_EXPONENT = sys.float_info.min_exp - 1
"""Exponent of that number: down to it, powers of two and their inverses are float64 numbers."""

LEAST = math.ulp(0.0)
"""Smallest positive float64, 2^-1074, to which a smaller bound is rounded up."""

SMALLEST_SQUARE = 1e-150
"""Value to which smaller positive squares are raised if sizes of at most 1 are multiplied, so that a product of two of them is
still normal."""

LOG2 = math.log(2.0)


@dataclass(frozen=True)
class UpperSize:
    """An upper bound ``mantissa * 2**exponent`` of a non-negative number, which may exceed the range of float64.

    Attributes:
        mantissa: number >= 0; infinite if the number is not known.
        exponent: exponent of the power of two.
    """

    mantissa: float
    exponent: int = 0

    @property
    def value(self) -> float:
        """The number as a float64, rounded up: infinite if it overflows, and 0 only if the number is 0."""
        if self.mantissa == 0.0 or not math.isfinite(self.mantissa):
            return self.mantissa
        try:
            scaled = math.ldexp(self.mantissa, self.exponent)
        except OverflowError:
            return math.inf
        exact = scaled >= NORMAL or math.ldexp(scaled, -self.exponent) == self.mantissa
        return scaled if exact else math.nextafter(scaled, math.inf)

    @property
    def log(self) -> float:
        """Natural logarithm of the number, rounded up; -inf for 0."""
        return log_product([log_up(self.mantissa, 1), self.exponent * LOG2])


def gamma(operations: int) -> float:
    """Return gamma_n = n u / (1 - n u), which bounds the relative error of n operations (Higham 2002, Lemma 3.1)."""
    return operations * UNIT / (1 - operations * UNIT)


def slack(terms: int) -> float:
    """Return a relative error that a sum of `terms` non-negative float64 products cannot exceed.

    It is 2 gamma_(terms + 8): one product, terms - 1 sums, and 8 operations of the caller, doubled to cover 1 / (1 - gamma) and the
    rounding of the raised number itself.

    Example:
        >>> slack(1000) < 1e-12
        True
    """
    return 2.0 * (terms + 8) * UNIT


def up(value: float, terms: int) -> float:
    """Return `value` raised by the rounding of a sum of `terms` non-negative products; 0 stays 0.

    Near and below 2^-1022 the value is raised by slack(terms) 2^-1021 = (terms + 8) 2^-1073: the errors are n 2^-1075 for the n
    products, less than gamma_n 2^-1022 for the sums, and 2^-1075 for the last rounding.

    Args:
        value: a non-negative float64 result, 0 only where the true number is 0.
        terms: number of terms that were summed.

    Example:
        >>> up(5e-324, 1) > 5e-324, up(0.0, 1)
        (True, 0.0)
    """
    return value + slack(terms) * max(value, 2 * NORMAL) if value > 0 else value


def up_all(values: torch.Tensor, terms: int) -> torch.Tensor:
    """Return `up` of every entry."""
    return values + slack(terms) * values.clamp(min=2 * NORMAL) * (values > 0)


def log_up(value: float, terms: int) -> float:
    """Return an upper bound of the logarithm of a non-negative sum; -inf for 0, inf if the sum overflowed or is NaN.

    The error of the logarithm itself is at most LIBM times its size; a further LIBM covers an exponential that is taken of it.
    """
    if math.isnan(value):
        return math.inf
    if value <= 0:
        return -math.inf
    logarithm = math.log(up(value, terms))
    return logarithm + LIBM * (1 + abs(logarithm))


def log_product(logs: Iterable[float]) -> float:
    """Return an upper bound of the logarithm of a product, given the factors' logarithms.

    fsum rounds once. Each logarithm may be rounded up, or be within LIBM (1 + its size) of the true one, such as the log of the
    result of a few operations. These errors sum to at most LIBM (n + sum of sizes), and as much again is added for an exponential of
    the result.

    Args:
        logs: logarithms of the factors; for a quotient, the negative logarithm of the divisor.

    Returns:
        The bound; -inf if a factor is 0, otherwise inf if a factor is not known.

    Example:
        >>> log_product([math.log(2), math.log(3)]) >= math.log(6), log_product([math.inf, -math.inf])
        (True, -inf)
    """
    values = list(logs)
    if -math.inf in values:
        return -math.inf
    if not all(map(math.isfinite, values)):
        return math.inf
    return math.fsum(values) + 2 * LIBM * (len(values) + math.fsum(map(abs, values)))


def logsumexp(values: Sequence[float]) -> float:
    """Return an upper bound of log(sum(exp(values))); -inf if there are no values or all are -inf, inf if one is inf.

    Relative to the largest value, top, a term exp(-d) has an error of LIBM and that of the rounding of d, u d exp(-d) < u. The log of
    the sum is at most log n and has an error of LIBM log n, and adding top rounds once more.

    Example:
        >>> logsumexp([0.0, 0.0]) >= math.log(2)
        True
    """
    top = max(values, default=-math.inf)
    if math.isinf(top):
        return top
    found = top + math.log(math.fsum(math.exp(value - top) for value in values))
    return found + 2 * LIBM * (2 + math.log(len(values)) + abs(top))


def log_error(roundings: int, steps: int, largest: float) -> float:
    """Return a bound of the error of a logarithm that was accumulated in several steps.

    Args:
        roundings: number of operations on non-negative numbers whose logarithms entered.
        steps: number of additions and logarithms whose results are at most `largest` in absolute value.
        largest: bound of these results.

    Returns:
        slack(roundings) for the numbers, and for each step a rounding and an error of LIBM times `largest`.
    """
    return slack(roundings) + 2 * LIBM * (steps + 4) * (1 + largest)


def exp_up(log_value: float) -> float:
    """Return an upper bound of the exponential of a logarithm: at least the smallest positive float64, 0 for -inf, inf on overflow.

    Example:
        >>> exp_up(-1000.0) == LEAST, exp_up(-math.inf), exp_up(1000.0)
        (True, 0.0, inf)
    """
    if log_value == -math.inf:
        return 0.0
    try:
        return up(math.exp(log_value), 1) or LEAST
    except OverflowError:
        return math.inf


def shown(log_value: float) -> float | None:
    """Return `exp_up` for a report; None if it overflows a float64 or is not known."""
    value = exp_up(log_value)
    return value if math.isfinite(value) else None


def log10_up(log_value: float) -> float:
    """Return an upper bound of the logarithm to base 10 of a number with this natural logarithm.

    Infinite logarithms are returned unchanged. 1 / log 10 and the product together have a relative error of 3u.
    """
    if math.isinf(log_value):
        return log_value
    return log_value / math.log(10.0) + LIBM * abs(log_value)


def shown_log10(log_value: float) -> float | None:
    """Return `log10_up` for a report; None for 0 and for a number that is not known."""
    return log10_up(log_value) if math.isfinite(log_value) else None


def scaled(value: float, exponent: int) -> float | None:
    """Return ``value * 2**exponent`` rounded to nearest, for numbers that are not bounds; None if float64 cannot hold it.

    Example:
        >>> scaled(3.0, 2), scaled(3.0, 2000), scaled(3.0, -2000), scaled(0.0, 2000)
        (12.0, None, None, 0.0)
    """
    try:
        found = math.ldexp(value, exponent)
    except OverflowError:
        return None
    return found if math.isfinite(found) and (found != 0.0) == (value != 0.0) else None


def mean(values: Sequence[float]) -> float:
    """Return the mean of one or more finite numbers, without overflow of their sum.

    Example:
        >>> mean([1.0, 3.0]), mean([1.5e308, 1.5e308])
        (2.0, 1.5e+308)
    """
    exponent = math.frexp(max(map(abs, values)))[1]
    return math.ldexp(math.fsum(math.ldexp(value, -exponent) for value in values) / len(values), exponent)


def exponent_of(tensor: torch.Tensor) -> int:
    """Return e with 2^(e - 1) <= largest |entry| < 2^e; 0 if all entries are 0 or one is not finite."""
    largest = max(abs(float(end)) for end in tensor.aminmax()) if tensor.numel() else 0.0
    return math.frexp(largest)[1] if math.isfinite(largest) else 0


def times_power(tensor: torch.Tensor, exponent: int) -> torch.Tensor:
    """Return ``tensor * 2**exponent``, which is exact except for entries that fall below 2^-1022."""
    if exponent == 0:
        return tensor
    if abs(exponent) <= -NORMAL_EXPONENT:
        return tensor * 2.0**exponent
    import torch as t

    with np.errstate(over="ignore", under="ignore"):
        return t.from_numpy(np.ldexp(tensor.numpy(), exponent))


def unit_sized(tensor: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return the tensor scaled so that its largest entry is in [1/2, 1), and the exponent of the power of two that was taken out.

    An entry that falls below 2^-1022 changes by at most 2^-1075, while the largest entry is at least 1/2. In a norm over all entries
    this is far less than one rounding, even if the square of the entry underflows.
    """
    exponent = exponent_of(tensor)
    return times_power(tensor, -exponent), exponent


def kept_positive(values: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    """Return non-negative values, raised to at least `SMALLEST_SQUARE` where `origin` is not 0, so that no positive value underflows.

    It is meant for values of at most 1 that are later multiplied with others, entry by entry.

    Args:
        values: values computed from `origin`, perhaps with underflow.
        origin: tensor of the same shape that is 0 exactly where the exact values are 0.
    """
    return values.clamp(min=SMALLEST_SQUARE).where(origin != 0, 0.0)


def squared(values: torch.Tensor) -> torch.Tensor:
    """Return squares; a square that would underflow is rounded up."""
    return kept_positive(values.square(), values)

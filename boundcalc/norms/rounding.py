"""The one rounding policy: how far below a true number its float64 can lie, and by how much it is raised.

Model. u = 2^-53. A sum, product, quotient or square root of float64 numbers (IEEE 754, round to nearest, fused or not) is off by a
factor within 1 +- u, and a product or quotient below 2^-1022 by at most 2^-1075 instead (gradual underflow); sums are exact
there. So after n operations

    |computed - true| <= gamma_n true + n 2^-1075,    gamma_n = n u / (1 - n u),

for non-negative numbers and in whatever order a sum is taken (Higham 2002, Accuracy and Stability of Numerical Algorithms, Lemma
3.1 and section 4.2). Of exp, log, log1p, log2, pow and the like a relative error of 4 units in the last place, LIBM = 8u, is
assumed: glibc states at most 1 for them, SLEEF (torch) 1 and SVML (numpy) 4. Of Python's lgamma at whole
numbers LGAMMA = 16u is assumed.

Rule. What becomes part of an upper bound is raised once, where it was computed, by a function of this module that is given the
number of operations: `up` for numbers, `log_up` and `log_product` for logarithms, `exp_up` on the way back. Each raises by about
twice what the model needs, so that its own rounding and a caller's last few operations are covered too. No other slack is added
anywhere. Numbers that may leave the range of float64 are kept as logarithms or as an `UpperSize`, a mantissa and a power of two.
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
    """A non-negative number from above, ``mantissa * 2**exponent``: of any size that a network can have.

    Attributes:
        mantissa: >= 0; infinite where the number is not known.
        exponent: of two.
    """

    mantissa: float
    exponent: int = 0

    @property
    def value(self) -> float:
        """The number as a float64, from above: infinite where it overflows, never 0 where it is not."""
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
        """Its natural logarithm, from above; -inf for 0."""
        return log_product([log_up(self.mantissa, 1), self.exponent * LOG2])


def gamma(operations: int) -> float:
    """Return gamma_n = n u / (1 - n u), which bounds the relative error of n operations (Higham 2002, Lemma 3.1)."""
    return operations * UNIT / (1 - operations * UNIT)


def slack(terms: int) -> float:
    """Return a relative error that a sum of `terms` non-negative float64 products cannot exceed.

    A product and terms - 1 sums, and 8 operations of the caller: gamma_(terms + 8), doubled, which covers 1 / (1 - gamma) and the
    rounding of the raised number itself.

    Example:
        >>> slack(1000) < 1e-12
        True
    """
    return 2.0 * (terms + 8) * UNIT


def up(value: float, terms: int) -> float:
    """Return `value` raised by the rounding of a sum of `terms` non-negative products; 0 stays 0.

    Near and below 2^-1022 it rises by slack(terms) 2^-1021 = (terms + 8) 2^-1073: the n products lose n 2^-1075, the sums' relative
    errors less than gamma_n 2^-1022, and the last rounding 2^-1075.

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
    """Return an upper bound of the logarithm of a non-negative sum; -inf for 0, inf for a sum that overflowed or is NaN.

    The logarithm's own error is at most LIBM times its size; LIBM more covers an exponential that is taken of it.
    """
    if math.isnan(value):
        return math.inf
    if value <= 0:
        return -math.inf
    logarithm = math.log(up(value, terms))
    return logarithm + LIBM * (1 + abs(logarithm))


def log_product(logs: Iterable[float]) -> float:
    """Return the logarithm of a product, from above, given the factors' logarithms.

    fsum rounds once. Each logarithm may be from above, or within LIBM (1 + its size) of the true one, such as the log of a number
    that a few operations made: these errors add up to LIBM (n + sum of sizes), and as much is added for an exponential of the result.

    Args:
        logs: of the factors; one over a factor has its logarithm with the other sign.

    Returns:
        -inf where a factor is 0; inf where one is not known.

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
    """Return log(sum(exp(values))) from above; -inf for no values or only -inf, inf for an infinite one.

    Beside the largest, top, a term exp(-d) is off by LIBM and by the rounding of d, u d exp(-d) < u; the log of the sum, of at most
    log n, by LIBM log n, and adding top rounds once more.

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
    """Return the error of a logarithm that a walk of several steps built up.

    Args:
        roundings: operations on non-negative numbers whose logarithm entered.
        steps: additions of, and logarithms among, numbers of at most `largest` in size.
        largest: see there.

    Returns:
        slack(roundings) for the numbers, and for each step a rounding and LIBM of `largest`.
    """
    return slack(roundings) + 2 * LIBM * (steps + 4) * (1 + largest)


def exp_up(log_value: float) -> float:
    """Return the exponential of a logarithm, from above: at least the smallest positive float64, inf where it overflows.

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
    """Return `exp_up` for a report, None where it overflows a float64 or is not known."""
    value = exp_up(log_value)
    return value if math.isfinite(value) else None


def log10_up(log_value: float) -> float:
    """Return the logarithm to base 10, from above, of a number with this natural logarithm.

    Infinite logarithms stay. 1 / log 10 and the product round by 3u together.
    """
    if math.isinf(log_value):
        return log_value
    return log_value / math.log(10.0) + LIBM * abs(log_value)


def shown_log10(log_value: float) -> float | None:
    """Return `log10_up` for a report, None for 0 and where it is not known."""
    return log10_up(log_value) if math.isfinite(log_value) else None


def scaled(value: float, exponent: int) -> float | None:
    """Return ``value * 2**exponent`` to nearest, for numbers that are no bounds; None where float64 does not hold it.

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
    """Return the mean of finite numbers, at least one; no sum of them overflows.

    Example:
        >>> mean([1.0, 3.0]), mean([1.5e308, 1.5e308])
        (2.0, 1.5e+308)
    """
    exponent = math.frexp(max(map(abs, values)))[1]
    return math.ldexp(math.fsum(math.ldexp(value, -exponent) for value in values) / len(values), exponent)


def exponent_of(tensor: torch.Tensor) -> int:
    """Return e with 2^(e - 1) <= largest |entry| < 2^e; 0 where all are 0 or one is not finite."""
    largest = max(abs(float(end)) for end in tensor.aminmax()) if tensor.numel() else 0.0
    return math.frexp(largest)[1] if math.isfinite(largest) else 0


def times_power(tensor: torch.Tensor, exponent: int) -> torch.Tensor:
    """Return ``tensor * 2**exponent``: exact, but where an entry falls below 2^-1022."""
    if exponent == 0:
        return tensor
    if abs(exponent) <= -NORMAL_EXPONENT:
        return tensor * 2.0**exponent
    import torch as t

    with np.errstate(over="ignore", under="ignore"):
        return t.from_numpy(np.ldexp(tensor.numpy(), exponent))


def unit_sized(tensor: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return a tensor whose largest entry lies in [1/2, 1), and the exponent of the power of two that was taken out.

    What falls below 2^-1022 loses at most 2^-1075 an entry beside a largest one of at least 1/2: in norms over all entries far less
    than one rounding, even where its square vanishes.
    """
    exponent = exponent_of(tensor)
    return times_power(tensor, -exponent), exponent


def kept_positive(values: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    """Return non-negative values raised to `SMALLEST_SQUARE` where what they came from is not 0, so that none vanishes.

    For values of at most 1 that are multiplied with others later, entry by entry.

    Args:
        values: computed from `origin`, perhaps with underflow.
        origin: of the same shape; 0 where the exact values are.
    """
    return values.clamp(min=SMALLEST_SQUARE) * (origin != 0)


def squared(values: torch.Tensor) -> torch.Tensor:
    """Return squares, from above where they would vanish."""
    return kept_positive(values.square(), values)

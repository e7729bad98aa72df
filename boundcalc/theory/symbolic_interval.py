"""Evaluate formulas in interval arithmetic at about 50 digits: every operation encloses the exact result (mpmath.iv)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import mpmath
import sympy
from mpmath import iv
from sympy import Basic, Expr

Interval = Any
"""An ``mpmath.iv`` number: ``a`` its lower, ``b`` its upper end."""
Values = Mapping[Basic, Interval]
DIGITS = 50


@contextmanager
def precision() -> Iterator[None]:
    """Set the precision to 50 digits inside the block."""
    before = iv.dps
    iv.dps = DIGITS
    try:
        with mpmath.workdps(DIGITS + 10):
            yield
    finally:
        iv.dps = before


def exact(value: float | Fraction) -> Interval:
    """Return the interval of a float64, an integer or a fraction.

    Example:
        >>> exact(Fraction(1, 4)) == exact(0.25)
        True
    """
    with precision():
        if isinstance(value, Fraction):
            return iv.mpf(value.numerator) / iv.mpf(value.denominator)
        return iv.mpf(value)


def exp_of(log_value: float) -> Interval:
    """Return the interval of exp of a float64; it is 0 for -inf."""
    with precision():
        return iv.mpf(0) if log_value == -math.inf else iv.exp(iv.mpf(log_value))


def root_of(square: Fraction | float) -> Interval:
    """Return the interval of a square root."""
    with precision():
        return iv.sqrt(exact(square))


def log_middle(value: Interval) -> float:
    """Return the log of an interval's midpoint as a float64; -inf for 0."""
    with precision():
        middle = value.mid
        return -math.inf if middle <= 0 else float(mpmath.log(mpmath.mpf(middle.a)))


def interval_of(expr: Expr, values: Values) -> Interval:
    """Return an interval that contains the value of an expression.

    Args:
        expr: expression of sums, products, powers, pi, log, exp, ceiling, Max, harmonic numbers and the symbols of `values`.
        values: symbol -> interval.

    Raises:
        KeyError: a symbol has no value.
        ValueError: the expression contains another operation.
    """
    with precision():
        return _value(expr, values)


def _value(expr: Expr, values: Values) -> Interval:
    if expr in values:
        return values[expr]
    if isinstance(expr, sympy.Rational):
        return iv.mpf(int(expr.p)) / iv.mpf(int(expr.q))
    if expr is sympy.pi:
        return iv.pi + iv.mpf(0)
    if isinstance(expr, sympy.Pow):
        return _power(_value(expr.base, values), expr.exp, values)
    arguments = [_value(argument, values) for argument in expr.args]
    for kind, operation in _OPERATIONS:
        if isinstance(expr, kind):
            return operation(arguments)
    if expr.is_symbol:
        raise KeyError(f"no number for {expr}")
    raise ValueError(f"cannot evaluate {type(expr).__name__} in {expr}")


def _power(base: Interval, exponent: Expr, values: Values) -> Interval:
    if exponent.is_integer and exponent.is_number:
        return base ** int(exponent)
    if exponent == sympy.Rational(1, 2):
        return iv.sqrt(base)
    if base.b == 0:
        return iv.mpf(0)
    return iv.exp(_value(exponent, values) * iv.log(base))


def _sum(arguments: list[Interval]) -> Interval:
    return sum(arguments, iv.mpf(0))


def _product(arguments: list[Interval]) -> Interval:
    return math.prod(arguments, start=iv.mpf(1))


def _ceiling(arguments: list[Interval]) -> Interval:
    ends = arguments[0].a, arguments[0].b
    return iv.mpf([mpmath.ceil(mpmath.mpf(end)) for end in ends])


def _largest(arguments: list[Interval]) -> Interval:
    lows, highs = ([getattr(argument, end) for argument in arguments] for end in ("a", "b"))
    return iv.mpf([max(lows), max(highs)])


def _harmonic(arguments: list[Interval]) -> Interval:
    """Return H_n: summed up to n = 1000, else log n + 1/(2n) + Euler's constant - 1/(12 n^2) + [0, 1/(120 n^4)]."""
    n = int(mpmath.mpf(arguments[0].a))
    if n <= 1000:
        return _sum([iv.mpf(1) / iv.mpf(k) for k in range(1, n + 1)])
    size = iv.mpf(n)
    tail = iv.mpf([0, 1]) / (120 * size**4)
    return iv.log(size) + 1 / (2 * size) + iv.mpf(mpmath.euler) - 1 / (12 * size**2) + tail


_OPERATIONS: tuple[tuple[type, Callable[[list[Interval]], Interval]], ...] = (
    (sympy.Add, _sum),
    (sympy.Mul, _product),
    (sympy.log, lambda arguments: iv.log(arguments[0])),
    (sympy.exp, lambda arguments: iv.exp(arguments[0])),
    (sympy.ceiling, _ceiling),
    (sympy.Max, _largest),
    (sympy.harmonic, _harmonic),
)

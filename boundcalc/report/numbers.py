"""Numbers as text: 0.640, 95.6, 2.0e5, powers of ten from 1e7 on. Bounds are rounded up, never below the number.

Rounding is exact: it uses the double's exact decimal value, and a power ``10^7.3`` shown for an upper bound v satisfies 10^73 >=
v^10 in integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any

NULL = "-"
LARGEST_SPELLED = 10_000
LARGEST_PLAIN = 10_000_000
"""Smallest number that is shown as a power of ten."""
ROUGH = 2
"""Number of digits of a number between the two limits."""
SMALLEST_PLAIN = Decimal("0.0001")
LEAST_LOG10 = -300.0
"""Logarithm below which a number that is known only by its logarithm is shown as a power of ten."""
LARGEST_COUNT = 10**15
LONGEST_LIST = 12
_WORKING = Context(prec=40)
_ABOVE = _WORKING.add(1, Decimal("1e-37"))
"""Added to a rounded power so that it is above the true one."""


def upper(value: float | None, digits: int = 3, log10: float | None = None) -> str:
    """Format an upper bound, rounded up.

    Args:
        value: the bound, or None if it overflows a double.
        digits: significant digits, for values up to 1e4; two are shown up to 1e7, and a power with one decimal above.
        log10: its logarithm to base 10, if known; used if `value` is None or a power is shown.

    Returns:
        Text for a number that is never below `value` nor, if a power is shown or `value` is None, below 10^`log10`; ``"-"`` if
        both are None.

    Example:
        >>> upper(0.1231), upper(12345.0), upper(None, log10=340.13), upper(None, log10=0.0)
        ('0.124', '1.3e4', '10^340.2', '1.00')
    """
    if value is None and log10 is not None and LEAST_LOG10 <= log10 < math.log10(LARGEST_PLAIN):
        known = _WORKING.power(10, Decimal(log10))
        return _upper(known if log10 == int(log10) else _WORKING.multiply(known, _ABOVE), digits)
    if value is not None and value < LARGEST_PLAIN:
        return _upper(Decimal(value), digits)
    tenths = [] if log10 is None else [math.ceil(Fraction(log10) * 10)]
    if value is not None:
        tenths.append(_tenths_above(value))
    return _power(max(tenths)) if tenths else NULL


def _upper(value: Decimal, digits: int) -> str:
    text = _significant(value, _digits(value, digits), ROUND_CEILING)
    return text if Decimal(text) < LARGEST_PLAIN else _power(_tenths_above(float(text)))


def lower(value: float | None, digits: int = 3) -> str:
    """Format a lower bound, rounded down: never above `value`; ``"-"`` for None.

    Example:
        >>> lower(0.1239), lower(12345.0), lower(2.5e7)
        ('0.123', '1.2e4', '10^7.3')
    """
    if value is None:
        return NULL
    if value < LARGEST_PLAIN:
        return _significant(Decimal(value), _digits(value, digits), ROUND_FLOOR)
    above = _tenths_above(value)
    exact = 10**above * Fraction(1) == Fraction(value) ** 10
    return _power(above if exact else above - 1)


def plain(value: float | None, digits: int = 3) -> str:
    """Format a number that is not a bound, rounded to nearest; integers as counts.

    Example:
        >>> plain(0.12345), plain(266200), plain(2.5e4), plain(2.5e7), plain(None)
        ('0.123', '266,200', '2.5e4', '10^7.4', '-')
    """
    if value is None:
        return NULL
    if isinstance(value, int) and abs(value) < LARGEST_COUNT:
        return f"{value:,}"
    if value >= LARGEST_PLAIN:
        return _power(round(math.log10(value) * 10))
    return _significant(Decimal(value), _digits(value, digits), ROUND_HALF_EVEN)


def upper_percent(share: float, digits: int = 3) -> str:
    """Format an upper bound on a share in percent, rounded up.

    Example:
        >>> upper_percent(0.63442), upper_percent(0.048)
        ('63.5 %', '4.81 %')
    """
    return f"{_significant(Decimal(share) * 100, digits, ROUND_CEILING)} %"


def _digits(value: float | Decimal, digits: int) -> int:
    spelled = -LARGEST_SPELLED <= value <= LARGEST_SPELLED
    return digits if spelled else min(digits, ROUGH)


def percent(share: float | None, digits: int = 3) -> str:
    """Format a share in percent; a share below 1 is never shown as 100 %.

    Example:
        >>> percent(0.051234), percent(1.0), percent(0.99999)
        ('5.12 %', '100 %', '99.9 %')
    """
    if share is None:
        return NULL
    hundredfold = Decimal(share) * 100
    text = _significant(hundredfold, digits, ROUND_HALF_EVEN)
    if share < 1 and Decimal(text) >= 100:
        text = _significant(hundredfold, digits, ROUND_FLOOR)
    return f"{text} %"


def interval(ends: Sequence[float] | None) -> str:
    """Format an interval [low, high], rounded outwards.

    Example:
        >>> interval([0.1239, 0.1561])
        '[0.123, 0.157]'
    """
    return NULL if ends is None else f"[{lower(ends[0])}, {upper(ends[1])}]"


def sizes(numbers: Sequence[int] | int | None) -> str:
    """Format a shape, stride or padding.

    Example:
        >>> sizes([300, 784]), sizes(None)
        ('300x784', '-')
    """
    if isinstance(numbers, list | tuple):
        return "x".join(map(str, numbers)) or NULL
    return show(numbers)


def show(value: Any) -> str:
    """Format any value of a tree for reading; long lists are cut, with their length.

    Example:
        >>> show([1.5, None, True, "a"]), show({"k": 3})
        ('1.50, -, yes, a', 'k 3')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return plain(value)
    if isinstance(value, list | tuple):
        more = [f"... ({len(value)} in all)"] if len(value) > LONGEST_LIST else []
        return ", ".join([*map(_inner, value[:LONGEST_LIST]), *more]) or NULL
    if isinstance(value, dict):
        return ", ".join(f"{key} {_inner(item)}" for key, item in value.items()) or NULL
    return NULL if value is None else str(value)


def given(value: Any) -> str:
    """Format a value that the user chose, such as delta, without rounding.

    Example:
        >>> given(0.05), given([0.1307, 0.3081]), given(None)
        ('0.05', '0.1307, 0.3081', '-')
    """
    if isinstance(value, list | tuple):
        return ", ".join(map(given, value)) or NULL
    return repr(value) if isinstance(value, float) else show(value)


def _inner(value: Any) -> str:
    text = show(value)
    return f"({text})" if isinstance(value, list | tuple | dict) else text


def _power(tenths: int) -> str:
    sign = "-" if tenths < 0 else ""
    return f"10^{sign}{abs(tenths) // 10}.{abs(tenths) % 10}"


def _tenths_above(value: float) -> int:
    """Return the least k with 10^(k/10) >= value, exactly, for value > 1."""
    exact = Fraction(value)
    k = math.floor(math.log10(value) * 10) - 1
    while 10**k * exact.denominator**10 < exact.numerator**10:
        k += 1
    return k


def _significant(value: Decimal, digits: int, rounding: str) -> str:
    """Round to significant digits; scientific below 1e-4 and above 1e4: 2.0e5, 1.24e-5."""
    if not value:
        return "0"
    context = Context(prec=digits, rounding=rounding)
    rounded = context.plus(value)
    padded = rounded.quantize(Decimal(1).scaleb(rounded.adjusted() - digits + 1), context=context)
    spelled = SMALLEST_PLAIN <= abs(padded) <= LARGEST_SPELLED
    return f"{padded:f}" if spelled else f"{padded:.{digits - 1}e}".replace("e+", "e")

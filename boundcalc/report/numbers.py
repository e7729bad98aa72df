"""Numbers as text: bounds rounded up and never below the number, counts, shares, powers of ten.

Rounding is exact: it is done on the double's exact decimal value, and a power ``10^7.3`` shown for an upper
bound v satisfies 10^73 >= v^10 in integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any

NULL = "-"
LARGEST_PLAIN = 10_000
SMALLEST_PLAIN = Decimal("0.0001")
LARGEST_COUNT = 10**15
LONGEST_LIST = 12


def upper(value: float | None, digits: int = 3, log10: float | None = None) -> str:
    """Format an upper bound, rounded up.

    Args:
        value: the bound, or None where it overflows a double.
        digits: significant digits, for values up to 1e4; above, a power with one decimal is shown.
        log10: its logarithm to base 10, where known; used where `value` is None or above 1e4.

    Returns:
        Text that denotes a number never below `value` nor, where a power is shown, below 10^`log10`;
        ``"-"`` where both are None.

    Example:
        >>> upper(0.1231), upper(12345.0), upper(None, log10=340.13)
        ('0.124', '10^4.1', '10^340.2')
    """
    if value is not None and value <= LARGEST_PLAIN:
        return _significant(Decimal(value), digits, ROUND_CEILING)
    tenths = [] if log10 is None else [math.ceil(Fraction(log10) * 10)]
    if value is not None:
        tenths.append(_tenths_above(value))
    return _power(max(tenths)) if tenths else NULL


def lower(value: float | None, digits: int = 3) -> str:
    """Format a lower bound, rounded down: never above `value`; ``"-"`` for None.

    Example:
        >>> lower(0.1239), lower(12345.0)
        ('0.123', '1.23e+4')
    """
    return NULL if value is None else _significant(Decimal(value), digits, ROUND_FLOOR)


def plain(value: float | None, digits: int = 3) -> str:
    """Format a number that is no bound, rounded to nearest; integers as counts, above 1e4 as a power.

    Example:
        >>> plain(0.12345), plain(266200), plain(2.5e7), plain(None)
        ('0.123', '266,200', '10^7.4', '-')
    """
    if value is None:
        return NULL
    if isinstance(value, int) and abs(value) < LARGEST_COUNT:
        return f"{value:,}"
    if value > LARGEST_PLAIN:
        return _power(round(math.log10(value) * 10))
    return _significant(Decimal(value), digits, ROUND_HALF_EVEN)


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
    """Format any value of a tree for reading; long lists are cut, and say so.

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
    """Format what the user chose, such as delta, without rounding.

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
    """Round to significant digits; scientific below 1e-4 and above 1e4."""
    if not value:
        return "0"
    context = Context(prec=digits, rounding=rounding)
    rounded = context.plus(value)
    padded = rounded.quantize(Decimal(1).scaleb(rounded.adjusted() - digits + 1), context=context)
    spelled = SMALLEST_PLAIN <= abs(padded) <= LARGEST_PLAIN
    return f"{padded:f}" if spelled else f"{padded:.{digits - 1}e}"

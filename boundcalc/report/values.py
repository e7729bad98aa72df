"""Checks of a tree's numbers before they are drawn, because a tree may hold any JSON value."""

from __future__ import annotations

import math
from typing import Any, TypeGuard


def number(value: Any) -> TypeGuard[float]:
    """Return whether a value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def numbers(values: Any) -> TypeGuard[list[float]]:
    """Return whether a value is a nonempty list of numbers."""
    return isinstance(values, list) and bool(values) and all(map(number, values))


def log10(value: Any) -> float | None:
    """Return the logarithm to base 10 of a positive number, None for anything else.

    Example:
        >>> log10(100), log10(0.0), log10("a")
        (2.0, None, None)
    """
    return math.log10(value) if number(value) and value > 0 else None

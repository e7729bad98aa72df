"""The order in which bounds are listed: by subject, then by value; values of different subjects are never compared."""

from __future__ import annotations

import math
from typing import Any

from boundcalc.report.subjects import GROUPS, group_of

Tree = dict[str, Any]
Named = tuple[str, Tree]


def log10_value(bound: Tree) -> float | None:
    """Return the logarithm of a bound's value, from whichever of the two fields is present."""
    log10, value = bound.get("log10_value"), bound.get("value")
    if log10 is not None or value is None:
        return log10
    return math.log10(value) if value > 0 else -math.inf


def sorted_bounds(tree: Tree) -> list[Named]:
    """Return the bounds by group (`boundcalc.report.subjects.GROUPS`), each group with its smallest value first."""
    return sorted((tree.get("bounds") or {}).items(), key=_rank)


def in_group(tree: Tree, group: str) -> list[Named]:
    """Return the bounds of one group, smallest value first."""
    return [(name, bound) for name, bound in sorted_bounds(tree) if group_of(bound) == group]


def proved(tree: Tree, subject: str) -> list[Named]:
    """Return the theorems about one subject that have a value, smallest value first."""
    return [(name, bound) for name, bound in in_group(tree, subject) if log10_value(bound) is not None]


def _rank(named: Named) -> tuple[int, bool, float, str]:
    name, bound = named
    log10 = log10_value(bound)
    return GROUPS.index(group_of(bound)), log10 is None, log10 or 0.0, name

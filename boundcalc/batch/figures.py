"""The few numbers of a checkpoint that have a column of their own, for many checkpoints in few queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from boundcalc.batch.rows import among
from boundcalc.batch.store import Store

_LEAST = (
    "SELECT checkpoint, name, min(value) FROM quantities"
    " WHERE part = 'bounds' AND status = 'theorem' AND quantity = ? AND value IS NOT NULL {} GROUP BY checkpoint"
)
_PLAIN = "SELECT checkpoint, value FROM quantities WHERE part = ? AND name = '' AND quantity = ? {}"


@dataclass
class Figures:
    """What stands in a checkpoint's line.

    Attributes:
        theorem: the bound with the smallest value among those with status theorem; None where none has one.
        log10: of its value.
        value: of it; None where it overflows.
        ratio: of the samples that theory asks for, against the dense network.
        test_error: measured.
        gap: measured.
    """

    theorem: str | None = None
    log10: float | None = None
    value: float | None = None
    ratio: float | None = None
    test_error: float | None = None
    gap: float | None = None


_FIELDS = (("samples", "ratio"), ("empirical", "test_error"), ("empirical", "gap"))


def figures(store: Store, ids: Iterable[int] | None = None) -> dict[int, Figures]:
    """Return the numbers of every checkpoint that has some.

    Args:
        store: opened.
        ids: of the rows; None for all of the store.

    Returns:
        Id of a row -> numbers.
    """
    condition, numbers = among(ids, "checkpoint")
    condition = condition.replace("WHERE", "AND", 1)
    found: dict[int, Figures] = {}
    execute = store.connection.execute
    for checkpoint, name, value in execute(_LEAST.format(condition), ("log10_value", *numbers)):
        if isinstance(value, int | float):
            one = found.setdefault(checkpoint, Figures())
            one.theorem, one.log10 = str(name), value
    for checkpoint, _, value in execute(_LEAST.format(condition), ("value", *numbers)):
        if isinstance(value, int | float):
            found.setdefault(checkpoint, Figures()).value = value
    for part, quantity in _FIELDS:
        for checkpoint, value in execute(_PLAIN.format(condition), (part, quantity, *numbers)):
            if isinstance(value, int | float):
                setattr(found.setdefault(checkpoint, Figures()), quantity, value)
    return found

"""The few numbers of a checkpoint that have a column of their own, for many checkpoints in few queries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from boundcalc.batch.rows import among
from boundcalc.batch.store import Store
from boundcalc.batch.subjects import subject_finder

_THEOREMS = "WHERE part = 'bounds' AND status = 'theorem' AND quantity = ? AND value IS NOT NULL"
_NAMES = f"SELECT name, min(checkpoint), max(checkpoint) FROM quantities {_THEOREMS} GROUP BY name"
_LEAST = (
    f"SELECT checkpoint, name, min(value) FROM quantities {_THEOREMS}"
    " AND name IN (SELECT value FROM json_each(?)) {} GROUP BY checkpoint"
)
_MEASURED = f"SELECT DISTINCT checkpoint FROM quantities {_THEOREMS.replace('= ?', 'IN (SELECT value FROM json_each(?))')} {{}}"
_OF_ERROR = ("terms.margin_error", "terms.samples", "terms.unlabelled")
"""Terms that only a bound on the error itself has: with margins, by errors on the sample, by disagreements."""
_PLAIN = "SELECT checkpoint, value FROM quantities WHERE part = ? AND name = '' AND quantity = ? {}"


@dataclass
class Smallest:
    """The theorem with the smallest value about one subject; it holds on its own.

    Attributes:
        name: of the bound; None where none has a value.
        log10: of its value.
        value: of it; None where it overflows.
    """

    name: str | None = None
    log10: float | None = None
    value: float | None = None


@dataclass
class Figures:
    """What stands in a checkpoint's line.

    Attributes:
        network: the smallest theorem about the checkpoint itself.
        compression: the smallest certificate of a compression of it, which is another network.
        measured: whether margins are known, so that `network` bounds the error and not the error less the margin error.
        ratio: of the samples that theory asks for, against the dense network.
        test_error: measured.
        gap: measured.
    """

    network: Smallest = field(default_factory=Smallest)
    compression: Smallest = field(default_factory=Smallest)
    measured: bool = False
    ratio: float | None = None
    test_error: float | None = None
    gap: float | None = None


SUBJECTS = ("network", "compression")
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
    for subject, names in _by_subject(store).items():
        for key, quantity in (("log10", "log10_value"), ("value", "value")):
            query = execute(_LEAST.format(condition), (quantity, json.dumps(names), *numbers))
            for checkpoint, name, value in query:
                if isinstance(value, int | float):
                    one = getattr(found.setdefault(checkpoint, Figures()), subject)
                    one.name = one.name or str(name)
                    setattr(one, key, value)
    for (checkpoint,) in execute(_MEASURED.format(condition), (json.dumps(_OF_ERROR), *numbers)):
        found.setdefault(checkpoint, Figures()).measured = True
    for part, quantity in _FIELDS:
        for checkpoint, value in execute(_PLAIN.format(condition), (part, quantity, *numbers)):
            if isinstance(value, int | float):
                setattr(found.setdefault(checkpoint, Figures()), quantity, value)
    return found


def _by_subject(store: Store) -> dict[str, list[str]]:
    """Return the names of the theorems of a store, by subject; what cannot be told has no place."""
    subject = subject_finder(store)
    found: dict[str, list[str]] = {one: [] for one in SUBJECTS}
    for name, first, last in store.connection.execute(_NAMES, ("log10_value",)):
        of = subject(first, name) or subject(last, name)
        if of in found:
            found[of].append(name)
    return found

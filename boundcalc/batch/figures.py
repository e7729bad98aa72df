"""The few numbers of a checkpoint that have a column of their own, for many checkpoints in few queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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


_QUERY = "SELECT checkpoint, quantity, value FROM quantities WHERE part = 'verdict' AND name = 'test_set' {}"


@dataclass(frozen=True)
class BestTested:
    """The ticket with the smallest test error.

    Attributes:
        id: of its row.
        tickets: K, how many were tested.
        alone: the exact binomial bound on its error, if it had been chosen without the test set.
        chosen: the same at delta / K: all K bounds hold at once, so that of whichever was chosen by the test set holds, too.
        delta: failure probability.
    """

    id: int
    tickets: int
    alone: float
    chosen: float
    delta: float


def best_tested(store: Store, ids: Sequence[int]) -> BestTested | None:
    """Return the ticket with the smallest test error and what is known of it once it was chosen for that.

    Args:
        store: opened.
        ids: of the tickets.

    Returns:
        None where fewer than two have a test error.
    """
    from boundcalc.certificates.test_set import error_bound

    condition, numbers = among(ids, "checkpoint")
    found: dict[int, dict[str, float]] = {}
    for checkpoint, quantity, value in store.connection.execute(
        _QUERY.format(condition.replace("WHERE", "AND", 1)), numbers
    ):
        if isinstance(value, int | float):
            found.setdefault(checkpoint, {})[quantity] = value
    known = {id: one for id, one in found.items() if one.keys() >= {"errors", "m", "delta"} and one["m"] > 0}
    if len(known) < 2:
        return None
    best = min(known, key=lambda id: (known[id]["errors"] / known[id]["m"], id))
    errors, m = int(known[best]["errors"]), int(known[best]["m"])
    delta = min(one["delta"] for one in known.values())
    return BestTested(
        best, len(known), error_bound(errors, m, delta), error_bound(errors, m, delta / len(known)), delta
    )

"""The numbers of a checkpoint that have columns of their own, read for many checkpoints with few queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from boundcalc.batch.rows import in_condition
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
"""Terms that only bounds on the error itself have: those with margins, with errors on the sample, and with disagreements."""
_PLAIN = "SELECT checkpoint, value FROM quantities WHERE part = ? AND name = '' AND quantity = ? {}"


@dataclass
class Smallest:
    """The theorem with the smallest value about one subject; its failure probability covers this bound alone.

    Attributes:
        name: name of the bound; None if no bound has a value.
        log10: log10 of the bound's value.
        value: value of the bound; None if it overflows.
    """

    name: str | None = None
    log10: float | None = None
    value: float | None = None


@dataclass
class Figures:
    """The numbers in a checkpoint's line of the table.

    Attributes:
        network: the smallest theorem about the checkpoint itself.
        compression: the smallest certificate about a compression of the checkpoint, which is another network.
        measured: whether margins are known, so that `network` bounds the error rather than the error minus the margin error.
        ratio: number of samples that theory requires, divided by that of the dense network.
        test_error: measured test error.
        gap: measured generalization gap.
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
    """Return the numbers of every checkpoint that has any.

    Args:
        store: an open store.
        ids: ids of the rows; None for all rows.

    Returns:
        Numbers by the id of the row.
    """
    condition, numbers = in_condition(ids, "checkpoint")
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
    """Return the names of a store's theorems, by subject. Bounds whose subject is unknown are left out."""
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
        id: id of its row.
        tickets: K, the number of tested tickets.
        alone: the exact binomial bound on its error, valid if the ticket had been chosen without the test set.
        chosen: the same bound at delta / K: all K bounds hold at once, so the bound of the ticket chosen by the test set holds
            too.
        delta: failure probability.
    """

    id: int
    tickets: int
    alone: float
    chosen: float
    delta: float


def best_tested(store: Store, ids: Sequence[int]) -> BestTested | None:
    """Return the ticket with the smallest test error, and bounds on its error that account for this choice.

    Args:
        store: an open store.
        ids: ids of the tickets.

    Returns:
        None if fewer than two tickets have a test error.
    """
    from boundcalc.certificates.test_set import error_bound

    condition, numbers = in_condition(ids, "checkpoint")
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

"""What choosing the best of several tickets by the test set costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from boundcalc.batch.rows import among
from boundcalc.batch.store import Store

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

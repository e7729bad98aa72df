"""Which network a stored bound is about: the long table holds only the bound's name, the report holds its subject."""

from __future__ import annotations

from collections.abc import Callable

from boundcalc.batch.store import DamagedReport, Store
from boundcalc.report.subjects import subject_of

UNKNOWN = ""
"""The subject of a bound whose reports are all damaged; such a bound appears in no column."""


def subject_finder(store: Store) -> Callable[[int, str], str]:
    """Return a function that maps a row's id and a bound's name to the bound's subject.

    Only one report is read per name, because all bounds of one name have the same subject.

    Args:
        store: an open store.
    """
    known: dict[str, str] = {}

    def find(checkpoint: int, name: str) -> str:
        if name not in known:
            found = _subject(store, checkpoint, name)
            if found == UNKNOWN:
                return found
            known[name] = found
        return known[name]

    return find


def _subject(store: Store, checkpoint: int, name: str) -> str:
    try:
        bounds = store.report(checkpoint).get("bounds")
    except (DamagedReport, KeyError):
        return UNKNOWN
    bound = bounds.get(name) if isinstance(bounds, dict) else None
    return subject_of(bound) if isinstance(bound, dict) else UNKNOWN

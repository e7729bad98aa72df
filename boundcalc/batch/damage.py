"""Damage inside a store: rows and reports that were corrupted by a disk, a copy or another program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from boundcalc.batch.rows import COLUMNS, fault_of, row_of
from boundcalc.batch.store import DamagedReport, Store

_PATH = COLUMNS.split(", ").index("checkpoints.path")


class Damage(NamedTuple):
    """One damaged row.

    Attributes:
        id: id of the row.
        path: path of its checkpoint.
        problem: what is wrong with the row.
    """

    id: int
    path: str
    problem: str

    @property
    def reason(self) -> str:
        """The message about the checkpoint: the row, what is wrong, and what to do."""
        return f"row {self.id}: {self.problem}; run boundcalc batch with this path to analyze it again"


def damaged(store: Store, ids: Iterable[int] | None = None) -> tuple[Damage, ...]:
    """Check every row and its report, also the fields that no view shows.

    Args:
        store: an open store.
        ids: ids of the rows to check; None for all rows.

    Returns:
        The damaged rows, in the order of their ids.
    """
    known: dict[str, str] = {}
    found = (
        Damage(cells[0], str(cells[_PATH]), _fault(store, cells, known)) for cells in [*store.cells(ids)]
    )
    return tuple(sorted(one for one in found if one.problem))


def _fault(store: Store, cells: tuple[Any, ...], known: dict[str, str]) -> str:
    if problem := fault_of(cells):
        return problem
    row = row_of(cells)
    if row.settings not in known:
        known[row.settings] = _settings_fault(store, row.settings)
    return known[row.settings] or (_report_fault(store, row.id) if row.state == "done" else "")


def _report_fault(store: Store, checkpoint: int) -> str:
    try:
        store.report(checkpoint)
    except DamagedReport as problem:
        return f"its report is damaged: {problem.problem}"
    except KeyError:
        return "its report is missing"
    return ""


def _settings_fault(store: Store, hash: str) -> str:
    try:
        store.settings(hash)
    except (KeyError, ValueError):
        return "its settings are damaged"
    return ""

"""A store as text: every number (csv), every report (json), or one line per checkpoint (table, markdown, latex, html)."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from boundcalc._version import __version__
from boundcalc.batch import long_table
from boundcalc.batch.damage import Damage, damaged
from boundcalc.batch.figures import Figures, Smallest, best_tested, figures
from boundcalc.batch.rows import StoreRow
from boundcalc.batch.store import Store
from boundcalc.batch.subjects import subject_finder
from boundcalc.report import csv_cells
from boundcalc.report.document import Column, Grid, Section
from boundcalc.report.number_rows import row_subject
from boundcalc.report.numbers import NULL, percent, upper
from boundcalc.report.subjects import ERROR, EXCESS
from boundcalc.report.text import one_line
from boundcalc.report.views import module_of
from boundcalc.report.views.csv import HEADER

if TYPE_CHECKING:
    from boundcalc.report.views.table import Style

SCHEMA = "boundcalc.batch/1"
CSV_HEADER = (*HEADER[:-1], "sha256", "settings", "version", HEADER[-1])
COLUMNS = (
    Column("checkpoint"),
    Column("density", right=True),
    Column("your network", right=True),
    Column("by"),
    Column("its compression", right=True),
    Column("test error", right=True),
    Column("test - training", right=True),
)
DAMAGED_STATE = "damaged"
"""The state of a damaged row in JSON."""
_JOIN = ",\n"
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""The exceptions that a report of unexpected structure may cause in a page."""
SHOWN_HASH_DIGITS = 8
"""Number of digits of a settings' hash that are shown."""
NOTE = (
    "'your network' is the smallest value of a theorem about the checkpoint itself; 'its compression' "
    "is the smallest certificate of another network that was found from the checkpoint. Each value "
    "fails with probability at most delta; they need not all hold at once."
)
EXCESS_COLUMN = Column("bounds")
EXCESS_NOTE = (
    "'bounds' says what the value under 'your network' bounds; without data the margin error is "
    "unknown, so the error itself is not bounded"
)


@dataclass(frozen=True)
class Export:
    """A store as text.

    Attributes:
        text: the text, which ends in one newline.
        damage: rows that are not shown, or not completely.
    """

    text: str
    damage: tuple[Damage, ...]


def render(store: Store, format: str, ids: Sequence[int] | None = None, csv_raw: bool = False) -> str:
    """Render checkpoints of a store; return the text of `export`."""
    return export(store, format, ids, csv_raw).text


def export(
    store: Store,
    format: str,
    ids: Sequence[int] | None = None,
    csv_raw: bool = False,
    style: Style | None = None,
) -> Export:
    """Render checkpoints of a store, and return the damaged rows with the text.

    Args:
        store: an open store.
        format: one of ``boundcalc.report.FORMATS``. ``csv``: header `CSV_HEADER`, one number per line, and a line with part
            ``failed`` for a checkpoint without a report; ``json``: schema ``boundcalc.batch/1``, with whole reports.
        ids: ids of the rows; None for all rows.
        csv_raw: whether text that a spreadsheet would run is left as it is; see `boundcalc.report.csv_cells`.
        style: width and colors of the table; None for 100 columns without colors.

    Returns:
        The text, which lists damaged rows among the failed ones, and the damage.
    """
    view, damage = module_of(format), damaged(store, ids)
    if format == "html":
        return _html(store, ids, damage)
    if format == "csv":
        return Export(csv_cells.table(CSV_HEADER, _csv_rows(store, ids, damage), csv_raw), damage)
    if format == "json":
        return Export(_json(store, ids, damage), damage)
    with _gc_paused():
        heading, found = f"boundcalc {__version__} batch", sections(store, ids, damage)
        if format == "table" and long_table.is_long(found):
            return Export(long_table.page(heading, found), damage)
        if format == "table":
            return Export(view.page(heading, found, style or view.PLAIN), damage)
        return Export(view.page(heading, found), damage)


@contextmanager
def _gc_paused() -> Iterator[None]:
    """Pause the garbage collector, which takes a third of the time for many rows and finds no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def sections(
    store: Store, ids: Sequence[int] | None = None, damage: Sequence[Damage] = ()
) -> tuple[Section, ...]:
    """Build the sections: the checkpoints that are done, ordered by path, and those that failed or are damaged."""
    rows = store.rows(ids)
    done = [row for row in rows if row.state == "done"]
    folder = _common([row.path for row in done])
    facts = (("folder", folder),) if folder else ()
    apart = _differences(store, done)
    known, none = figures(store, ids), Figures()
    excess = any(one.network.name is not None and not one.measured for one in known.values())
    lines = tuple(
        (
            *_line(row, found := known.get(row.id, none), folder),
            *([_bounded(found)] if excess else []),
            *([row.settings[:SHOWN_HASH_DIGITS]] if apart else []),
        )
        for row in done
    )
    columns = (*COLUMNS, *([EXCESS_COLUMN] if excess else []), *([Column("settings")] if apart else []))
    notes = (NOTE, *([EXCESS_NOTE] if excess else []), *_by_test(store, done, folder))
    failed = tuple((one_line(f"{path}: {why}"),) for path, why in failures(store, rows, damage))
    return (
        Section("Checkpoints", "checkpoints", (*facts, *apart), Grid(columns, lines), notes)
        if done
        else Section("Checkpoints", "checkpoints", notes=("none",)),
        *([Section("Failed", "failed", grid=Grid((Column("why"),), failed))] if failed else []),
    )


def _by_test(store: Store, rows: Sequence[StoreRow], folder: str) -> tuple[str, ...]:
    """Build the note on the ticket with the smallest test error: the bounds on its error with and without that choice."""
    best = best_tested(store, [row.id for row in rows]) if len(rows) > 1 else None
    if best is None:
        return ()
    path = next(row.path for row in rows if row.id == best.id)
    return (
        f"If the best of these {best.tickets} is chosen by its test error, each gets delta / "
        f"{best.tickets}: the error of {one_line(path.removeprefix(folder).lstrip(os.sep) or path)} is "
        f"then at most {upper(best.chosen)} (probability {1 - best.delta:g}); if it was chosen without "
        f"the test set, at most {upper(best.alone)}.",
    )


def failures(
    store: Store, rows: Iterable[StoreRow], damage: Iterable[Damage] = ()
) -> Iterator[tuple[str, str]]:
    """Yield a path and a reason for every path without a result, then for every damaged row."""
    for row in rows:
        if row.state == "failed":
            yield from ((path, row.error or "") for path in _places(store, row))
    yield from ((one.path, one.reason) for one in damage)


def _places(store: Store, row: StoreRow) -> list[str]:
    """Return the paths of a row's content, the row's own first."""
    return [row.path, *(path for path in store.paths(row.sha256) if path != row.path)]


def _differences(store: Store, rows: Sequence[StoreRow]) -> tuple[tuple[str, str], ...]:
    """Return the settings in which the rows differ, one fact per set of settings; nothing if all have the same."""
    hashes = sorted({row.settings for row in rows})
    if len(hashes) < 2:
        return ()
    trees = [_settings(store, hash) for hash in hashes]
    names = list(dict.fromkeys(name for tree in trees for name in tree))
    names = [name for name in names if any(tree.get(name) != trees[0].get(name) for tree in trees)]
    return tuple(
        (
            f"settings {hash[:SHOWN_HASH_DIGITS]}",
            ", ".join(f"{name} {_shown(tree.get(name))}" for name in names),
        )
        for hash, tree in zip(hashes, trees, strict=True)
    )


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else NULL if value is None else str(value)


def _settings(store: Store, hash: str) -> dict[str, Any]:
    """Return settings, or an empty dict if they are damaged."""
    try:
        return store.settings(hash)
    except (KeyError, ValueError):
        return {}


def _html(store: Store, ids: Sequence[int] | None, damage: tuple[Damage, ...]) -> Export:
    """Show all reports on one page; reports that cannot be shown are found and left out."""
    rows = [row for row in store.rows(ids) if row.state != "claimed"]
    try:
        return Export(_page(store, rows, damage), damage)
    except _UNREADABLE:
        unshown = tuple(one for row in rows if (one := _page_damage(store, row)) is not None)
        if not unshown:
            raise
        damage = tuple(sorted({one.id: one for one in (*unshown, *damage)}.values()))
        return Export(_page(store, rows, damage), damage)


def _page_damage(store: Store, row: StoreRow) -> Damage | None:
    try:
        _page(store, [row], ())
    except _UNREADABLE as problem:
        return Damage(row.id, row.path, f"its report cannot be shown ({type(problem).__name__}: {problem})")
    return None


def _page(store: Store, rows: Sequence[StoreRow], damage: Sequence[Damage]) -> str:
    from boundcalc.ranking import ranked
    from boundcalc.report.comparable import described
    from boundcalc.report.ranking_sections import correlation_sections
    from boundcalc.report.views.html import store_page

    left_out = {one.id for one in damage}
    reports = [_report(store, row) for row in rows if row.state == "done" and row.id not in left_out]
    failed = list(failures(store, rows, damage))
    _, found = ranked(reports)
    heading = f"boundcalc {__version__} batch: {store.path.name}"
    return store_page(reports, heading, correlation_sections(found, described(reports)), failed)


def _report(store: Store, row: StoreRow) -> dict[str, Any]:
    """Return the report of a row, with the current path of its checkpoint."""
    tree = store.report(row.id)
    tree["checkpoint"]["path"] = row.path
    return tree


_share = lru_cache(maxsize=1 << 16)(percent)


def _line(row: StoreRow, found: Figures, folder: str) -> tuple[str, ...]:
    return (
        one_line(row.path.removeprefix(f"{folder}{os.sep}") if folder else row.path),
        _share(row.density),
        *_smallest(found.network),
        _smallest(found.compression)[0],
        _share(found.test_error),
        _share(found.gap),
    )


def _smallest(found: Smallest) -> tuple[str, str]:
    value = NULL if found.log10 is None else upper(found.value, log10=found.log10)
    return value, found.name or NULL


def _bounded(found: Figures) -> str:
    return NULL if found.network.name is None else ERROR if found.measured else EXCESS


def _common(paths: Sequence[str]) -> str:
    if len(paths) < 2:
        return ""
    try:
        folder = os.path.commonpath(paths)
    except ValueError:  # some are absolute, which no batch writes
        return ""
    return "" if folder in {os.sep, *paths} else folder


def _csv_rows(store: Store, ids: Sequence[int] | None, damage: Sequence[Damage]) -> Iterator[tuple[str, ...]]:
    subject = subject_finder(store)
    for row, found in store.quantities(ids):
        part, name, quantity, value, *origin = found
        number = "" if value is None else repr(value)
        of = subject(row.id, name) if part == "bounds" else row_subject(part, name, found.entry)
        texts = (row.path, *map(_text, (part, name, quantity)), number, *map(_text, origin))
        yield (*texts, row.sha256, row.settings, row.version, of)
    for row in store.rows(ids):
        if row.state == "failed":
            for path, why in failures(store, [row]):
                yield (path, "failed", *[""] * 5, f"{path}: {why}", row.sha256, row.settings, row.version, "")
    for one in damage:
        yield (one.path, "failed", *[""] * 5, f"{one.path}: {one.reason}", *[""] * 4)


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else "" if cell is None else str(cell)


def _json(store: Store, ids: Sequence[int] | None, damage: Sequence[Damage]) -> str:
    """Build the JSON by inserting the text of the reports, which is JSON already."""
    rows = [row for row in store.rows(ids) if row.state != "claimed"]
    settings = {hash: _settings(store, hash) for hash in sorted({row.settings for row in rows})}
    head: dict[str, Any] = {"schema": SCHEMA, "version": __version__, "settings": settings}
    opening = json.dumps(head, allow_nan=False)[:-1]
    problems = {one.id: one for one in damage}
    items = [_item(store, row, problems.pop(row.id, None)) for row in rows]
    items += [
        json.dumps({"path": one.path, "state": DAMAGED_STATE, "error": one.reason, "report": None})
        for one in problems.values()
    ]
    return f'{opening}, "checkpoints": [\n{_JOIN.join(items)}\n]}}\n'


def _error_line(row: StoreRow) -> str | None:
    return None if row.error is None else f"{row.path}: {row.error}"


def _item(store: Store, row: StoreRow, damage: Damage | None) -> str:
    facts = {
        "path": row.path,
        "paths": store.paths(row.sha256),
        "sha256": row.sha256,
        "settings": row.settings,
        "version": row.version,
        "state": row.state if damage is None else DAMAGED_STATE,
        "error": _error_line(row) if damage is None else damage.reason,
        "seconds": row.seconds,
    }
    report = store.report_text(row.id) if row.state == "done" and damage is None else "null"
    return f'{json.dumps(facts, allow_nan=False)[:-1]}, "report": {report}}}'

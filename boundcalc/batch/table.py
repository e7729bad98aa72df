"""A store as text: every number (csv), every report (json), or one line a checkpoint (table, markdown, latex, html)."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from boundcalc._version import __version__
from boundcalc.batch.store import Row, Store
from boundcalc.errors import UsageError
from boundcalc.report.csv_view import HEADER
from boundcalc.report.document import Column, Grid, Section
from boundcalc.report.numbers import NULL, percent, plain, upper
from boundcalc.report.text import one_line

SCHEMA = "boundcalc.batch/1"
FORMATS = ("table", "json", "csv", "markdown", "latex", "html")
PAGES = ("table", "markdown", "latex")
CSV_HEADER = (*HEADER, "sha256", "settings", "version")
COLUMNS = (
    Column("checkpoint"),
    Column("density", right=True),
    Column("smallest theorem"),
    Column("value", right=True),
    Column("N ratio", right=True),
    Column("test error", right=True),
    Column("gap", right=True),
)
NOTE = (
    "smallest theorem: the bound with the smallest value among those with status theorem; each fails with probability delta,"
    " not all at once"
)
_SHOWN = (
    "SELECT part, name, quantity, value FROM quantities WHERE checkpoint = ? AND ("
    "part = 'bounds' AND status = 'theorem' AND quantity IN ('value', 'log10_value')"
    " OR part = 'samples' AND name = '' AND quantity = 'ratio'"
    " OR part = 'empirical' AND quantity IN ('test_error', 'gap'))"
)


def render(store: Store, format: str, ids: Sequence[int] | None = None) -> str:
    """Render checkpoints of a store.

    Args:
        store: opened.
        format: one of `FORMATS`. ``csv``: header `CSV_HEADER`, one number a line, and a line with part ``failed`` for a checkpoint
            without a report; ``json``: schema ``boundcalc.batch/1``, with whole reports.
        ids: of the rows; None for all of the store.

    Returns:
        The text, ending in one newline.

    Raises:
        UsageError: there is no such format.
    """
    if format == "csv":
        return _csv(store, ids)
    if format == "json":
        return _json(store, ids)
    if format == "html":
        return _html(store, ids)
    if format not in PAGES:
        raise UsageError(f"unknown format {format!r}: one of {', '.join(FORMATS)}")
    page = import_module(f"boundcalc.report.{format}").page
    return str(page(f"boundcalc {__version__} batch", sections(store, ids)))


def sections(store: Store, ids: Sequence[int] | None = None) -> tuple[Section, ...]:
    """Build the sections: the checkpoints that are done, by path, and those that failed."""
    rows = store.rows(ids)
    done = [row for row in rows if row.state == "done"]
    folder = _common([row.path for row in done])
    facts = (("folder", folder),) if folder else ()
    grid = Grid(COLUMNS, tuple(_line(store, row, folder) for row in done))
    failed = tuple((one_line(row.error or ""),) for row in rows if row.state == "failed")
    return (
        Section("Checkpoints", "checkpoints", facts, grid, (NOTE,)),
        *([Section("Failed", "failed", grid=Grid((Column("why"),), failed))] if failed else []),
    )


def _html(store: Store, ids: Sequence[int] | None) -> str:
    from boundcalc.ranking import ranked
    from boundcalc.report.html import store_page
    from boundcalc.report.ranking_sections import correlation_sections

    rows = store.rows(ids)
    reports = [_report(store, row) for row in rows if row.state == "done"]
    failed = [(row.path, row.error or "") for row in rows if row.state == "failed"]
    _, found = ranked(reports)
    heading = f"boundcalc {__version__} batch: {store.path.name}"
    return store_page(reports, heading, correlation_sections(found), failed)


def _report(store: Store, row: Row) -> dict[str, Any]:
    """Return the report of a row under the path where its checkpoint is now."""
    tree = store.report(row.id)
    tree["checkpoint"]["path"] = row.path
    return tree


def _line(store: Store, row: Row, folder: str) -> tuple[str, ...]:
    found = store.connection.execute(_SHOWN, (row.id,)).fetchall()
    numbers = {(part, name, quantity): value for part, name, quantity, value in found}
    logs = {
        name: value
        for (part, name, quantity), value in numbers.items()
        if quantity == "log10_value" and value is not None
    }
    best = min(logs, key=logs.__getitem__, default=None)
    value = NULL if best is None else upper(numbers.get(("bounds", best, "value")), log10=logs[best])
    return (
        one_line(os.path.relpath(row.path, folder) if folder else row.path),
        percent(row.density),
        best or NULL,
        value,
        plain(numbers.get(("samples", "", "ratio"))),
        percent(numbers.get(("empirical", "", "test_error"))),
        percent(numbers.get(("empirical", "", "gap"))),
    )


def _common(paths: Sequence[str]) -> str:
    if len(paths) < 2:
        return ""
    folder = os.path.commonpath(paths)
    return "" if folder in {os.sep, *paths} else folder


def _csv(store: Store, ids: Sequence[int] | None) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for row, (part, name, quantity, value, *origin) in store.quantities(ids):
        number = "" if value is None else repr(value)
        texts = [one_line(cell) if cell else "" for cell in (row.path, part, name, quantity)]
        writer.writerow([*texts, number, *map(one_line, origin), row.sha256, row.settings, row.version])
    for row in store.rows(ids):
        if row.state == "failed":
            cells = [
                row.path,
                "failed",
                "",
                "",
                "",
                "",
                "",
                row.error or "",
                row.sha256,
                row.settings,
                row.version,
            ]
            writer.writerow([one_line(cell) for cell in cells])
    return text.getvalue()


def _json(store: Store, ids: Sequence[int] | None) -> str:
    """Put the reports' own text in, which is JSON already."""
    rows = [row for row in store.rows(ids) if row.state != "claimed"]
    settings = {hash: store.settings(hash) for hash in sorted({row.settings for row in rows})}
    head: dict[str, Any] = {"schema": SCHEMA, "version": __version__, "settings": settings}
    opening = json.dumps(head, allow_nan=False)[:-1]
    items = ",\n".join(_item(store, row) for row in rows)
    return f'{opening}, "checkpoints": [\n{items}\n]}}\n'


def _item(store: Store, row: Row) -> str:
    facts = {
        "path": row.path,
        "paths": store.paths(row.sha256),
        "sha256": row.sha256,
        "settings": row.settings,
        "version": row.version,
        "state": row.state,
        "error": row.error,
        "seconds": row.seconds,
    }
    report = store.report_text(row.id) if row.state == "done" else "null"
    return f'{json.dumps(facts, allow_nan=False)[:-1]}, "report": {report}}}'

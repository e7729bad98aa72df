"""A store as text: every number (csv), every report (json), or one line a checkpoint (table, markdown, latex, html)."""

from __future__ import annotations

import csv
import gc
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

from boundcalc._version import __version__
from boundcalc.batch import long_table
from boundcalc.batch.figures import Figures, figures
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
SHORT = 8
"""Digits of a settings' hash that are shown."""
NOTE = (
    "smallest theorem: the bound with the smallest value among those with status theorem; each fails with probability delta,"
    " not all at once"
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
    with _uncollected():
        heading, found = f"boundcalc {__version__} batch", sections(store, ids)
        if format == "table" and long_table.is_long(found):
            return long_table.page(heading, found)
        return str(import_module(f"boundcalc.report.{format}").page(heading, found))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Put off the collector of cycles, which makes a third of the time of many rows, and finds none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def sections(store: Store, ids: Sequence[int] | None = None) -> tuple[Section, ...]:
    """Build the sections: the checkpoints that are done, by path, and those that failed."""
    rows = store.rows(ids)
    done = [row for row in rows if row.state == "done"]
    folder = _common([row.path for row in done])
    facts = (("folder", folder),) if folder else ()
    apart = _differences(store, done)
    known, none = figures(store, ids), Figures()
    lines = tuple(
        (*_line(row, known.get(row.id, none), folder), *([row.settings[:SHORT]] if apart else []))
        for row in done
    )
    columns = (*COLUMNS, *([Column("settings")] if apart else []))
    failed = tuple((one_line(row.error or ""),) for row in rows if row.state == "failed")
    return (
        Section("Checkpoints", "checkpoints", (*facts, *apart), Grid(columns, lines), (NOTE,))
        if done
        else Section("Checkpoints", "checkpoints", notes=("none",)),
        *([Section("Failed", "failed", grid=Grid((Column("why"),), failed))] if failed else []),
    )


def _differences(store: Store, rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """Return what the settings of some rows differ in, a fact each; nothing where all have the same."""
    hashes = sorted({row.settings for row in rows})
    if len(hashes) < 2:
        return ()
    trees = [store.settings(hash) for hash in hashes]
    names = [name for name in trees[0] if any(tree.get(name) != trees[0][name] for tree in trees)]
    return tuple(
        (f"settings {hash[:SHORT]}", ", ".join(f"{name} {_shown(tree.get(name))}" for name in names))
        for hash, tree in zip(hashes, trees, strict=True)
    )


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else NULL if value is None else str(value)


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


_share = lru_cache(maxsize=1 << 16)(percent)


def _line(row: Row, found: Figures, folder: str) -> tuple[str, ...]:
    value = NULL if found.log10 is None else upper(found.value, log10=found.log10)
    return (
        one_line(row.path.removeprefix(f"{folder}{os.sep}") if folder else row.path),
        _share(row.density),
        found.theorem or NULL,
        value,
        plain(found.ratio),
        _share(found.test_error),
        _share(found.gap),
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
            cells = [row.path, "failed", *[""] * 5, row.error or "", row.sha256, row.settings, row.version]
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

"""A store as a table in memory: for pandas, or as plain records without it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc.batch.store import Store, opened
from boundcalc.batch.subjects import subject_finder
from boundcalc.errors import UsageError
from boundcalc.extras import install
from boundcalc.report.frames import need_pandas
from boundcalc.report.number_rows import row_subject

if TYPE_CHECKING:
    import pandas

ROW_COLUMNS = ("path", "sha256", "settings", "version", "density")
LONG_COLUMNS = (
    "checkpoint",
    *ROW_COLUMNS[1:],
    "part",
    "name",
    "quantity",
    "value",
    "status",
    "source",
    "reason",
    "subject",
)


def records(store: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the long table as dicts, one a number, without pandas.

    Args:
        store: path of the file.

    Yields:
        Dicts with the keys `LONG_COLUMNS`; ``value`` is None where the report has null.

    Raises:
        UsageError: there is no such store.
    """
    with opened(store) as found:
        yield from rows_of(found)


def rows_of(store: Store, ids: Sequence[int] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records of an opened store.

    Args:
        store: opened.
        ids: of its rows; None for all.

    Yields:
        As `records`.
    """
    subject = subject_finder(store)
    for row, quantity in store.quantities(ids):
        part, name = quantity.part, quantity.name
        of = subject(row.id, name) if part == "bounds" else row_subject(part, name, quantity.entry)
        cells = (*(getattr(row, name) for name in ROW_COLUMNS), *quantity, of)
        yield dict(zip(LONG_COLUMNS, cells, strict=True))


def load(store: str | Path) -> pandas.DataFrame:
    """Return the long table of a store: one row a number.

    Args:
        store: path of the file that `boundcalc batch` wrote.

    Returns:
        Columns `LONG_COLUMNS`: checkpoint (its path), sha256, settings, version, density, part, name, quantity, value (float64, NaN
        where the report has null), status, source, reason, subject (whose error a bound speaks of).

    Raises:
        UsageError: there is no such store, or no pandas.
    """
    frame = need_pandas().DataFrame(records(store), columns=list(LONG_COLUMNS))
    return frame.astype({"value": "float64", "density": "float64"})


def load_wide(store: str | Path) -> pandas.DataFrame:
    """Return a store with one row a checkpoint.

    Args:
        store: path of the file that `boundcalc batch` wrote.

    Returns:
        Columns checkpoint, sha256, settings, version, density, and one for each number, named ``part.name.quantity`` or, where it
        has no name, ``part.quantity``: ``bounds.peeling.value``, ``empirical.gap``. NaN where there is none.

    Raises:
        UsageError: there is no such store, or no pandas.
    """
    pandas = need_pandas()
    with opened(store) as found:
        wide: dict[int, dict[str, Any]] = {}
        for row, quantity in found.quantities():
            facts = {"checkpoint": row.path, **{name: getattr(row, name) for name in ROW_COLUMNS[1:]}}
            name = ".".join(word for word in quantity[:3] if word)
            wide.setdefault(row.id, facts)[name] = quantity.value
    frame = pandas.DataFrame(list(wide.values()))
    texts = ("checkpoint", *ROW_COLUMNS[1:4])
    return frame.astype({column: "float64" for column in frame.columns if column not in texts})


NUMBERS = frozenset({"value", "density"})
"""Columns of float64; all others hold text."""
ROWS = 1 << 16
"""Rows of a group, and the most that are held at a time."""


def parquet(store: Store, ids: Sequence[int] | None = None) -> bytes:
    """Return the long table of a store as the content of a Parquet file.

    Args:
        store: opened.
        ids: of the rows of the store; None for all.

    Returns:
        Columns as `boundcalc.batch.load` has them: ``value`` and ``density`` float64, null where the report
        has null, the others text.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(f"--format parquet needs pyarrow: {install('parquet')}") from error
    kinds = [(name, pyarrow.float64() if name in NUMBERS else pyarrow.string()) for name in LONG_COLUMNS]
    schema, content = pyarrow.schema(kinds), io.BytesIO()
    with pyarrow.parquet.ParquetWriter(content, schema) as writer:
        for piece in _pieces(rows_of(store, ids)):
            columns = {name: [_typed(name, row[name]) for row in piece] for name in LONG_COLUMNS}
            writer.write_table(pyarrow.table(columns, schema=schema))
    return content.getvalue()


def _pieces(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while piece := list(islice(rows, ROWS)):
        yield piece


def _typed(name: str, value: Any) -> float | str | None:
    """Return a cell as its column holds it; bytes that are no text, as names of files may be, are escaped."""
    if value is None:
        return None
    if name in NUMBERS:
        return float(value)
    return str(value).encode("utf-8", "backslashreplace").decode()

"""A store as a table in memory: as pandas data frames, or as plain records without pandas."""

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
    """Yield the long table as dicts, one per number, without pandas.

    Args:
        store: path of the store.

    Yields:
        Dicts with the keys `LONG_COLUMNS`; ``value`` is None where the report has null.

    Raises:
        UsageError: there is no store at this path.
    """
    with opened(store) as found:
        yield from rows_of(found)


def rows_of(store: Store, ids: Sequence[int] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records of an open store.

    Args:
        store: an open store.
        ids: ids of its rows; None for all rows.

    Yields:
        Dicts as `records` yields them.
    """
    subject = subject_finder(store)
    for row, quantity in store.quantities(ids):
        part, name = quantity.part, quantity.name
        of = subject(row.id, name) if part == "bounds" else row_subject(part, name, quantity.entry)
        cells = (*(getattr(row, name) for name in ROW_COLUMNS), *quantity, of)
        yield dict(zip(LONG_COLUMNS, cells, strict=True))


def load(store: str | Path) -> pandas.DataFrame:
    """Return the long table of a store, with one row per number.

    Args:
        store: path of the file that `boundcalc batch` wrote.

    Returns:
        Columns `LONG_COLUMNS`: checkpoint (its path), sha256, settings, version, density, part, name, quantity, value (float64, NaN
        where the report has null), status, source, reason, subject (the network that a bound is about).

    Raises:
        UsageError: there is no store at this path, or pandas is not installed.
    """
    frame = need_pandas().DataFrame(records(store), columns=list(LONG_COLUMNS))
    return frame.astype({"value": "float64", "density": "float64"})


def load_wide(store: str | Path) -> pandas.DataFrame:
    """Return a store as a table with one row per checkpoint.

    Args:
        store: path of the file that `boundcalc batch` wrote.

    Returns:
        Columns checkpoint, sha256, settings, version, density, and one for each number. Its name is ``part.name.quantity``, or
        ``part.quantity`` for a number without a name: ``bounds.peeling.value``, ``empirical.gap``. NaN where a checkpoint has no
        such number.

    Raises:
        UsageError: there is no store at this path, or pandas is not installed.
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
"""The columns of type float64; all others hold text."""
ROWS = 1 << 16
"""Number of rows per row group, which is also the largest number of rows held at a time."""


def parquet(store: Store, ids: Sequence[int] | None = None) -> bytes:
    """Return the long table of a store as the content of a Parquet file.

    Args:
        store: an open store.
        ids: ids of the rows; None for all rows.

    Returns:
        The columns of `boundcalc.batch.load`: ``value`` and ``density`` are float64, null where the report has null; the others
        are text.

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
    """Return a cell in its column's type; bytes that are not valid text, as in some file names, are escaped."""
    if value is None:
        return None
    if name in NUMBERS:
        return float(value)
    return str(value).encode("utf-8", "backslashreplace").decode()

"""A store as a Parquet file: the long table, one row a number, typed."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from boundcalc.batch.frame import LONG_COLUMNS, rows_of
from boundcalc.batch.store import Store
from boundcalc.errors import UsageError
from boundcalc.extras import install

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

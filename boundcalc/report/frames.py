"""The report as pandas data frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from boundcalc.errors import UsageError
from boundcalc.extras import install
from boundcalc.report.number_rows import number_rows
from boundcalc.report.views.csv import HEADER

if TYPE_CHECKING:
    import pandas

ENTRIES = ("checkpoint", "layer", "row", "column", "density")

Tree = dict[str, Any]


def numbers(tree: Tree) -> pandas.DataFrame:
    """Return every number of a tree except the entries of graphons, one row each, with the columns of the CSV view.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.

    Raises:
        UsageError: pandas is not installed.
    """
    path = str((tree.get("checkpoint") or {}).get("path", ""))
    rows = [(path, *row[:-1]) for row in number_rows(tree) if not row.of_graphon]
    frame = need_pandas().DataFrame(rows, columns=list(HEADER))
    return frame.astype({"value": "float64"})


def graphons(tree: Tree) -> pandas.DataFrame:
    """Return the step graphons of a tree, one row per entry: cells in the order of the histogram, with their densities.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.

    Raises:
        UsageError: pandas is not installed.
    """
    frame = need_pandas().DataFrame(_entries(tree), columns=list(ENTRIES))
    return frame.astype({"density": "float64", "row": "int64", "column": "int64"})


def _entries(tree: Tree) -> Iterator[tuple[str, str, int, int, float]]:
    path = str((tree.get("checkpoint") or {}).get("path", ""))
    for layer in (tree.get("graphon") or {}).get("layers") or []:
        for row, line in enumerate(layer["histogram"]):
            for column, density in enumerate(line):
                yield path, layer["name"], row, column, density


def need_pandas() -> Any:
    """Import pandas and return it.

    Raises:
        UsageError: pandas is not installed; the message says how to install it.
    """
    try:
        import pandas
    except ImportError as error:
        raise UsageError(f"data frames need pandas: {install('pandas')}") from error
    return pandas

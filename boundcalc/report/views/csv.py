"""The CSV view: a tidy long table, one number a row, for pandas and the like."""

from __future__ import annotations

from typing import Any

from boundcalc.report.csv_cells import table
from boundcalc.report.number_rows import NumberRow, number_rows

HEADER = ("checkpoint", "part", "name", "quantity", "value", "status", "source", "reason", "subject")

Tree = dict[str, Any]


def render(tree: Tree, raw: bool = False, full: bool = False) -> str:
    """Render every number of a tree, each once, at full precision.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.
        raw: leave text that a spreadsheet would run as it is; see `boundcalc.report.csv_cells`.
        full: the entries of the graphons, too.

    Returns:
        Lines ``checkpoint,part,name,quantity,value,status,source,reason,subject``. `checkpoint` is its path, so that tables of
        several reports can be put below each other; `name` is the bound or the layer, or empty; `quantity` the path
        below it, such as ``terms.rho`` or ``shape[1]``; `status`, `source`, `reason` and `subject` those of a bound. A bound's
        complexity, value and log10_value have a row even where they are null, with an empty value, and `vacuous` is
        1 or 0. What the verdict says stands below the name of its entry. A part that did not run has a row of the part
        ``skipped`` with its reason. Other text is left to the JSON view.

    Example:
        >>> print(render({"schema": "boundcalc.report/2", "seed": 3}), end="")
        checkpoint,part,name,quantity,value,status,source,reason,subject
        ,report,,seed,3,,,,
    """
    path = str((tree.get("checkpoint") or {}).get("path", ""))
    rows = (row for row in number_rows(tree) if full or not row.of_graphon)
    return table(HEADER, ((path, *texts(row)) for row in rows), raw)


def texts(row: NumberRow) -> tuple[str, ...]:
    """Return the cells of a row without its checkpoint, at full precision; an empty one where there is no number."""
    number = "" if row.value is None else repr(row.value)
    return row.part, row.name, row.quantity, number, row.status, row.source, row.reason, row.subject

"""The CSV view: a tidy long table with one number per row, for pandas and similar tools."""

from __future__ import annotations

from typing import Any

from boundcalc.report.csv_cells import table
from boundcalc.report.number_rows import NumberRow, number_rows

HEADER = ("checkpoint", "part", "name", "quantity", "value", "status", "source", "reason", "subject")

Tree = dict[str, Any]


def render(tree: Tree, raw: bool = False, full: bool = False) -> str:
    """Render every number of a tree once, at full precision.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.
        raw: whether text that a spreadsheet would run is left as it is; see `boundcalc.report.csv_cells`.
        full: whether to include the entries of the graphons.

    Returns:
        Lines ``checkpoint,part,name,quantity,value,status,source,reason,subject``. `checkpoint` is its path, so that tables of
        several reports can be concatenated; `name` is the bound or the layer, or empty; `quantity` is the path below it, such as
        ``terms.rho`` or ``shape[1]``; `status`, `source`, `reason` and `subject` are those of a bound. A bound's complexity,
        value and log10_value have a row even if they are null, with an empty value, and `vacuous` is 1 or 0. Numbers of the
        verdict have the name of its entry. A part that did not run has a row of the part ``skipped`` with its reason. Other text
        is only in the JSON view.

    Example:
        >>> print(render({"schema": "boundcalc.report/2", "seed": 3}), end="")
        checkpoint,part,name,quantity,value,status,source,reason,subject
        ,report,,seed,3,,,,
    """
    path = str((tree.get("checkpoint") or {}).get("path", ""))
    rows = (row for row in number_rows(tree) if full or not row.of_graphon)
    return table(HEADER, ((path, *texts(row)) for row in rows), raw)


def texts(row: NumberRow) -> tuple[str, ...]:
    """Return the cells of a row except its checkpoint, at full precision; the value is empty if there is no number."""
    number = "" if row.value is None else repr(row.value)
    return row.part, row.name, row.quantity, number, row.status, row.source, row.reason, row.subject

"""The CSV view: a tidy long table, one number a row, for pandas and the like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from boundcalc.report.csv_cells import table
from boundcalc.report.subjects import subject_of

HEADER = ("checkpoint", "part", "name", "quantity", "value", "status", "source", "reason", "subject")
VERDICTS = {"network": "network", "compression": "compression", "test_set": "network"}
"""Entry of the verdict -> its subject."""
PROVED = ("value", "all_at_once")
NULLABLE = ("complexity", "value", "log10_value")
CELLS = ("histogram[", "row_weights[", "column_weights[", "row_degrees[", "column_degrees[")
"""How quantities begin that are entries of a graphon: thousands a network."""

Row = tuple[str, ...]
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
    rows = (row for row in cells(tree) if full or not is_graphon_cell(row[0], row[2]))
    return table(HEADER, ((path, *row) for row in rows), raw)


def is_graphon_cell(part: str, quantity: str) -> bool:
    """Return whether a row is an entry of a graphon, its weights or its degrees.

    Example:
        >>> is_graphon_cell("graphon", "histogram[0][1]"), is_graphon_cell("graphon", "density")
        (True, False)
    """
    return part == "graphon" and quantity.startswith(CELLS)


def cells(tree: Tree) -> Iterator[Row]:
    """Yield the table's rows without the checkpoint: eight texts each, some of them empty."""
    for row in _rows(tree):
        yield (*row, *[""] * (len(HEADER) - 1 - len(row)))


def _rows(tree: Tree) -> Iterator[Row]:
    for part, node in tree.items():
        if part == "bounds":
            for name, bound in (node or {}).items():
                yield from _bound(name, bound)
        elif part == "verdict":
            yield from _verdict(node or {})
        elif part == "skipped":
            yield from (("skipped", item["part"], "", "", "", "", item["reason"]) for item in node or [])
        elif isinstance(node, dict):
            yield from _part(part, node)
        else:
            yield from (("report", "", *leaf, "", "") for leaf in _leaves(node, part))


def _bound(name: str, bound: Tree) -> Iterator[Row]:
    origin = bound["status"], bound.get("source") or "", bound.get("reason") or "", subject_of(bound)
    for quantity, value in _leaves(bound, ""):
        yield "bounds", name, quantity, value, *origin
    for quantity in NULLABLE:
        if bound.get(quantity) is None:
            yield "bounds", name, quantity, "", *origin
    yield "bounds", name, "vacuous", str(int(bool(bound.get("vacuous")))), *origin


def _verdict(node: Tree) -> Iterator[Row]:
    for name, subject in VERDICTS.items():
        found = node.get(name) or {}
        reason = str(found.get("reason") or (node.get("reasons") or {}).get(name) or "")
        for quantity, value in _leaves(found, ""):
            status = "theorem" if quantity in PROVED else ""
            yield "verdict", name, quantity, value, status, "", reason, subject
        if found.get("value") is None:
            yield "verdict", name, "value", "", "", "", reason, subject


def _part(part: str, node: Tree) -> Iterator[Row]:
    """List a part's numbers, those of each layer under the layer's name."""
    layers = node.get("layers") or []
    named = isinstance(layers, list) and all(isinstance(layer, dict) for layer in layers)
    for layer in layers if named else []:
        yield from ((part, str(layer.get("name", "")), *leaf, "", "") for leaf in _leaves(layer, ""))
    rest = {key: value for key, value in node.items() if not (named and key == "layers")}
    for quantity, value in _leaves(rest, ""):
        yield part, "", quantity, value, "", "", "", row_subject(part, "", quantity)


def row_subject(part: str, name: str, quantity: str) -> str:
    """Return whose error a number outside the bounds speaks of; empty for one that speaks of none."""
    if part == "verdict":
        return VERDICTS.get(name, "")
    of_kernel = part == "gntk" and quantity.startswith(("kernel_bound", "bound."))
    return "interpolant" if of_kernel else ""


def _leaves(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """List the numbers below a node with their paths."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from _leaves(value, f"{path}[{i}]")
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield path, repr(node)

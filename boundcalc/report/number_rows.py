"""Every number of a report as typed rows, from which csv, data frames and the store of a batch are made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from boundcalc.report.subjects import subject_of

VERDICTS = {"network": "network", "compression": "compression", "test_set": "network"}
"""Entry of the verdict -> its subject."""
PROVED = ("value", "all_at_once")
NULLABLE = ("complexity", "value", "log10_value")
GRAPHON_ARRAYS = frozenset({"histogram", "row_weights", "column_weights", "row_degrees", "column_degrees"})
"""Arrays of a layer's graphon, which hold thousands of numbers per network."""
KERNEL_BOUND = ("kernel_bound", "bound")
"""Entries of the graphon NTK that are about its interpolant."""

Tree = dict[str, Any]


class NumberRow(NamedTuple):
    """One number of a report, and to what it belongs.

    Attributes:
        part: part of the report; ``"report"`` for numbers at its top level, ``"skipped"`` for a part that did not run.
        name: name of the bound, the layer or the entry of the verdict; empty if there is none.
        quantity: the path below it, such as ``terms.rho`` or ``shape[1]``.
        value: the number; None if the report has null, or if a part did not run.
        status: status of the bound.
        source: source of the bound.
        reason: reason given by a bound, by a verdict that is null, or by a part that did not run.
        subject: the network whose error the number is about; empty if it is not about an error.
        array: path of the array of which the number is an entry; empty if it is not in an array.
    """

    part: str
    name: str
    quantity: str
    value: int | float | None
    status: str = ""
    source: str = ""
    reason: str = ""
    subject: str = ""
    array: str = ""

    @property
    def of_graphon(self) -> bool:
        """Whether the number is an entry of a graphon, of its weights or of its degrees."""
        return self.part == "graphon" and self.array in GRAPHON_ARRAYS


def row_subject(part: str, name: str, entry: str) -> str:
    """Return the network whose error a number outside the bounds is about; empty if it is not about an error.

    Args:
        part: part of the report.
        name: name of the entry of the verdict.
        entry: entry of the part, the first step of the number's path.
    """
    if part == "verdict":
        return VERDICTS.get(name, "")
    return "interpolant" if part == "gntk" and entry in KERNEL_BOUND else ""


class _Leaf(NamedTuple):
    path: str
    value: int | float
    array: str


def number_rows(tree: Tree) -> Iterator[NumberRow]:
    """Yield every number of a report once.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.

    Yields:
        The rows in the order of the tree; a bound's complexity, value and log10_value have a row even if they are null.

    Example:
        >>> [row[:4] for row in number_rows({"seed": 3, "samples": {"ratio": 0.5, "layers": [{"name": "fc", "K": 4}]}})]
        [('report', '', 'seed', 3), ('samples', 'fc', 'K', 4), ('samples', '', 'ratio', 0.5)]
    """
    for part, node in tree.items():
        if part == "bounds":
            for name, bound in (node or {}).items():
                yield from _bound(name, bound)
        elif part == "verdict":
            yield from _verdict(node or {})
        elif part == "skipped":
            yield from (
                NumberRow("skipped", item["part"], "", None, reason=item["reason"]) for item in node or []
            )
        elif isinstance(node, dict):
            yield from _part(part, node)
        else:
            yield from (
                NumberRow("report", "", leaf.path, leaf.value, array=leaf.array)
                for leaf in _leaves(node, part)
            )


def _bound(name: str, bound: Tree) -> Iterator[NumberRow]:
    origin = bound["status"], bound.get("source") or "", bound.get("reason") or "", subject_of(bound)
    for leaf in _leaves(bound, ""):
        yield NumberRow("bounds", name, leaf.path, leaf.value, *origin, leaf.array)
    for quantity in NULLABLE:
        if bound.get(quantity) is None:
            yield NumberRow("bounds", name, quantity, None, *origin)
    yield NumberRow("bounds", name, "vacuous", int(bool(bound.get("vacuous"))), *origin)


def _verdict(node: Tree) -> Iterator[NumberRow]:
    for name, subject in VERDICTS.items():
        found = node.get(name) or {}
        reason = str(found.get("reason") or (node.get("reasons") or {}).get(name) or "")
        for leaf in _leaves(found, ""):
            status = "theorem" if leaf.path in PROVED else ""
            yield NumberRow("verdict", name, leaf.path, leaf.value, status, "", reason, subject, leaf.array)
        if found.get("value") is None:
            yield NumberRow("verdict", name, "value", None, "", "", reason, subject)


def _part(part: str, node: Tree) -> Iterator[NumberRow]:
    """Yield a part's numbers; those of each layer carry the layer's name."""
    layers = node.get("layers") or []
    named = isinstance(layers, list) and all(isinstance(layer, dict) for layer in layers)
    for layer in layers if named else []:
        name = str(layer.get("name", ""))
        yield from (
            NumberRow(part, name, leaf.path, leaf.value, array=leaf.array) for leaf in _leaves(layer, "")
        )
    for key, value in node.items():
        if named and key == "layers":
            continue
        subject = row_subject(part, "", key)
        for leaf in _leaves(value, key):
            yield NumberRow(part, "", leaf.path, leaf.value, subject=subject, array=leaf.array)


def _leaves(node: Any, path: str, array: str = "") -> Iterator[_Leaf]:
    """Yield the numbers below a node with their paths."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else key, array)
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from _leaves(value, f"{path}[{i}]", array or path)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield _Leaf(path, node, array)

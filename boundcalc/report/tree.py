"""The report as one frozen tree of plain values, checked once when it is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from boundcalc.report.older import is_older, upgraded
from boundcalc.report.views import view

if TYPE_CHECKING:
    import pandas

SCHEMA = "boundcalc.report/2"
STATUSES = ("theorem", "published", "refuted", "score", "not_covered")


@dataclass(frozen=True, repr=False)
class PlainTree:
    """A frozen tree of plain values with a table view; it is pickled as a plain tree, because frozen mappings do not pickle."""

    tree: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return a fresh copy of the tree, with dicts and lists that the caller may change."""
        return {key: unfrozen(value) for key, value in self.tree.items()}

    def to(self, format: str, csv_raw: bool = False) -> str:
        """Render the tree in one of ``boundcalc.report.FORMATS``; subclasses implement this."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Return the table view."""
        return self.to("table").rstrip("\n")

    def __reduce__(self) -> tuple[type[PlainTree], tuple[dict[str, Any]]]:
        """Return the values from which a pickle is made."""
        return type(self), (self.to_dict(),)


@dataclass(frozen=True, repr=False)
class Report(PlainTree):
    """All results of one analysis, as the tree of schema ``boundcalc.report/2``.

    The tree is copied and frozen when the report is made, so nothing changes it afterwards. A tree of schema
    ``boundcalc.report/1`` is accepted too, and converted to the present schema (`boundcalc.report.older`).

    Args:
        tree: the report's tree: dicts with string keys, lists, strings, numbers, booleans, None.

    Raises:
        ValueError: the schema is wrong, a bound has an unknown status, or a value is NaN, infinite or not plain; the message
            names its path in the tree.

    Example:
        >>> report = Report({"schema": "boundcalc.report/2", "seed": 0})
        >>> report.to_dict()
        {'schema': 'boundcalc.report/2', 'seed': 0}
        >>> Report({"schema": "boundcalc.report/2", "bounds": {"peeling": {"value": float("nan")}}})
        Traceback (most recent call last):
        ValueError: bounds.peeling.value: nan is not a finite number
    """

    def __post_init__(self) -> None:
        if not isinstance(self.tree, Mapping):
            raise ValueError(f"a report's tree is a dict, not {type(self.tree).__name__}")
        given = upgraded(self.tree, SCHEMA) if is_older(self.tree) else self.tree
        if given.get("schema") != SCHEMA:
            raise ValueError(f"schema: expected {SCHEMA!r}, found {given.get('schema')!r}")
        tree = frozen(given)
        _check_bounds(tree)
        object.__setattr__(self, "tree", tree)

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Report:
        """Make a report from its tree, for example one read back from JSON.

        Args:
            d: a tree of schema ``boundcalc.report/2``, or of ``boundcalc.report/1``.

        Returns:
            The report; ``Report.from_dict(r.to_dict()) == r``.
        """
        return cls(d)

    @property
    def verdict(self) -> dict[str, Any]:
        """What is proved about the network, about its compression and by the test set, and what looks wrong; a fresh copy."""
        found: dict[str, Any] = unfrozen(self.tree.get("verdict") or {})
        return found

    def to(self, format: str, csv_raw: bool = False, full: bool = False) -> str:
        """Render the report.

        Args:
            format: one of ``boundcalc.report.FORMATS``: table, json, csv, markdown, latex, html.
            csv_raw: whether text that a spreadsheet would run is left as it is; see `boundcalc.report.csv_cells`.
            full: whether to show everything: the table with evidence, terms and timings; csv with the entries of the graphons;
                latex with every table.

        Returns:
            The text, ending in one newline.
        """
        return view(format)(self.to_dict(), csv_raw, full)

    def to_pandas(self, graphons: bool = False) -> pandas.DataFrame:
        """Return the report as a tidy table with one row per number.

        Args:
            graphons: whether to return the entries of the graphons instead, one row per entry.

        Returns:
            Columns checkpoint, part, name (of the bound or the layer), quantity, value (float64; NaN where the report has null),
            status, source, reason, subject; with `graphons` checkpoint, layer, row, column, density.

        Raises:
            UsageError: pandas is not installed.
        """
        from boundcalc.report import frames

        tree = self.to_dict()
        return frames.graphons(tree) if graphons else frames.numbers(tree)

    def __repr__(self) -> str:
        """Return one line with the file and the number of bounds."""
        path = (self.tree.get("checkpoint") or {}).get("path")
        return f"<Report of {path!r}: {len(self.tree.get('bounds') or {})} bounds>"

    def _repr_html_(self) -> str:
        """Return the HTML that notebooks show: the verdict, what looks wrong, the layers and the bounds; the rest is folded."""
        from boundcalc.report.notebook import render

        return render(self.to_dict())


def _frozen(node: Any, path: str) -> Any:
    """Return a read-only copy of a tree of plain values.

    Raises:
        ValueError: JSON cannot hold a value; the message names its path.
    """
    if isinstance(node, Mapping):
        return MappingProxyType({_key(key, path): _frozen(node[key], _join(path, key)) for key in node})
    if isinstance(node, list | tuple):
        return tuple(_frozen(item, f"{path}[{i}]") for i, item in enumerate(node))
    if isinstance(node, float):
        if not math.isfinite(node):
            raise ValueError(f"{path}: {float(node)} is not a finite number")
        return float(node)
    if node is None or isinstance(node, str | bool | int):
        return node
    raise ValueError(f"{path}: {type(node).__name__} is not a plain value (convert it to a number or a list)")


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise ValueError(f"{path or 'the tree'}: key {key!r} is not a string")
    return key


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def unfrozen(node: Any) -> Any:
    """Return a copy of a frozen tree, with dicts and lists that may be changed."""
    if isinstance(node, Mapping):
        return {key: unfrozen(value) for key, value in node.items()}
    return [unfrozen(item) for item in node] if isinstance(node, tuple) else node


def frozen(tree: Mapping[str, Any]) -> Any:
    """Return a read-only copy of a tree of plain values; a value that JSON cannot hold is refused with its path."""
    return _frozen(tree, "")


def _check_bounds(tree: Mapping[str, Any]) -> None:
    """Refuse a bound of unknown status, because a view could not show whether it is proved.

    Raises:
        ValueError: a bound has none of the statuses of the schema.
    """
    bounds = tree.get("bounds") or {}
    if not isinstance(bounds, Mapping):
        raise ValueError(f"bounds: {type(bounds).__name__} is not a dict from names to bounds")
    for name, bound in bounds.items():
        status = bound.get("status") if isinstance(bound, Mapping) else None
        if status not in STATUSES:
            raise ValueError(f"bounds.{name}.status: {status!r} is none of {', '.join(STATUSES)}")

"""The table of a part that has one row per layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

from boundcalc.report.document import Cell, Column, Grid
from boundcalc.report.numbers import NULL, show
from boundcalc.report.origin import Origin
from boundcalc.report.values import number

Tree = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A column: its header, its key in a layer's tree, the format of its values, and their origin."""

    header: str
    key: str
    text: Callable[[Any], str]
    origin: Callable[[Tree], Origin]


def layer_grid(part: Tree, fields: Sequence[Field]) -> Grid | None:
    """Build a grid with one row per layer and one column per field; None without layers."""
    layers = part.get("layers") or []
    if not layers:
        return None
    columns = (Column("layer"), *(Column(field.header, right=True) for field in fields))
    rows = tuple(
        (show(layer.get("name")), *(_cell(part, layer, field) for field in fields)) for layer in layers
    )
    return Grid(columns, rows)


def present(part: Tree, fields: Sequence[Field]) -> tuple[Field, ...]:
    """Return the fields that at least one layer has."""
    return tuple(field for field in fields if any(field.key in layer for layer in part.get("layers") or []))


def cell(text: str, value: Any, origin: Origin) -> Cell:
    """Make a cell from a value and its text; a dash has no origin."""
    return Cell(text, value if number(value) else None, None if text in {NULL, ""} else origin)


def mean_over_layers(part: Tree, find: Callable[[Tree], Any]) -> float | None:
    """Return the mean of a number over the layers that have it."""
    values = [value for layer in part.get("layers") or [] if number(value := find(layer))]
    return fsum(values) / len(values) if values else None


def _cell(part: Tree, layer: Tree, field: Field) -> Cell:
    value = layer.get(field.key)
    key = value[0] if isinstance(value, list | tuple) and value else value
    return cell(field.text(value), key, field.origin(part))

"""Formats of the quantities by which tickets are compared, and their descriptions in a comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from boundcalc.report.document import Cell
from boundcalc.report.numbers import NULL, percent, plain, upper
from boundcalc.report.origin import UNPROVED, Origin

Tree = Mapping[str, Any]


UNITS: dict[str, Callable[[float | None], str]] = {
    "number": plain,
    "share": percent,
    "log10 bound": lambda log10: upper(None, log10=log10),
}
"""Unit of a quantity -> how it is written."""


def quantity_cell(value: float | None, about: Tree) -> Cell:
    """Return a quantity as a cell, in parentheses if it is not proved.

    Args:
        value: value of the ticket's quantity.
        about: the quantity's description by `described`.
    """
    status = about.get("status", "")
    text = UNITS[about.get("unit", "number")](value)
    if text == NULL:
        return Cell(text, status=status)
    shown = f"({text})" if status in UNPROVED else text
    return Cell(shown, value, origin_of(about), status)


def origin_of(about: Tree) -> Origin:
    """Return the origin in a quantity's description."""
    return Origin(about.get("origin", "computed"), about.get("source", "boundcalc"), about.get("note", ""))


def name_of(about: Tree) -> str:
    """Return a quantity's name for readers, with the network that a bound is about if that is not the ticket.

    Example:
        >>> name_of({"label": "occam", "subject": "compression"}), name_of({"label": "peeling", "subject": "network"})
        ('occam (compression)', 'peeling')
    """
    subject = about.get("subject")
    return f"{about['label']} ({subject})" if subject and subject != "network" else str(about["label"])

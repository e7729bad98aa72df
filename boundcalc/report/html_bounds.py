"""The tables of bounds of a page: sorted by exact values, every status with its mark."""

from __future__ import annotations

from typing import Any

from boundcalc.report.bound_order import log10_value
from boundcalc.report.document import Section
from boundcalc.report.html_block import Block, Cell, Figure, Head, Table, sort_key
from boundcalc.report.html_origin import of_bound, of_term
from boundcalc.report.numbers import NULL
from boundcalc.report.values import log10, number

Tree = dict[str, Any]

OF_THE_BOUND = ("complexity R", "value")
"""Columns whose numbers are what the bound states; the others are on the way to it."""
WORDS = ("", "prior")


def bound_block(tree: Tree, section: Section, figures: tuple[Figure, ...]) -> Block:
    """Make the block of a group of bounds.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.
        section: the bounds of its document.
        figures: shown above the table.

    Returns:
        The block; a row's class is its status.
    """
    assert section.grid is not None
    headers = tuple(column.header for column in section.grid.columns)
    heads = tuple(Head(column.header or "remark", column.right) for column in section.grid.columns)
    rows = tuple(_row(tree["bounds"][row[0]], headers, row) for row in section.grid.rows)
    return Block(
        section.slug, section.title, figures, (Table(section.title, heads, rows),), (), section.notes
    )


def _row(bound: Tree, headers: tuple[str, ...], row: tuple[str, ...]) -> tuple[Cell, ...]:
    name, status, *rest = row
    words = Cell(status, origin=of_bound(name, bound), kind=f"status {bound['status']}")
    return Cell(name), words, *(_cell(name, bound, *pair) for pair in zip(headers[2:], rest, strict=True))


def _cell(name: str, bound: Tree, header: str, text: str) -> Cell:
    if header in WORDS:
        return Cell(text)
    origin = of_bound(name, bound) if header in OF_THE_BOUND else of_term(name, bound)
    return Cell(text, _key(bound, header, text), origin if text != NULL else None, bound["status"])


def _key(bound: Tree, header: str, text: str) -> float | None:
    """Return the number that a cell is sorted by, unrounded where it is known."""
    if header == "value":
        return log10_value(bound)
    if header == "complexity R":
        known = bound.get("log10_complexity")
        return known if number(known) else log10(bound.get("complexity"))
    return sort_key(text)

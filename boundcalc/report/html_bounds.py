"""The table of bounds of a page: sorted by exact values, every status with its mark."""

from __future__ import annotations

from typing import Any

from boundcalc.report.bound_rows import log10_value
from boundcalc.report.document import Section
from boundcalc.report.html_block import Block, Cell, Figure, Head, Table, sort_key
from boundcalc.report.html_origin import of_bound, of_term
from boundcalc.report.numbers import NULL
from boundcalc.report.values import log10, number

Tree = dict[str, Any]


def bound_block(tree: Tree, section: Section, figures: tuple[Figure, ...]) -> Block:
    """Make the block of bounds.

    Args:
        tree: a tree of schema ``boundcalc.report/1``.
        section: the bounds of its document.
        figures: shown above the table.

    Returns:
        The block; a row's class is its status.
    """
    assert section.grid is not None
    heads = tuple(Head(column.header or "remark", column.right) for column in section.grid.columns)
    rows = tuple(_row(tree["bounds"][row[0]], row) for row in section.grid.rows)
    return Block(
        section.slug, section.title, figures, (Table(section.title, heads, rows),), (), section.notes
    )


def _row(bound: Tree, row: tuple[str, ...]) -> tuple[Cell, ...]:
    name, status, complexity, value, remark, margin, ratio = row
    origin, kind = of_bound(name, bound), bound["status"]
    log_complexity = bound.get("log10_complexity")
    exact = (
        log_complexity if number(log_complexity) else log10(bound.get("complexity")),
        log10_value(bound),
        sort_key(margin),
        sort_key(ratio),
    )
    texts, term = (complexity, value, margin, ratio), of_term(name, bound)
    cells = [
        Cell(text, key, source if text != NULL else None, kind)
        for text, key, source in zip(texts, exact, (origin, origin, term, term), strict=True)
    ]
    words = Cell(status, origin=origin, kind=f"status {kind}")
    return (Cell(name), words, *cells[:2], Cell(remark), *cells[2:])

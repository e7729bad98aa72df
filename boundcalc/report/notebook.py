"""The HTML of a report for notebooks: without scripts, and without styles that affect anything else."""

from __future__ import annotations

from html import escape
from typing import Any

from boundcalc.report.document import Grid, Section
from boundcalc.report.rows import document, title
from boundcalc.report.text import one_line

UNFOLDED_SECTIONS = frozenset({"summary", "warnings", "layers", "bounds", "compression"})
"""Slugs of the sections that are not folded."""


def render(tree: dict[str, Any]) -> str:
    """Render a tree as an HTML fragment for a notebook.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.

    Returns:
        A ``div`` with all sections; those other than the verdict, what looks wrong, the layers and the bounds are folded.
    """
    pieces = [f"<div><h3>{_text(title(tree))}</h3>", *map(_section, document(tree)), "</div>"]
    return "\n".join(pieces)


def _section(section: Section) -> str:
    facts = "".join(
        f"<tr><th style='text-align:left'>{_text(label)}</th><td style='text-align:left'>{_text(text)}</td></tr>"
        for label, text in section.facts
    )
    body = f"<table>{facts}</table>" if facts else ""
    body += "" if section.grid is None else _grid(section.grid)
    body += "".join(f"<p>{_text(note)}</p>" for note in section.notes)
    heading = _text(section.title)
    if section.slug in UNFOLDED_SECTIONS:
        return f"<h4>{heading}</h4>{body}"
    return f"<details><summary>{heading}</summary>{body}</details>"


def _grid(grid: Grid) -> str:
    sides = ["right" if column.right else "left" for column in grid.columns]
    head = "".join(
        f"<th style='text-align:{side}'>{_text(column.header)}</th>"
        for side, column in zip(sides, grid.columns, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td style='text-align:{side}'>{_text(cell)}</td>" for side, cell in zip(sides, row, strict=True)
        )
        + "</tr>"
        for row in grid.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _text(text: str) -> str:
    return escape(one_line(text))

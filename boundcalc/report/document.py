"""What every view for readers renders: sections of facts, one grid and notes, all of them text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of a grid: its header, and whether it holds numbers and stands to the right."""

    header: str
    right: bool = False


@dataclass(frozen=True)
class Grid:
    """A table: columns, and rows of as many texts."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in a grid of {len(self.columns)} columns: {row}")


@dataclass(frozen=True)
class Section:
    """A part of the report, shown in this order: title, facts (label and text), grid, notes.

    Args:
        title: its heading or caption.
        slug: its label where things are referred to by label.
        facts: pairs of a label and a text.
        grid: a table, if any.
        notes: sentences, one a line.
    """

    title: str
    slug: str
    facts: tuple[tuple[str, str], ...] = ()
    grid: Grid | None = None
    notes: tuple[str, ...] = ()

"""The content that every view for readers renders: sections with facts, one grid and notes.

All texts are ready to be read. A `Cell` is a text that also carries the number that it shows, unrounded, and the origin of that
number, so that no view has to parse a number or a status from a text.
"""

from __future__ import annotations

from dataclasses import dataclass

from boundcalc.report.origin import Origin


class Cell(str):
    """A text with the number that it shows and the origin of that number.

    Args:
        text: the text to show.
        number: the unrounded number by which the text is sorted; None if it shows none.
        origin: origin of the number; None if the text holds none.
        status: status of the bound to which the number belongs, a key of `boundcalc.report.origin.SHOWN_STATUS`; empty for any
            other number.

    Example:
        >>> cell = Cell("0.640", 0.63951, Origin("theorem", "Langford 2005"))
        >>> cell, cell.number, cell.origin.status
        ('0.640', 0.63951, 'theorem')
    """

    __slots__ = ("number", "origin", "status")

    number: float | None
    origin: Origin | None
    status: str

    def __new__(
        cls, text: str, number: float | None = None, origin: Origin | None = None, status: str = ""
    ) -> Cell:
        """Make the text."""
        made = super().__new__(cls, text)
        made.number, made.origin, made.status = number, origin, status
        return made


class Detail(str):
    """A label of a fact for experts: the table shows it only with --verbose."""

    __slots__ = ()


class Term(str):
    """A header or label of a quantity that needs a definition, to which pages link it.

    Args:
        text: the text to show.
        means: the definition, one line.
        page: the page of docs/theory with more about it.

    Example:
        >>> term = Term("K", "neurons with a surviving weight", "zhang2021")
        >>> term, term.means, term.page
        ('K', 'neurons with a surviving weight', 'zhang2021')
    """

    __slots__ = ("means", "page")

    means: str
    page: str

    def __new__(cls, text: str, means: str, page: str) -> Term:
        """Make the text."""
        made = super().__new__(cls, text)
        made.means, made.page = means, page
        return made

    def __reduce__(self) -> tuple[type[Term], tuple[str, str, str]]:
        """Return the values from which a copy or a pickle is made."""
        return Term, (str(self), self.means, self.page)


@dataclass(frozen=True)
class Column:
    """A column of a grid: its header, and whether it holds numbers and is right-aligned."""

    header: str
    right: bool = False


@dataclass(frozen=True)
class Grid:
    """A table: columns, and rows with one text per column. The first names the row; texts with a number are cells."""

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
        title: heading or caption of the section.
        slug: name by which the section is referred to.
        facts: pairs of a label and a text.
        grid: a table, if any.
        notes: sentences, one per line.
        detail: whether the section is for experts: the table shows it only with --verbose.
    """

    title: str
    slug: str
    facts: tuple[tuple[str, str], ...] = ()
    grid: Grid | None = None
    notes: tuple[str, ...] = ()
    detail: bool = False

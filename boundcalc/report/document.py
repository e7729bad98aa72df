"""What every view for readers renders: sections of facts, one grid and notes.

All of it is text that is ready to be read. A `Cell` is a text that also carries the number that it shows, unrounded, and where that
number comes from, so that no view reads a number or a status back out of a text.
"""

from __future__ import annotations

from dataclasses import dataclass

from boundcalc.report.origin import Origin


class Cell(str):
    """A text, with the number that it shows and where that comes from.

    Args:
        text: what is shown.
        number: what it is sorted by, unrounded; None where it shows none.
        origin: of the number; None where the text holds none.
        status: of the bound that the number belongs to, a key of `boundcalc.report.origin.SHOWN_STATUS`; empty for any other.

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
    """A label of a fact that only an expert asks for: the table shows it where all is asked for."""

    __slots__ = ()


class Term(str):
    """A header or label of a quantity that needs a definition: pages link it there.

    Args:
        text: what is shown.
        means: the definition, one line.
        page: of docs/theory, where more stands.

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
        """Return what a copy or a pickle is made from."""
        return Term, (str(self), self.means, self.page)


@dataclass(frozen=True)
class Column:
    """A column of a grid: its header, and whether it holds numbers and stands to the right."""

    header: str
    right: bool = False


@dataclass(frozen=True)
class Grid:
    """A table: columns, and rows of as many texts, the first of which names the row; texts with a number are cells."""

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
        detail: whether only an expert asks for it: the table shows it where all is asked for.
    """

    title: str
    slug: str
    facts: tuple[tuple[str, str], ...] = ()
    grid: Grid | None = None
    notes: tuple[str, ...] = ()
    detail: bool = False

"""What a page is made of: blocks of figures, facts, tables and notes, every number with its origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from boundcalc.report.document import Cell as Words
from boundcalc.report.document import Grid, Section
from boundcalc.report.origin import Origin
from boundcalc.report.text import one_line


@dataclass(frozen=True)
class Cell:
    """A text and what goes with it.

    Args:
        text: what is shown.
        key: the number it is sorted by; None: by its text.
        origin: of the number it holds; None where it holds none.
        kind: class.
        anchor: id of the row that it names.
        link: id of the row that it leads to.
    """

    text: str
    key: float | None = None
    origin: Origin | None = None
    kind: str = ""
    anchor: str = ""
    link: str = ""


@dataclass(frozen=True)
class Head:
    """A column's header, and whether its cells stand to the right."""

    text: str
    right: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows; the first cell of a row is its name."""

    caption: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A picture, or several side by side, with a title and what it says; maps keep their size."""

    title: str
    pictures: tuple[Markup, ...]
    caption: str
    origin: Origin
    legend: tuple[tuple[str, str, str], ...] = ()
    wide: bool = False
    maps: bool = False


@dataclass(frozen=True)
class Block:
    """A part of the page, shown in this order."""

    slug: str
    title: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    facts: tuple[tuple[str, Cell], ...] = ()
    notes: tuple[str, ...] = ()


def block(section: Section, otherwise: Origin, figures: tuple[Figure, ...] = ()) -> Block:
    """Make a block of a section.

    Args:
        section: of the document.
        otherwise: where numbers come from whose text does not tell.
        figures: shown above.

    Returns:
        The block.
    """
    facts = tuple((label, _fact(words, otherwise)) for label, words in section.facts)
    tables = (table(section.title, section.grid, otherwise),) if section.grid is not None else ()
    return Block(section.slug, section.title, figures, tables, facts, merged(section.notes))


def table(caption: str, grid: Grid, otherwise: Origin) -> Table:
    """Make a table of a grid."""
    first, *others = grid.columns
    heads = (
        Head(first.header or "no."),
        *(Head(column.header or "remark", column.right) for column in others),
    )
    rows = tuple((Cell(row[0]), *(cell_of(words, otherwise) for words in row[1:])) for row in grid.rows)
    return Table(caption, heads, rows)


def cell_of(words: str, otherwise: Origin) -> Cell:
    """Return the page's cell of a text: sorted by its number, with the origin and the look of its status."""
    if not isinstance(words, Words):
        return Cell(words, origin=otherwise if _has_digit(words) else None)
    return Cell(words, words.number, words.origin, words.status)


def _has_digit(words: str) -> bool:
    return any(char.isdigit() for char in words)


def merged(notes: Sequence[str]) -> tuple[str, ...]:
    """Return notes, those that say the same of several names as one.

    Example:
        >>> merged(["a: too few", "b: too few", "Else."])
        ('a, b: too few', 'Else.')
    """
    found: dict[str, list[str]] = {}
    for note in notes:
        name, colon, says = note.partition(": ")
        found.setdefault(says if colon else note, []).extend([name] if colon else [])
    return tuple(f"{', '.join(names)}: {says}" if names else says for says, names in found.items())


def _fact(words: str, otherwise: Origin) -> Cell:
    shown = one_line(words)
    origin = words.origin if isinstance(words, Words) else otherwise
    return Cell(shown, origin=origin if _has_digit(shown) else None)

"""The building blocks of a page: figures, facts, tables and notes, every number with its origin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from boundcalc.figures.files import element
from boundcalc.figures.picture import NamedReport, Picture
from boundcalc.report.document import Cell, Grid, Section, Term
from boundcalc.report.numbers import NULL
from boundcalc.report.origin import Origin
from boundcalc.report.text import one_line


@dataclass(frozen=True)
class PageCell:
    """A text on a page, with its sort key, origin and links.

    Args:
        text: the text to show.
        key: the number by which the cell is sorted; None to sort by its text.
        origin: origin of the number that the cell shows; None if it shows none.
        kind: CSS class.
        anchor: id of the row that the cell names.
        link: id of the row to which the cell links.
    """

    text: str
    key: float | None = None
    origin: Origin | None = None
    kind: str = ""
    anchor: str = ""
    link: str = ""


@dataclass(frozen=True)
class Head:
    """The header of a column, and whether its cells are right-aligned."""

    text: str
    right: bool = False


@dataclass(frozen=True)
class PageTable:
    """Columns and rows; the first cell of a row is its name."""

    caption: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[PageCell, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A picture with its title, its caption and the origin of its numbers."""

    title: str
    picture: Markup
    caption: str
    origin: Origin


@dataclass(frozen=True)
class PageBlock:
    """A part of the page, shown in the order of its fields."""

    slug: str
    title: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[PageTable, ...] = ()
    facts: tuple[tuple[str, PageCell], ...] = ()
    notes: tuple[str, ...] = ()


class References:
    """Ids of origins, assumptions and definitions, in the order in which a page first refers to them; each is listed once."""

    def __init__(self) -> None:
        self._ids: dict[Origin, str] = {}
        self._assumptions: dict[str, str] = {}
        self._terms: dict[tuple[str, str, str], str] = {}

    def __call__(self, origin: Origin) -> str:
        """Return the id of an origin."""
        return self._ids.setdefault(origin, f"o{len(self._ids) + 1}")

    def assumed(self, origin: Origin) -> list[str]:
        """Return the ids of an origin's assumptions."""
        return [
            self._assumptions.setdefault(one, f"a{len(self._assumptions) + 1}") for one in origin.assumptions
        ]

    def assumptions(self) -> list[tuple[str, str]]:
        """Return id and text of all assumptions for which `assumed` gave ids."""
        return [(name, words) for words, name in self._assumptions.items()]

    def term(self, term: Term) -> str:
        """Return the id of a definition."""
        return self._terms.setdefault((str(term), term.means, term.page), f"d{len(self._terms) + 1}")

    def terms(self) -> list[tuple[str, str, str, str]]:
        """Return id, term, definition and page of all terms for which `term` gave ids."""
        return [(name, *defined) for defined, name in self._terms.items()]

    def listed(self) -> list[tuple[str, Origin]]:
        """Return all ids with their origins."""
        return [(name, origin) for origin, name in self._ids.items()]


def figures_of(
    pictures: Iterable[Picture], tickets: Sequence[NamedReport], ref: References
) -> tuple[Figure, ...]:
    """Draw pictures of tickets; pictures with nothing to show are left out."""
    drawn = ((picture, picture.of(tickets)) for picture in pictures)
    return tuple(
        Figure(picture.title, Markup(element(one, picture.name, ref)), one.caption, one.origin)  # noqa: S704
        for picture, one in drawn
        if one is not None
    )


def block(section: Section, otherwise: Origin, figures: tuple[Figure, ...] = ()) -> PageBlock:
    """Make a block from a section.

    Args:
        section: a section of the document.
        otherwise: origin of numbers that do not carry their own.
        figures: figures shown above the section.

    Returns:
        The block.
    """
    facts = tuple((label, _fact(words, otherwise)) for label, words in section.facts)
    tables = (table(section.title, section.grid, otherwise),) if section.grid is not None else ()
    return PageBlock(section.slug, section.title, figures, tables, facts, section.notes)


def table(caption: str, grid: Grid, otherwise: Origin) -> PageTable:
    """Make a page's table from a grid."""
    first, *others = grid.columns
    heads = (
        Head(first.header or "no."),
        *(Head(column.header or "remark", column.right) for column in others),
    )
    rows = tuple((PageCell(row[0]), *(cell_of(words, otherwise) for words in row[1:])) for row in grid.rows)
    return PageTable(caption, heads, rows)


def cell_of(words: str, otherwise: Origin) -> PageCell:
    """Return the page's cell for a text: sorted by its number, with the origin and the style of its status."""
    if isinstance(words, Cell):
        return PageCell(words, words.number, words.origin, words.status)
    return PageCell(words, origin=otherwise if _has_digit(words) and words != NULL else None)


def _fact(words: str, otherwise: Origin) -> PageCell:
    shown = one_line(words)
    origin = words.origin if isinstance(words, Cell) else otherwise
    return PageCell(shown, origin=origin if _has_digit(shown) else None)


def _has_digit(words: str) -> bool:
    return any(char.isdigit() for char in words)

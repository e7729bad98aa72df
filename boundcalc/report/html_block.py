"""What a page is made of: blocks of figures, facts, tables and notes, every number with its origin."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from boundcalc.report.document import Grid, Section
from boundcalc.report.html_origin import Origin
from boundcalc.report.numbers import NULL
from boundcalc.report.text import one_line

LEADING_NUMBER = re.compile(r"[(\[]*(-?[0-9][0-9,]*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)(?:\^(-?[0-9.]+))?")
LARGEST_EXPONENT = 300.0


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


OriginOf = Callable[[str, str], Origin]


def block(section: Section, origin_of: OriginOf, figures: tuple[Figure, ...] = ()) -> Block:
    """Make a block of a section.

    Args:
        section: of the document.
        origin_of: from a row's name (empty for a fact) and a column's header or fact's label to an origin.
        figures: shown above.

    Returns:
        The block.
    """
    facts = tuple((label, _fact(label, words, origin_of)) for label, words in section.facts)
    tables = (table(section.title, section.grid, origin_of),) if section.grid is not None else ()
    return Block(section.slug, section.title, figures, tables, facts, merged(section.notes))


def table(caption: str, grid: Grid, origin_of: OriginOf) -> Table:
    """Make a table of a grid; texts that hold a number are sorted by it."""
    first, *others = grid.columns
    heads = (
        Head(first.header or "no."),
        *(Head(column.header or "remark", column.right) for column in others),
    )
    return Table(caption, heads, tuple(_row(heads, row, origin_of) for row in grid.rows))


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


def sort_key(words: str) -> float | None:
    """Return the number that a text begins with, powers of ten and parentheses understood.

    Example:
        >>> sort_key("(0.250)"), sort_key("266,200"), sort_key("10^2.0"), sort_key("fc1")
        (0.25, 266200.0, 100.0, None)
    """
    found = LEADING_NUMBER.match(words)
    if found is None:
        return None
    base, exponent = found.groups()
    number = float(base.replace(",", ""))
    return number if exponent is None else 10.0 ** min(float(exponent), LARGEST_EXPONENT)


def _row(heads: tuple[Head, ...], row: tuple[str, ...], origin_of: OriginOf) -> tuple[Cell, ...]:
    name, *rest = row
    cells = (
        Cell(words, sort_key(words), origin_of(name, head.text) if words not in {NULL, ""} else None)
        for head, words in zip(heads[1:], rest, strict=True)
    )
    return (Cell(name), *cells)


def _fact(label: str, words: str, origin_of: OriginOf) -> Cell:
    shown = one_line(words)
    return Cell(shown, origin=origin_of("", label) if any(char.isdigit() for char in shown) else None)

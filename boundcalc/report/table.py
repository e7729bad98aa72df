"""The table view: at most 100 columns of a terminal, every character one column wide."""

from __future__ import annotations

import textwrap
from typing import Any

from tabulate import tabulate

from boundcalc.report.document import Grid, Section
from boundcalc.report.rows import document, title
from boundcalc.report.text import narrow

WIDTH = 100
GUTTER = 2
LONGEST_LABEL = 24


def render(tree: dict[str, Any]) -> str:
    """Render a tree as plain text.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.

    Returns:
        Lines of at most 100 columns, the summary last, without terminal escapes.
    """
    return page(title(tree), document(tree))


def page(heading: str, sections: tuple[Section, ...]) -> str:
    """Render sections below a heading as plain text."""
    return "\n\n".join(["\n".join(_wrapped(heading, WIDTH)), *map(_section, sections)]) + "\n"


def _section(section: Section) -> str:
    heading = _wrapped(section.title, WIDTH)
    lines = [*heading, "=" * max(map(len, heading)), *_facts(section.facts)]
    if section.grid is not None:
        lines += [""] * bool(section.facts) + [_grid(section.grid)]
    for note in section.notes:
        lines += _wrapped(note, WIDTH)
    return "\n".join(lines)


def _facts(facts: tuple[tuple[str, str], ...]) -> list[str]:
    """Lay out labels left, wrapped texts right."""
    labels = [_wrapped(label, LONGEST_LABEL) for label, _ in facts]
    room = max((len(line) for label in labels for line in label), default=0) + GUTTER
    lines = []
    for label, (_, text) in zip(labels, facts, strict=True):
        texts = _wrapped(text, WIDTH - room)
        height = max(len(label), len(texts))
        left, right = (column + [""] * (height - len(column)) for column in (label, texts))
        lines += [f"{a:<{room}}{b}".rstrip() for a, b in zip(left, right, strict=True)]
    return lines


def _grid(grid: Grid) -> str:
    headers = [narrow(column.header) for column in grid.columns]
    rows = [[narrow(cell) for cell in row] for row in grid.rows]
    widths = _widths(headers, rows)
    text = tabulate(
        [[_folded(cell, width) for cell, width in zip(row, widths, strict=True)] for row in rows],
        headers=[_folded(header, width - GUTTER) for header, width in zip(headers, widths, strict=True)],
        tablefmt="simple",
        disable_numparse=True,
        colalign=["right" if column.right else "left" for column in grid.columns],
    )
    return "\n".join(line.rstrip() for line in text.splitlines())


def _widths(headers: list[str], rows: list[list[str]]) -> list[int]:
    """Return the columns' widths: headers are folded at spaces where that makes room, then the widest are narrowed until all fit."""
    columns = list(zip(*rows, strict=True)) or [()] * len(headers)
    room = WIDTH - GUTTER * (len(headers) - 1)
    whole = [_width([header], cells) for header, cells in zip(headers, columns, strict=True)]
    folded = [_width(header.split(), cells) for header, cells in zip(headers, columns, strict=True)]
    widths = [min(width, room) for width in (whole if sum(whole) <= room else folded)]
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    return widths


def _width(words: list[str], cells: tuple[str, ...]) -> int:
    """Return what the words of a header, which tabulate pads by two, and the cells below need."""
    return max([GUTTER, *(len(word) + GUTTER for word in words), *map(len, cells)])


def _folded(cell: str, width: int) -> str:
    return "\n".join(_wrapped(cell, width))


def _wrapped(text: str, width: int) -> list[str]:
    lines = textwrap.wrap(narrow(text), max(width, 1), break_on_hyphens=False) or [""]
    return [line.rstrip() for line in lines]

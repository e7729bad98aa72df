"""The table view: the verdict first, as wide as the terminal, with every character one column wide."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from boundcalc.report.document import Cell, Detail, Grid, Section
from boundcalc.report.layer_rows import overview
from boundcalc.report.origin import UNPROVED
from boundcalc.report.rows import document, title
from boundcalc.report.text import narrow

WIDTH = 100
NARROWEST, WIDEST = 60, 200
GUTTER = 2
LONGEST_LABEL = 24
SHORT_TOPICS = {"sparse against Toeplitz": "mask", "its compression": "compression"}
"""Topic of the verdict -> its label on a screen of 24 lines."""
FINE = "nothing found"
LONGEST_WORD = 24
"""Word length to which columns of text are narrowed before a grid is split."""
MORE = "More: --verbose (evidence, terms of the bounds, timings); boundcalc explain BOUND; --format html."

VALUE = "value"
"""Header of the column of the bounds' values, whose sort keys are logarithms."""

BOLD, DIM, GREEN, YELLOW = "1", "2", "32", "33"


@dataclass(frozen=True)
class Style:
    """The layout of a table.

    Attributes:
        width: number of columns, from 60 to 200.
        verbose: whether to include details for experts.
        color: whether to use the terminal's color codes.
    """

    width: int = WIDTH
    verbose: bool = False
    color: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", max(NARROWEST, min(self.width, WIDEST)))

    def paint(self, text: str, code: str) -> str:
        """Return text in a color, if colors are used."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and code and text.strip() else text


PLAIN = Style()


def render(tree: dict[str, Any], raw: bool = False, full: bool = False) -> str:
    """Render a tree as text, as `styled` does: `full` with evidence, terms and timings."""
    return styled(tree, Style(verbose=full))


def styled(tree: dict[str, Any], style: Style = PLAIN) -> str:
    """Render a tree as text.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.
        style: width, color, and level of detail.

    Returns:
        Lines of at most the style's width: what was read, how sparse it is, the verdict, what looks wrong, then the bounds and
        the rest.
    """
    first = _first(tree, style)
    sections = tuple(one for one in document(tree) if one.slug not in {"summary", "warnings"} or not first)
    if not style.verbose:
        sections = tuple(short for one in sections if (short := _shortened(one)) is not None)
    heading = "\n".join([*_heading(title(tree), style), *first])
    hint = [] if style.verbose or not first else ["\n".join(_wrapped(MORE, style.width))]
    return "\n\n".join([heading, *(_section(one, style) for one in sections), *hint]) + "\n"


def page(heading: str, sections: tuple[Section, ...], style: Style = PLAIN) -> str:
    """Render sections below a heading as text."""
    lines = "\n".join(_heading(heading, style))
    return "\n\n".join([lines, *(_section(section, style) for section in sections)]) + "\n"


def _heading(text: str, style: Style) -> list[str]:
    return [style.paint(line, BOLD) for line in _wrapped(text, style.width)]


def _first(tree: dict[str, Any], style: Style) -> list[str]:
    """Return the first screen: what was read, how sparse it is, what is proved, what was measured, what looks wrong."""
    verdict = tree.get("verdict") or {}
    sentences = verdict.get("sentences")
    if not sentences or not isinstance(verdict.get("warnings"), list):
        return []
    wrong = [("looks wrong", line) for line in verdict["warnings"]] or [("looks wrong", FINE)]
    told = [
        (SHORT_TOPICS.get(topic, topic), words.removeprefix("Measured: "))
        for topic, words in sentences.items()
    ]
    codes = {"looks wrong": YELLOW if verdict["warnings"] else ""}
    return _facts((*overview(tree), *told, *wrong), style, codes)


def _shortened(section: Section) -> Section | None:
    """Return a section without details for experts; None if nothing is left."""
    if section.detail:
        return None
    facts = tuple((label, text) for label, text in section.facts if not isinstance(label, Detail))
    return Section(section.title, section.slug, facts, section.grid, section.notes)


def _section(section: Section, style: Style) -> str:
    heading = _wrapped(section.title, style.width)
    lines = [style.paint(line, BOLD) for line in heading]
    lines += ["=" * max(map(len, heading)), *_facts(section.facts, style)]
    if section.grid is not None:
        pieces = [_grid(piece, style) for piece in _pieces(section.grid, style.width)]
        lines += [""] * bool(section.facts) + ["\n\n".join(pieces)]
    for note in section.notes:
        lines += _wrapped(note, style.width)
    return "\n".join(lines)


def _facts(
    facts: tuple[tuple[str, str], ...], style: Style, codes: dict[str, str] | None = None
) -> list[str]:
    """Lay out facts with labels on the left and wrapped texts on the right."""
    labels = [_wrapped(label, LONGEST_LABEL) for label, _ in facts]
    room = max((len(line) for label in labels for line in label), default=0) + GUTTER
    lines = []
    for label, (name, text) in zip(labels, facts, strict=True):
        texts = _wrapped(text, style.width - room)
        height = max(len(label), len(texts))
        left, right = (column + [""] * (height - len(column)) for column in (label, texts))
        code = (codes or {}).get(name, "")
        lines += [
            f"{style.paint(f'{a:<{room}}'.rstrip(), BOLD) if codes is not None else a}"
            f"{' ' * (room - len(a))}{style.paint(b, code)}".rstrip()
            for a, b in zip(left, right, strict=True)
        ]
    return lines


def _pieces(grid: Grid, width: int) -> list[Grid]:
    """Split a grid that is too wide by its columns; every piece repeats the first column, which names the row."""
    cells = list(zip(*grid.rows, strict=True)) or [()] * len(grid.columns)
    least = [
        GUTTER + _least(narrow(column.header), column.right, [narrow(cell) for cell in column_cells])
        for column, column_cells in zip(grid.columns, cells, strict=True)
    ]
    pieces, room = [[0]], width + GUTTER - least[0]
    for index in range(1, len(grid.columns)):
        if least[index] > room and len(pieces[-1]) > 1:
            pieces.append([0])
            room = width + GUTTER - least[0]
        pieces[-1].append(index)
        room -= least[index]
    if len(pieces) == 1:
        return [grid]
    return [
        Grid(tuple(grid.columns[i] for i in piece), tuple(tuple(row[i] for i in piece) for row in grid.rows))
        for piece in pieces
    ]


def _least(header: str, right: bool, cells: list[str]) -> int:
    """Return the minimum width of a column: numbers stay whole, texts and headers are folded between words."""
    texts = cells if right else [word for cell in cells for word in cell.split()]
    needed = max((len(text) for text in texts), default=0)
    return max(
        needed if right else min(needed, LONGEST_WORD),
        *(len(word) + GUTTER for word in header.split() or [""]),
    )


def _grid(grid: Grid, style: Style) -> str:
    headers = [narrow(column.header) for column in grid.columns]
    rows = [[narrow(cell) for cell in row] for row in grid.rows]
    widths = _widths(headers, [column.right for column in grid.columns], rows, style.width)
    text = tabulate(
        [
            [
                _colored(cell, shown, width, style, header)
                for cell, shown, width, header in zip(whole, row, widths, headers, strict=True)
            ]
            for whole, row in zip(grid.rows, rows, strict=True)
        ],
        headers=[
            "\n".join(_wrapped(header, width - GUTTER)) for header, width in zip(headers, widths, strict=True)
        ],
        tablefmt="simple",
        disable_numparse=True,
        colalign=["right" if column.right else "left" for column in grid.columns],
    )
    return "\n".join(line.rstrip() for line in text.splitlines())


def _colored(cell: str, shown: str, width: int, style: Style, header: str) -> str:
    """Fold a cell into lines; the value of a theorem below 1 is green, what is not proved is dim."""
    code = ""
    if isinstance(cell, Cell) and cell.status and cell.number is not None:
        proved = header == VALUE and cell.status == "theorem" and cell.number < 0
        code = DIM if cell.status in UNPROVED else GREEN if proved else ""
    return "\n".join(style.paint(line, code) for line in _wrapped(shown, width))


def _widths(headers: list[str], rights: list[bool], rows: list[list[str]], most: int) -> list[int]:
    """Return the column widths: headers are folded at spaces if that makes room, then columns with room to spare are narrowed."""
    columns = list(zip(*rows, strict=True)) or [()] * len(headers)
    room = most - GUTTER * (len(headers) - 1)
    whole = [_width([header], cells) for header, cells in zip(headers, columns, strict=True)]
    folded = [_width(header.split(), cells) for header, cells in zip(headers, columns, strict=True)]
    widths = [min(width, room) for width in (whole if sum(whole) <= room else folded)]
    least = [
        _least(header, right, list(cells))
        for header, right, cells in zip(headers, rights, columns, strict=True)
    ]
    while sum(widths) > room:
        spare = [width - floor for width, floor in zip(widths, least, strict=True)]
        most_spare = spare if max(spare) > 0 else widths
        widths[most_spare.index(max(most_spare))] -= 1
    return widths


def _width(words: list[str], cells: tuple[str, ...]) -> int:
    """Return the width needed by the words of a header, which tabulate pads by two, and by the cells below it."""
    return max([GUTTER, *(len(word) + GUTTER for word in words), *map(len, cells)])


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines; a percent sign stays on the line of its number."""
    kept = narrow(text).replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.wrap(kept, max(width, 1), break_on_hyphens=False) or [""]
    return [line.rstrip().replace("\N{NO-BREAK SPACE}%", " %") for line in lines]

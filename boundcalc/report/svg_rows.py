"""Dot plots of named rows: a name and a text above a track with marks, readable at any width."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from boundcalc.report.svg import element, line, mark, percent, picture, shortened, text
from boundcalc.report.svg_scale import Scale

LEFT, RIGHT = 0.02, 0.98
ROW = 36
TRACK = 26
LABEL = 17
NAME_COLUMNS = 21
SAYS_COLUMNS = 27
TURN = 0.6


@dataclass(frozen=True)
class Mark:
    """A mark on a track: where, its shape and class, what it says, and the id of its status and source."""

    at: float
    shape: str
    kind: str
    label: str
    origin: str


@dataclass(frozen=True)
class Row:
    """A track: its name, the text at its right end, its marks."""

    name: str
    says: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Line:
    """A number that all rows are compared with: where, its class, what it says above the plot."""

    at: float
    kind: str
    says: str


def rows_plot(
    label: str,
    scale: Scale,
    rows: tuple[Row, ...],
    lines: tuple[Line, ...] = (),
    shaded_from: float | None = None,
) -> Markup:
    """Draw rows on one horizontal axis.

    Args:
        label: what the picture shows.
        scale: the axis.
        rows: from top to bottom.
        lines: vertical, each labelled on a line of its own.
        shaded_from: the number from which on the plot is shaded.

    Returns:
        An SVG element.
    """
    top = 6 + LABEL * len(lines)
    bottom = top + ROW * len(rows) + 4
    parts = []
    if shaded_from is not None and shaded_from < scale.high:
        start = _x(scale, shaded_from)
        size = {"width": percent(1 - start), "height": bottom - top}
        parts.append(element("rect", x=percent(start), y=top, **size, class_="vacuous"))
    parts += _axis(scale, top, bottom)
    ordered = sorted(lines, key=lambda one: (_x(scale, one.at) > TURN, one.at))
    for index, one in enumerate(ordered):
        parts += _head(scale, one, 14 + LABEL * index, top)
    for index, row in enumerate(rows):
        y = top + ROW * index
        parts += [_level(scale, one, y + TRACK - 8, y + ROW) for one in ordered]
        parts += _row(scale, row, y)
    return picture(bottom + 20, label, *parts)


def _x(scale: Scale, number: float) -> float:
    return LEFT + (RIGHT - LEFT) * scale.share(number)


def _axis(scale: Scale, top: int, bottom: int) -> list[Markup]:
    parts = [line(LEFT, bottom, RIGHT, bottom, "axis")]
    for number, words in scale.ticks():
        x = _x(scale, number)
        anchor = "start" if x < 0.06 else "end" if x > 0.94 else "middle"
        parts += [line(x, top, x, bottom, "grid"), text(words, x, bottom + 15, anchor, kind="tick")]
    return parts


def _head(scale: Scale, one: Line, y: int, top: int) -> list[Markup]:
    anchor, dx = ("end", -4) if _x(scale, one.at) > TURN else ("start", 4)
    words = text(one.says, _x(scale, one.at), y, anchor, dx, f"says {one.kind}")
    return [_level(scale, one, y - 10, top), words]


def _level(scale: Scale, one: Line, y1: int, y2: int) -> Markup:
    """Draw a piece of a line: beside the tracks, and not through the names above them."""
    return line(_x(scale, one.at), y1, _x(scale, one.at), y2, f"level {one.kind}")


def _row(scale: Scale, row: Row, y: int) -> list[Markup]:
    return [
        text(shortened(row.name, NAME_COLUMNS), 0, y + 14, kind="name"),
        text(shortened(row.says, SAYS_COLUMNS), 1, y + 14, "end", kind="value"),
        line(LEFT, y + TRACK, RIGHT, y + TRACK, "track"),
        *(mark(m.shape, _x(scale, m.at), y + TRACK, m.kind, m.label, m.origin) for m in row.marks),
    ]

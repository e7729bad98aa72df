"""Dot plots of named rows: a name and a text above tracks with marks, readable at any width."""

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
SAYS_COLUMNS = 29
TURN = 0.5
LANE = 15
NARROWEST = 300
APART = 14


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
    """A name, the text at the right end, the marks below; marks that would touch go to tracks of their own."""

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
    lanes = [_lanes(scale, row.marks) for row in rows]
    starts = [top]
    for own in lanes:
        starts.append(starts[-1] + ROW + LANE * max(own, default=0))
    bottom = starts[-1] + 4
    parts = []
    if shaded_from is not None and shaded_from < scale.high:
        start = _x(scale, shaded_from)
        size = {"width": percent(1 - start), "height": bottom - top}
        parts.append(element("rect", x=percent(start), y=top, **size, class_="vacuous"))
    parts += _axis(scale, top, bottom)
    parts += _lines(scale, lines, bottom)
    for row, own, y in zip(rows, lanes, starts, strict=False):
        parts += _row(scale, row, own, y)
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


def _lines(scale: Scale, lines: tuple[Line, ...], bottom: int) -> list[Markup]:
    """Draw the lines, then their labels: each starts at its label, so that the labels before it are above its end."""
    ordered = sorted(lines, key=lambda one: (_turned(scale, one), -one.at if _turned(scale, one) else one.at))
    drawn, labels = [], []
    for index, one in enumerate(ordered):
        x, y = _x(scale, one.at), 14 + LABEL * index
        anchor, dx = ("end", -4) if _turned(scale, one) else ("start", 4)
        drawn.append(line(x, y - 10, x, bottom, f"level {one.kind}"))
        labels.append(text(one.says, x, y, anchor, dx, f"says {one.kind}"))
    return [*drawn, *labels]


def _turned(scale: Scale, one: Line) -> bool:
    return _x(scale, one.at) > TURN


def _lanes(scale: Scale, marks: tuple[Mark, ...]) -> list[int]:
    """Return a lane for each mark, so that, at the narrowest, no two in one lane touch."""
    ends: list[float] = []
    found = [0] * len(marks)
    for index in sorted(range(len(marks)), key=lambda one: marks[one].at):
        x = _x(scale, marks[index].at) * NARROWEST
        lane = next((lane for lane, end in enumerate(ends) if x - end >= APART), len(ends))
        ends[lane : lane + 1] = [x]
        found[index] = lane
    return found


def _row(scale: Scale, row: Row, lanes: list[int], y: int) -> list[Markup]:
    heights = [y + TRACK + LANE * lane for lane in lanes]
    return [
        *(line(LEFT, height, RIGHT, height, "track") for height in sorted({y + TRACK, *heights})),
        text(shortened(row.name, NAME_COLUMNS), 0, y + 14, kind="name"),
        text(shortened(row.says, SAYS_COLUMNS), 1, y + 14, "end", kind="value"),
        *(
            mark(m.shape, _x(scale, m.at), height, m.kind, m.label, m.origin)
            for m, height in zip(row.marks, heights, strict=True)
        ),
    ]

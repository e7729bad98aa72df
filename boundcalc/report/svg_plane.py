"""Plots on two axes: marks, curves and straight lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from boundcalc.report.svg import element, line, mark, percent, picture, text
from boundcalc.report.svg_scale import Scale

LEFT, RIGHT = 0.17, 0.97
TOP, HEIGHT = 24, 190
NARROWEST = 300
LETTER = 7.5
MANY = 80
"""Points above this number are drawn small."""


@dataclass(frozen=True)
class Point:
    """A mark: where, shape and class, what it says, the id of its status and source, and a name beside it."""

    x: float
    y: float
    shape: str
    kind: str
    label: str
    origin: str
    name: str = ""


@dataclass(frozen=True)
class Axes:
    """Two scales with their names."""

    x: Scale
    y: Scale
    x_name: str
    y_name: str


@dataclass(frozen=True)
class Curve:
    """Points joined in order, and the class of the line."""

    points: tuple[tuple[float, float], ...]
    kind: str


def plane_plot(
    label: str,
    axes: Axes,
    points: Sequence[Point] = (),
    curves: Sequence[Curve] = (),
    shaded_from: float | None = None,
) -> Markup:
    """Draw points and curves.

    Args:
        label: what the picture shows.
        axes: the scales and their names.
        points: drawn above the curves; their names are left out where they would touch.
        curves: joined points.
        shaded_from: the ordinate from which on the plot is shaded.

    Returns:
        An SVG element.
    """
    bottom = TOP + HEIGHT
    parts = [text(axes.y_name, 0, 13, kind="name")]
    if shaded_from is not None and shaded_from < axes.y.high:
        height = round(_y(axes.y, shaded_from) - TOP, 2)
        place = {"x": percent(LEFT), "y": TOP, "width": percent(RIGHT - LEFT)}
        parts.append(element("rect", **place, height=height, class_="vacuous"))
    parts += _ticks(axes, bottom)
    parts.append(text(axes.x_name, (LEFT + RIGHT) / 2, bottom + 34, "middle", kind="name"))
    parts += [_curve(axes, one) for one in curves]
    parts += [mark(p.shape, _x(axes.x, p.x), _y(axes.y, p.y), p.kind, p.label, p.origin) for p in points]
    parts += _names(axes, points)
    return picture(bottom + 42, label, *parts, kind="chart dense" if len(points) > MANY else "chart")


def _x(scale: Scale, number: float) -> float:
    return LEFT + (RIGHT - LEFT) * scale.share(number)


def _y(scale: Scale, number: float) -> float:
    return TOP + HEIGHT * (1 - scale.share(number))


def _ticks(axes: Axes, bottom: int) -> list[Markup]:
    parts = [line(LEFT, bottom, RIGHT, bottom, "axis"), line(LEFT, TOP, LEFT, bottom, "axis")]
    for number, words in axes.x.ticks():
        x = _x(axes.x, number)
        parts += [line(x, TOP, x, bottom, "grid")]
        parts += [text(words, x, bottom + 16, "end" if x > 0.93 else "middle", kind="tick")]
    for number, words in axes.y.ticks():
        y = _y(axes.y, number)
        parts += [line(LEFT, y, RIGHT, y, "grid"), text(words, LEFT, y + 4, "end", -5, "tick")]
    return parts


def _curve(axes: Axes, curve: Curve) -> Markup:
    """Draw in a box of 1000 units a side that is stretched to the plot, with lines of constant width."""
    places = [(1000 * axes.x.share(x), 1000 * (1 - axes.y.share(y))) for x, y in curve.points]
    steps = "L".join(f"{x:.0f},{y:.0f}" for x, y in places)
    return element(
        "svg",
        element("path", d=f"M{steps}", class_=f"curve {curve.kind}", vector_effect="non-scaling-stroke"),
        x=percent(LEFT),
        y=TOP,
        width=percent(RIGHT - LEFT),
        height=HEIGHT,
        viewBox="0 0 1000 1000",
        preserveAspectRatio="none",
    )


def _names(axes: Axes, points: Sequence[Point]) -> list[Markup]:
    """Write names beside their marks where, at the narrowest, they meet neither a mark nor another name."""
    marks = [_box(axes, p, -8, 16) for p in points]
    taken, parts = list(marks), []
    for point, own in zip(points, marks, strict=True):
        width = LETTER * len(point.name)
        for anchor, dx in (("start", 10), ("end", -10)):
            box = _box(axes, point, 10 if dx > 0 else -10 - width, width)
            inside = box[0] >= LEFT * NARROWEST and box[1] <= RIGHT * NARROWEST
            free = not any(_meet(box, other) for other in taken if other is not own)
            if point.name and inside and free:
                taken.append(box)
                parts.append(
                    text(point.name, _x(axes.x, point.x), _y(axes.y, point.y) + 4, anchor, dx, "beside")
                )
                break
    return parts


def _box(axes: Axes, point: Point, left: float, width: float) -> tuple[float, float, float, float]:
    x, y = _x(axes.x, point.x) * NARROWEST + left, _y(axes.y, point.y)
    return x, x + width, y - 8, y + 8


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]

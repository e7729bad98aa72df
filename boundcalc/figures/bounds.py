"""Norm-based bounds of your network, certificates and measured errors in one figure, on two axes.

Above: the norm-based bounds of your network, on a logarithmic axis, shaded from 1 on. Below, on an axis from 0 to 1 (logarithmic
for many tickets): certificates, each with the network that it is about, and the measured errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture, Tree, lotteries
from boundcalc.figures.rows import ROW, Dot, FigureRow, draw_rows
from boundcalc.figures.style import (
    INK,
    PAPER,
    SERIES,
    SHADE,
    SOFT,
    STATUS_LOOKS,
    Marks,
    canvas,
    density_axis,
    draw_mark,
    legend_of_two,
    log_axis,
    series_style,
    share_of_power,
    spread,
)
from boundcalc.report.bound_order import log10_value
from boundcalc.report.bound_rows import marked_value
from boundcalc.report.numbers import percent, upper
from boundcalc.report.origin import Origin, of_bound, of_file, of_measurement
from boundcalc.report.subjects import EXCESS, group_of, is_excess, named
from boundcalc.report.values import number

ERRORS = (("train_error", "training error"), ("test_error", "test error"))
LOWEST_ERROR = 1e-4
"""The lower end of the error axis for many tickets."""
LowerRow = tuple[str, float, str, Origin, str]
"""Name, value, text, origin and look of a number between 0 and 1."""
MOST_LINES = 8
"""Largest number of bounds of your network that are drawn against density; the others are only in the table."""
CAPTION = "Shaded: values of 1 or more, which say nothing about the error. Hollow marks: not proved bounds."
LOWER_AXIS_CAPTION = (
    "Lower axis: certificates and measured errors, each of the network that its label names; a "
    "compression is another network, found from yours."
)


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw one ticket as rows, or many tickets against density."""
    known = [ticket for ticket in tickets if _upper_rows(ticket.tree) or _lower_rows(ticket.tree)]
    if not known:
        return None
    return _one_report(known[0]) if len(known) == 1 else _many_reports(known)


def _upper_rows(tree: Tree) -> list[tuple[str, Tree, float]]:
    """Return the norm-based bounds that have a value: the theorems, then what is not proved, each with the smallest first."""
    found = [
        (name, bound, at)
        for name, bound in (tree.get("bounds") or {}).items()
        if group_of(bound) in {"network", "reference"}
        and bound.get("kind") != "certificate"
        and (at := log10_value(bound)) is not None
        and math.isfinite(at)
    ]
    return sorted(found, key=lambda one: (group_of(one[1]) != "network", one[2], one[0]))


def _lower_rows(tree: Tree) -> list[LowerRow]:
    """Return the rows with values between 0 and 1: name, value, text, origin and look; certificates come first."""
    rows = [
        (named(name, bound), bound["value"], marked_value(bound), of_bound(name, bound), bound["status"])
        for name, bound in (tree.get("bounds") or {}).items()
        if bound.get("kind") == "certificate"
        and group_of(bound) in {"network", "compression", "retrained", "interpolant"}
        and number(bound.get("value"))
        and bound["value"] >= 0
    ]
    test = (tree.get("verdict") or {}).get("test_set") or {}
    if number(test.get("value")):
        origin = Origin(
            "theorem",
            str(test.get("source") or "boundcalc"),
            "For your network, if nothing about it was chosen with the test set.",
        )
        rows.append(("test-set bound", test["value"], upper(test["value"]), origin, "test"))
    measured = tree.get("empirical") or {}
    rows += [
        (label, measured[key], percent(measured[key]), of_measurement(tree), key)
        for key, label in ERRORS
        if number(measured.get(key)) and measured[key] >= 0
    ]
    return [(name, min(value, 1.0), text, origin, kind) for name, value, text, origin, kind in rows]


def _style_of(kind: str) -> tuple[str, str, bool]:
    own = {
        "test": ("s", INK, False),
        "train_error": ("v", SERIES[0], True),
        "test_error": ("^", SERIES[1], True),
    }
    return own.get(kind) or STATUS_LOOKS[kind]


def _shade(axes: Any, low: float, high: float, *, along: str) -> None:
    (axes.axvspan if along == "x" else axes.axhspan)(0.0, high, color=SHADE, linewidth=0, zorder=-1)
    (axes.axvline if along == "x" else axes.axhline)(0.0, color=SOFT, linewidth=0.8, zorder=0)


def _one_report(ticket: NamedReport) -> DrawnFigure:
    tree, marks = ticket.tree, Marks()
    above, below = _upper_rows(tree), _lower_rows(tree)
    heights = [ROW * len(rows) + 0.55 for rows in (above, below) if rows]
    figure, axes = canvas(sum(heights) + 0.1, len(heights), heights)
    if above:
        top = axes[0]
        low, high = spread(min(-1.0, *(at for _, _, at in above)), max(0.0, *(at for _, _, at in above)))
        top.set_xlim(low, high)
        log_axis(top.xaxis, low, high)
        _shade(top, low, high, along="x")
        draw_rows(top, [_bound_row(name, bound, at, marks) for name, bound, at in above])
        excess = any(is_excess(bound) for _, bound, _ in above if group_of(bound) == "network")
        top.set_title(f"your network: bounds on {EXCESS if excess else 'the error'}")
    if below:
        bottom = axes[-1]
        bottom.set_xlim(0.0, 1.0)
        draw_rows(
            bottom,
            [
                FigureRow(name, text, (Dot(value, *_style_of(kind), marks(f"{name}: {text}", origin)),))
                for name, value, text, origin, kind in below
            ],
        )
        bottom.set_title("certificates and measured errors")
    label = f"{len(above)} bounds of the network on a logarithmic axis, {len(below)} certificates and errors from 0 to 1."
    missing = [
        name
        for name, bound in (tree.get("bounds") or {}).items()
        if bound["status"] == "not_covered" and not bound.get("needs")
    ]
    told = f" Bounds without a value: {', '.join(missing)}." if missing else ""
    return DrawnFigure(
        figure,
        label,
        f"{CAPTION if above else ''} {LOWER_AXIS_CAPTION if below else ''}{told}".strip(),
        of_file(tree),
        marks.told,
    )


def _bound_row(name: str, bound: Tree, at: float, marks: Marks) -> FigureRow:
    value, status = marked_value(bound), bound["status"].replace("_", " ")
    vacuous = ", vacuous" if bound.get("vacuous") else ""
    gid = marks(f"{name}: {value}, {status}{vacuous}", of_bound(name, bound))
    return FigureRow(name, value, (Dot(at, *STATUS_LOOKS[bound["status"]], gid),))


@dataclass(frozen=True, eq=False)
class _Placed:
    """A ticket at its density, with the rows of both axes by name."""

    ticket: NamedReport
    x: float
    upper: dict[str, tuple[Tree, float]]
    lower: dict[str, LowerRow]


def _placed(ticket: NamedReport) -> _Placed:
    upper = {name: (bound, at) for name, bound, at in _upper_rows(ticket.tree)}
    lower = {row[0]: row for row in _lower_rows(ticket.tree)}
    return _Placed(ticket, math.log10(ticket.density or 1.0), upper, lower)


def _many_reports(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    marks = Marks(len(tickets))
    groups = [[_placed(ticket) for ticket in group] for group in lotteries(tickets)]
    placed = [one for group in groups for one in group]
    if not placed:
        return _one_report(tickets[0])
    names = _chosen(placed)
    lower = list(dict.fromkeys(name for one in placed for name in one.lower))
    if not names and not lower:
        return None
    ratios = [2.0] * bool(names) + [1.7] * bool(lower)
    figure, axes = canvas(sum(ratios) + 0.9 + 0.16 * max(len(names), len(lower)), len(ratios), ratios)
    above: dict[str, Any] = {}
    below: dict[str, Any] = {}
    densities = [10.0**one.x for one in placed]
    if names:
        above = _lines_above(axes[0], groups, names, marks)
        density_axis(axes[0], densities, labelled=not lower)
        axes[0].set_title("your network: bounds on the error")
    if lower:
        below = _lines_below(axes[-1], groups, lower, marks)
        density_axis(axes[-1], densities)
        axes[-1].set_title("certificates and measured errors")
    legend_of_two(figure, above, below)
    left_out = sum(ticket.density is None for ticket in tickets)
    caption = (
        f"{CAPTION} Levels of one lottery are joined by a line, the sparser ones to the right. {LOWER_AXIS_CAPTION} "
        "An error of 0 is drawn at the lower edge."
    )
    caption += f" {left_out} of {len(tickets)} tickets have no density." if left_out else ""
    label = (
        f"{len(names)} bounds, {len(lower)} certificates and errors of {len(placed)} tickets against density."
    )
    return DrawnFigure(figure, label, caption, of_file(placed[0].ticket.tree), marks.told)


def _chosen(placed: Sequence[_Placed]) -> list[str]:
    """Return the theorems to draw: peeling first, if present, then those with the smallest values."""
    least: dict[str, float] = {}
    for one in placed:
        for name, (bound, at) in one.upper.items():
            if bound["status"] == "theorem":
                least[name] = min(at, least.get(name, math.inf))
    return sorted(least, key=lambda name: (name != "peeling", least[name], name))[:MOST_LINES]


def _lines_above(
    axes: Any, groups: Sequence[Sequence[_Placed]], names: Sequence[str], marks: Marks
) -> dict[str, Any]:
    handles: dict[str, Any] = {}
    heights = [0.0, -1.0]
    for index, name in enumerate(names):
        for group in groups:
            points = [(one, *one.upper[name]) for one in group if name in one.upper]
            heights += [at for _, _, at in points]
            line = _joined(axes, [(one.x, at) for one, _, at in points], **series_style(index))
            handles.setdefault(name, line)
            for one, bound, at in points:
                label = (
                    f"{one.ticket.name}: {name} {marked_value(bound)}, density {percent(one.ticket.density)}"
                )
                draw_mark(
                    axes, one.x, at, marks(label, of_bound(name, bound)), line.get_marker(), line.get_color()
                )
    low, high = spread(min(heights), max(heights))
    axes.set_ylim(low, high)
    log_axis(axes.yaxis, low, high)
    _shade(axes, low, high, along="y")
    return handles


def _lines_below(
    axes: Any, groups: Sequence[Sequence[_Placed]], names: Sequence[str], marks: Marks
) -> dict[str, Any]:
    handles: dict[str, Any] = {}
    values = [row[1] for group in groups for one in group for row in one.lower.values()]
    floor = max(min((value for value in values if value > 0), default=0.1) / 1.5, LOWEST_ERROR)
    for index, name in enumerate(names):
        for group in groups:
            points = [(one, one.lower[name]) for one in group if name in one.lower]
            if not points:
                continue
            marker, color, filled = _style_of(points[0][1][4])
            style = {"color": color, "marker": marker, "linestyle": ("-", "--", ":", "-.")[index % 4]}
            places = [(one.x, _height(row[1], floor)) for one, row in points]
            handles.setdefault(name, _joined(axes, places, filled=filled, **style))
            for (x, y), (one, row) in zip(places, points, strict=True):
                label = f"{one.ticket.name}: {name} {row[2]}, density {percent(one.ticket.density)}"
                draw_mark(axes, x, y, marks(label, row[3]), marker, color, filled=filled)
    axes.set_ylim(math.log10(floor) - 0.05, 0.06)
    log_axis(axes.yaxis, math.log10(floor), 0.0, share_of_power)
    return handles


def _height(value: float, floor: float) -> float:
    """Return the logarithm of a share; a value below the axis, such as 0, is placed at its lower end."""
    return math.log10(max(value, floor))


def _joined(axes: Any, points: Sequence[tuple[float, float]], *, filled: bool = True, **style: Any) -> Any:
    """Draw the line of one lottery; the marks on it are drawn separately."""
    face = style["color"] if filled else PAPER
    xs, ys = [x for x, _ in points], [y for _, y in points]
    (line,) = axes.plot(xs, ys, markerfacecolor=face, markersize=4, linewidth=1.1, **style)
    return line


PICTURE = Picture(
    "bounds", 10, "Bounds, certificates and measured errors", ("bounds", "empirical"), draw, "bounds"
)

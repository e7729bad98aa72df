"""The spectrum of the graphon neural tangent kernel, one curve per ticket, on two logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture
from boundcalc.figures.style import INK, LINES, SERIES, canvas, legend_below, log_axis, named, spread
from boundcalc.parts.gntk import origin
from boundcalc.report.numbers import percent, plain
from boundcalc.report.values import number, numbers

MOST_LINES = 8
MOST_POINTS = 150


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw up to `MOST_LINES` spectra, evenly spaced in the order of the tickets; None if there is none."""
    known = [(ticket, points) for ticket in tickets if (points := _points(_part(ticket).get("eigenvalues")))]
    if not known:
        return None
    shown = (
        known
        if len(known) <= MOST_LINES
        else [known[round(k * (len(known) - 1) / (MOST_LINES - 1))] for k in range(MOST_LINES)]
    )
    figure, (axes,) = canvas(2.6 + 0.15 * (len(shown) > 1) * ((len(shown) + 1) // 2))
    handles = []
    for index, (_, points) in enumerate(shown):
        color = (INK, *SERIES)[index % 6] if len(shown) > 1 else SERIES[0]
        style = LINES[index % len(LINES)]
        handles += axes.plot(
            [x for x, _ in points], [y for _, y in points], color=color, linestyle=style, linewidth=1.3
        )
    right = max(points[-1][0] for _, points in shown)
    low, high = spread(
        min(y for _, points in shown for _, y in points), max(y for _, points in shown for _, y in points)
    )
    axes.set(xlim=(0.0, right), ylim=(low, high), xlabel="index", ylabel="eigenvalue")
    log_axis(axes.xaxis, 0.0, right)
    log_axis(axes.yaxis, low, high)
    if len(shown) > 1:
        legend_below(figure, handles, [_name(ticket) for ticket, _ in shown])
    part = _part(shown[0][0])
    label = f"Spectra of {len(shown)} tickets on logarithmic axes."
    return DrawnFigure(figure, label, _caption(shown, len(known)), origin(part, "eigenvalues"), {})


def _part(ticket: NamedReport) -> Any:
    return ticket.tree.get("gntk") or {}


def _name(ticket: NamedReport) -> str:
    return named(f"{percent(ticket.density)} {ticket.name}" if ticket.density is not None else ticket.name)


def _caption(shown: Sequence[tuple[NamedReport, Any]], known: int) -> str:
    if known > 1:
        return f"Positive eigenvalues, largest first; {len(shown)} of {known} tickets."
    part = _part(shown[0][0])
    eigenvalues = part["eigenvalues"]
    zero = sum(value <= 0 for value in eigenvalues)
    decay = f" Fitted decay: index to the power -{plain(part['alpha'])}." if number(part.get("alpha")) else ""
    left_out = f" {zero} eigenvalues are not positive and are not drawn." if zero else ""
    return f"{len(eigenvalues)} eigenvalues, largest first.{decay}{left_out}"


def _points(eigenvalues: Any) -> list[tuple[float, float]]:
    """Return log10 of index and positive eigenvalue, few enough to draw; empty if there are fewer than two."""
    if not numbers(eigenvalues):
        return []
    positive = [(math.log10(i), math.log10(v)) for i, v in enumerate(eigenvalues, 1) if v > 0]
    if len(positive) < 2:
        return []
    apart = positive[-1][0] / MOST_POINTS
    kept = [positive[0]]
    for point in positive[1:-1]:
        if point[0] - kept[-1][0] >= apart:
            kept.append(point)
    return [*kept, positive[-1]]


PICTURE = Picture("spectra", 60, "Spectrum of the graphon NTK", ("gntk",), draw, "gntk")

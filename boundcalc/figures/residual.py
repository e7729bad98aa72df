"""The remaining share of the residual under gradient flow on the graphon neural tangent kernel, over its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture
from boundcalc.figures.style import Marks, canvas, legend_below, log_axis, named, series_style
from boundcalc.parts.gntk import origin
from boundcalc.report.numbers import plain, show
from boundcalc.report.values import numbers

MOST_LINES = 6


def _points(ticket: NamedReport) -> list[tuple[float, float]]:
    found: Any = (ticket.tree.get("gntk") or {}).get("residual")
    if not isinstance(found, dict) or not numbers(found.get("steps")) or not numbers(found.get("share")):
        return []
    return [(math.log10(t), s) for t, s in zip(found["steps"], found["share"], strict=False) if t > 0]


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw up to `MOST_LINES` tickets; None if none has two points."""
    known = [(ticket, points) for ticket in tickets if len(points := _points(ticket)) > 1][:MOST_LINES]
    if not known:
        return None
    marks = Marks()
    figure, (axes,) = canvas(2.5)
    handles = []
    for index, (ticket, points) in enumerate(known):
        style, part = series_style(index), ticket.tree["gntk"]
        handles += axes.plot([x for x, _ in points], [y for _, y in points], **style)
        for x, y in points:
            label = f"{ticket.name}: after {10**x:g} steps, {plain(y)} of the residual remains"
            axes.plot(
                [x],
                [y],
                linestyle="none",
                marker=style["marker"],
                color=style["color"],
                gid=marks(label, origin(part)),
            )
    low, high = (
        min(x for _, points in known for x, _ in points),
        max(x for _, points in known for x, _ in points),
    )
    axes.set(ylim=(0.0, 1.02), xlabel="step", ylabel="residual left")
    log_axis(axes.xaxis, low, high)
    if len(known) > 1:
        legend_below(figure, handles, [named(ticket.name) for ticket, _ in known])
    rate = show(known[0][0].tree["gntk"]["residual"].get("learning_rate"))
    caption = f"Share of the residual that gradient flow leaves, at learning rate {rate}."
    return DrawnFigure(
        figure,
        f"Decay of the residual of {len(known)} tickets.",
        caption,
        origin(known[0][0].tree["gntk"]),
        marks.told,
    )


PICTURE = Picture("residual", 70, "Decay of the residual", ("gntk",), draw, "gntk", across=False)

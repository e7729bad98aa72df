"""A number of every ticket against the density of its network: the levels of a lottery are joined, each mark has its origin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from boundcalc.figures.picture import NamedReport
from boundcalc.figures.style import SOFT, Marks, draw_mark, log_axis, series_style, share_of_power, spread
from boundcalc.report.numbers import percent
from boundcalc.report.origin import Origin

Read = Callable[[NamedReport], tuple[float, str, Origin] | None]


def against_density(
    axes: Any,
    groups: Sequence[Sequence[NamedReport]],
    name: str,
    read: Read,
    marks: Marks,
    index: int,
    *,
    log: bool = False,
) -> tuple[Any, list[float]]:
    """Draw one number of every ticket, with one line per lottery.

    Args:
        axes: the axes; x is log10 of the density.
        groups: the tickets by lottery.
        name: name of the number.
        read: function from a ticket to the number, its text and its origin; None if the ticket has no such number.
        marks: collects the marks.
        index: index of the series, which determines its look.
        log: whether to draw log10 of the number, which is left out if it is not positive.

    Returns:
        The first line, for a legend (None if nothing is drawn), and the heights.
    """
    style, first, heights = series_style(index), None, []
    for group in groups:
        points = []
        for ticket in group:
            found = read(ticket)
            if found is None or ticket.density is None or (log and found[0] <= 0):
                continue
            place = math.log10(ticket.density), math.log10(found[0]) if log else found[0]
            label = f"{ticket.name}: {name} {found[1]}, density {percent(ticket.density)}"
            points.append((*place, marks(label, found[2])))
        heights += [y for _, y, _ in points]
        if points:
            (line,) = axes.plot([x for x, _, _ in points], [y for _, y, _ in points], markersize=4, **style)
            first = first or line
        for x, y, gid in points:
            draw_mark(axes, x, y, gid, style["marker"], style["color"])
    return first, heights


def diagonal(axes: Any, tickets: Sequence[NamedReport], heights: Sequence[float]) -> None:
    """Draw the dashed line on which the number equals the density, and set the limits of the y axis, log10 of the number."""
    logs = [math.log10(one.density) for one in tickets if one.density is not None]
    ends = [max(logs), min(logs)]
    axes.plot(ends, ends, color=SOFT, linestyle="--", linewidth=0.9, zorder=0)
    low, high = spread(min([*heights, *logs]), max([*heights, *logs]))
    axes.set_ylim(low, high)
    log_axis(axes.yaxis, low, high, share_of_power)

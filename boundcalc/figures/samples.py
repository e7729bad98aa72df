"""The number of samples that a pruned network needs, relative to the dense one, against its density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from boundcalc.figures.curves import against_density, diagonal
from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture, lotteries
from boundcalc.figures.style import (
    SERIES,
    SOFT,
    Marks,
    canvas,
    density_axis,
    log_axis,
    named,
    share_of_power,
    spread,
)
from boundcalc.parts.samples import origin
from boundcalc.report.numbers import percent, plain, show
from boundcalc.report.origin import Origin
from boundcalc.report.values import log10, number

ON_THE_LINE = "On the dashed line, N / N dense equals the density."


def _part(ticket: NamedReport) -> Any:
    return ticket.tree.get("samples") or {}


def _ratio(ticket: NamedReport) -> tuple[float, str, Origin] | None:
    value = _part(ticket).get("ratio")
    return (value, plain(value), origin(_part(ticket), "ratio")) if number(value) and value > 0 else None


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw the layers of one ticket, or the networks of many; None if the part is missing."""
    known = [ticket for ticket in tickets if _ratio(ticket) is not None and ticket.density is not None]
    if not known:
        return None
    return _layers(known[0]) if len(known) == 1 else _tickets(known)


def _layers(ticket: NamedReport) -> DrawnFigure:
    marks, part = Marks(), _part(ticket)
    densities = {
        show(one.get("name")): one.get("density")
        for one in (ticket.tree.get("network") or {}).get("layers") or []
    }
    places = [
        (show(one.get("name")), log10(densities.get(show(one.get("name")))), log10(one.get("ratio")), False)
        for one in part.get("layers") or []
    ]
    places.append(("network", log10(ticket.density), log10(part.get("ratio")), True))
    points = [(name, x, y, whole) for name, x, y, whole in places if x is not None and y is not None]
    figure, (axes,) = canvas(3.2)
    low, high = spread(
        min(0.0, *(min(x, y) for _, x, y, _ in points)), max(0.0, *(max(x, y) for _, x, y, _ in points))
    )
    axes.plot([low, high], [low, high], color=SOFT, linestyle="--", linewidth=0.9, zorder=0)
    for name, x, y, whole in points:
        gid = marks(f"{name}: density {percent(10**x)}, N / N dense {plain(10**y)}", origin(part, "ratio"))
        axes.plot([x], [y], "s" if whole else "o", color=SERIES[whole], gid=gid)
    for name, x, y, _ in points if len(points) <= 6 else [one for one in points if one[3]]:
        axes.annotate(named(name), (x, y), xytext=(5, -3), textcoords="offset points", fontsize=7.5, va="top")
    for axis in (axes.xaxis, axes.yaxis):
        log_axis(axis, low, high, share_of_power)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="density", ylabel="N / N dense")
    label = f"Samples needed against density of {len(points) - 1} layers and the network."
    caption = (
        "Number of samples that each layer (circle) and the network (square) need, relative to their "
        f"unpruned versions. {ON_THE_LINE}"
    )
    return DrawnFigure(figure, label, caption, origin(part, "ratio"), marks.told)


def _tickets(tickets: Sequence[NamedReport]) -> DrawnFigure:
    marks = Marks(len(tickets))
    figure, (axes,) = canvas(2.6)
    _, heights = against_density(axes, lotteries(tickets), "N / N dense", _ratio, marks, 0, log=True)
    diagonal(axes, tickets, heights)
    axes.set_ylabel("N / N dense")
    density_axis(axes, [one.density for one in tickets if one.density is not None])
    label = f"Samples needed against density of {len(tickets)} tickets."
    caption = f"Number of samples that each network needs, relative to its unpruned version. {ON_THE_LINE}"
    return DrawnFigure(figure, label, caption, origin(_part(tickets[0]), "ratio"), marks.told)


PICTURE = Picture("samples", 30, "Samples needed against density", ("samples",), draw, "samples")

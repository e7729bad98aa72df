"""The density of every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from boundcalc.figures.curves import against_density, diagonal
from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture, lotteries
from boundcalc.figures.rows import ROW, Dot, FigureRow, draw_rows
from boundcalc.figures.style import (
    SERIES,
    SOFT,
    Marks,
    canvas,
    density_axis,
    legend_below,
    log_axis,
    named,
    share_of_power,
    spread,
)
from boundcalc.report.numbers import percent, plain, show
from boundcalc.report.origin import Origin, of_file
from boundcalc.report.values import log10, number

MOST_ROWS = 40
MOST_LINES = 8


def _layers(ticket: NamedReport) -> list[Any]:
    return [
        one for one in (ticket.tree.get("network") or {}).get("layers") or [] if number(one.get("density"))
    ]


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw one ticket as rows, or many against the density of the network; None if no layer is known."""
    known = [ticket for ticket in tickets if any(one["density"] > 0 for one in _layers(ticket))]
    if not known:
        return None
    placed = [ticket for ticket in known if ticket.density is not None]
    return _many_tickets(placed) if len(placed) > 1 else _one_ticket(known[0])


def _one_ticket(ticket: NamedReport) -> DrawnFigure:
    marks, origin = Marks(), of_file(ticket.tree)
    layers = [(one, at) for one in _layers(ticket) if (at := log10(one["density"])) is not None]
    shown = layers[:MOST_ROWS]
    figure, (axes,) = canvas(ROW * len(shown) + 0.6)
    low, high = spread(min(0.0, *(at for _, at in shown)), 0.0)
    axes.set_xlim(low, high)
    log_axis(axes.xaxis, low, high, share_of_power)
    whole = log10(ticket.density)
    if whole is not None:
        axes.axvline(whole, color=SOFT, linestyle="--", linewidth=0.9, zorder=0)
    rows = [
        FigureRow(
            show(one.get("name")),
            f"{plain(one.get('surviving'))} = {percent(one['density'])}",
            (
                Dot(
                    at,
                    "o",
                    SERIES[0],
                    True,
                    marks(f"{show(one.get('name'))}: {percent(one['density'])}", origin),
                ),
            ),
        )
        for one, at in shown
    ]
    draw_rows(axes, rows)
    axes.set_xlabel("density")
    empty, more = len(_layers(ticket)) - len(layers), len(layers) - len(shown)
    told = f" Dashed line: the whole network, {percent(ticket.density)}." if whole is not None else ""
    told += f" {empty} layers have no surviving weights." if empty else ""
    told += f" {more} more layers are in the table." if more else ""
    return DrawnFigure(
        figure,
        f"Density of {len(rows)} layers.",
        f"Share of the weights that survive.{told}",
        origin,
        marks.told,
    )


def _many_tickets(tickets: Sequence[NamedReport]) -> DrawnFigure:
    names = list(dict.fromkeys(show(one.get("name")) for ticket in tickets for one in _layers(ticket)))
    chosen = (
        names
        if len(names) <= MOST_LINES
        else [names[round(k * (len(names) - 1) / (MOST_LINES - 1))] for k in range(MOST_LINES)]
    )
    marks, handles, heights = Marks(len(tickets)), {}, []
    figure, (axes,) = canvas(2.7 + 0.14 * ((len(chosen) + 1) // 2))
    for index, name in enumerate(chosen):

        def read(ticket: NamedReport, name: str = name) -> tuple[float, str, Origin] | None:
            found = next((one for one in _layers(ticket) if show(one.get("name")) == name), None)
            return (
                None if found is None else (found["density"], percent(found["density"]), of_file(ticket.tree))
            )

        line, own = against_density(axes, lotteries(tickets), name, read, marks, index, log=True)
        heights += own
        if line is not None:
            handles[named(name)] = line
    diagonal(axes, tickets, heights)
    axes.set_ylabel("density of the layer")
    density_axis(axes, [one.density for one in tickets if one.density is not None])
    legend_below(figure, list(handles.values()), list(handles))
    count = f" {len(chosen)} of {len(names)} layers." if len(chosen) < len(names) else ""
    label = f"Densities of {len(chosen)} layers of {len(tickets)} tickets."
    return DrawnFigure(
        figure,
        label,
        f"On the dashed line a layer is as dense as its network.{count}",
        of_file(tickets[0].tree),
        marks.told,
    )


PICTURE = Picture("layers", 80, "Density of the layers", (), draw, "layers")

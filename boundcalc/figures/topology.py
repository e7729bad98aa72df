"""The z-scores of the masks' scores against random masks of the same density."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from boundcalc.figures.curves import against_density
from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture, lotteries
from boundcalc.figures.rows import ROW, Dot, FigureRow, draw_rows
from boundcalc.figures.style import (
    MARKERS,
    SERIES,
    SOFT,
    Marks,
    canvas,
    density_axis,
    legend_below,
    spread,
)
from boundcalc.parts.layer_grid import mean_over_layers
from boundcalc.parts.topology import FIELDS, SCORES, of_z
from boundcalc.report.numbers import plain, show
from boundcalc.report.origin import Origin
from boundcalc.report.values import number

LABELS = {field.key: field.header for field in FIELDS}
MARK_OFFSET = 0.17
"""Distance, in rows, between the marks of two scores, so that none hides another."""
CAPTION = (
    "A score minus its mean over random masks of the same density, in units of their standard "
    "deviation; 0 is the mean of random masks."
)


def _part(ticket: NamedReport) -> Any:
    return ticket.tree.get("topology") or {}


def _z(layer: Any) -> dict[str, float]:
    found = layer.get("z")
    return {key: found[key] for key in SCORES if number(found.get(key))} if isinstance(found, dict) else {}


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw the layers of one ticket, or the means over layers of many; None without random masks to compare with."""
    known = [ticket for ticket in tickets if any(map(_z, _part(ticket).get("layers") or []))]
    if not known:
        return None
    placed = [ticket for ticket in known if ticket.density is not None]
    return _many_tickets(placed) if len(placed) > 1 else _one_ticket(known[0])


def _one_ticket(ticket: NamedReport) -> DrawnFigure:
    marks, part = Marks(), _part(ticket)
    layers = [(show(layer.get("name")), _z(layer)) for layer in part["layers"]]
    figure, (axes,) = canvas(2.2 * ROW * len(layers) + 0.95)
    values = [z for _, zs in layers for z in zs.values()]
    axes.set_xlim(*spread(min(0.0, *values), max(0.0, *values), 0.05, 0.5))
    axes.axvline(0.0, color=SOFT, linewidth=0.8, zorder=0)
    rows = [
        FigureRow(
            name,
            "" if zs else "no z-score",
            tuple(
                Dot(
                    zs[key],
                    MARKERS[index],
                    SERIES[index],
                    True,
                    marks(f"{name}: z of {LABELS[key]} = {plain(zs[key])}", of_z(part)),
                    MARK_OFFSET * (index - 2),
                )
                for index, key in enumerate(SCORES)
                if key in zs
            ),
        )
        for name, zs in layers
    ]
    draw_rows(axes, rows)
    axes.set_xlabel("z-score")
    present = [index for index, key in enumerate(SCORES) if any(key in zs for _, zs in layers)]
    handles = [
        axes.plot([], [], linestyle="none", marker=MARKERS[index], color=SERIES[index])[0]
        for index in present
    ]
    legend_below(figure, handles, [LABELS[SCORES[index]] for index in present], 5)
    return DrawnFigure(figure, f"z-scores of {len(rows)} layers.", CAPTION, of_z(part), marks.told)


def _read(key: str, ticket: NamedReport) -> tuple[float, str, Origin] | None:
    value = mean_over_layers(_part(ticket), lambda layer: _z(layer).get(key))
    return None if value is None else (value, plain(value), of_z(_part(ticket)))


def _many_tickets(tickets: Sequence[NamedReport]) -> DrawnFigure:
    marks, handles, all_heights = Marks(len(tickets)), {}, [0.0]
    figure, (axes,) = canvas(2.8)
    for index, key in enumerate(SCORES):
        line, heights = against_density(
            axes, lotteries(tickets), LABELS[key], partial(_read, key), marks, index
        )
        all_heights += heights
        if line is not None:
            handles[LABELS[key]] = line
    axes.axhline(0.0, color=SOFT, linewidth=0.8, zorder=0)
    axes.set_ylim(*spread(min(all_heights), max(all_heights), 0.05, 0.5))
    axes.set_ylabel("z-score, mean over layers")
    density_axis(axes, [one.density for one in tickets if one.density is not None])
    legend_below(figure, list(handles.values()), list(handles), 3)
    label = f"Mean z-scores of {len(tickets)} tickets against density."
    return DrawnFigure(figure, label, CAPTION, of_z(_part(tickets[0])), marks.told)


PICTURE = Picture("topology", 40, "Topology against random masks", ("topology",), draw, "topology")

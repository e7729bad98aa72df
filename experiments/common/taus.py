"""Taus of many quantities, read and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boundcalc.figures.style import canvas, legend_below, series_style
from experiments.common.record import Tree

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def firm(rows: list[Tree], key: str = "within") -> list[Tree]:
    """Return the rows whose interval leaves out 0, the strongest first."""
    found = [row for row in rows if row[key] is not None and not row[key][1] <= 0 <= row[key][2]]
    return sorted(found, key=lambda row: -abs(row[key][0]))


def draw_taus(rows: list[Tree], target: str, kinds: dict[str, str]) -> Figure:
    """Draw taus with their intervals.

    Args:
        rows: of quantities.
        target: what they are to order.
        kinds: two keys of the rows, and their names.
    """
    known = [row for row in rows if all(row[key] is not None for key in kinds)]
    known.sort(key=lambda row: row["within"][0])
    drawn, (axis,) = canvas(1.2 + 0.17 * len(known))
    handles = []
    for number, (key, shift) in enumerate(zip(kinds, (0.15, -0.15), strict=True)):
        style = series_style(1 - number)
        for index, row in enumerate(known):
            tau, low, high, _ = row[key]
            axis.plot([low, high], [index + shift, index + shift], color=style["color"], linewidth=1)
            (handle,) = axis.plot([tau], [index + shift], **{**style, "linestyle": "none", "markersize": 4})
        handles.append(handle)
    axis.yaxis.set_ticks(range(len(known)), [row["quantity"] for row in known])
    axis.axvline(0.0, linewidth=0.8)
    axis.set(xlabel=f"Kendall's tau with {target}, 95 % intervals", xlim=(-1, 1), ylim=(-1, len(known)))
    legend_below(drawn, handles, list(kinds.values()), 2)
    return drawn

"""Small figures, one for each quantity that the parts show for many tickets, against the density of the network."""

from __future__ import annotations

import math
from collections.abc import Sequence

from boundcalc.figures.curves import against_density
from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture, lotteries
from boundcalc.figures.style import WIDTH, Marks, density_axis, log_axis, spread
from boundcalc.parts import Quantity, registry
from boundcalc.report.origin import Origin, of_file
from boundcalc.report.quantity import UNITS

PANELS_PER_ROW = 2
HEIGHT = 1.5
OWN_FIGURE_PREFIX = "empirical."
"""Prefix of the quantities that have a figure of their own."""
DECADE = 1.0


def shown(ticket: NamedReport) -> dict[str, Quantity]:
    """Return the quantities of a ticket that have a figure, by key."""
    found = (one for part in registry.values() for one in part.quantities(ticket.tree))
    return {
        one.key: one
        for one in found
        if one.shown and one.value is not None and not one.key.startswith(OWN_FIGURE_PREFIX)
    }


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw every quantity that at least two tickets have; None if there is none."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = lotteries(tickets)
    known = {id(ticket): shown(ticket) for group in groups for ticket in group}
    counts: dict[str, list[Quantity]] = {}
    for own in known.values():
        for key, one in own.items():
            counts.setdefault(key, []).append(one)
    keys = [key for key, found in counts.items() if len(found) > 1]
    if not keys:
        return None
    marks, down = Marks(len(tickets)), math.ceil(len(keys) / PANELS_PER_ROW)
    figure = Figure(figsize=(WIDTH, HEIGHT * down + 0.2))
    FigureCanvasAgg(figure)
    axes = figure.subplots(down, PANELS_PER_ROW, squeeze=False)
    densities = [ticket.density for group in groups for ticket in group if ticket.density is not None]
    for place in axes.flat[len(keys) :]:
        place.set_axis_off()
    for index, (place, key) in enumerate(zip(axes.flat, keys, strict=False)):
        values = [one.value for one in counts[key] if one.value is not None]
        log = min(values) > 0 and math.log10(max(values) / min(values)) >= DECADE

        def read(ticket: NamedReport, key: str = key) -> tuple[float, str, Origin] | None:
            one = known[id(ticket)].get(key)
            return (
                None
                if one is None or one.value is None
                else (one.value, UNITS[one.unit](one.value), one.origin)
            )

        _, heights = against_density(place, groups, counts[key][0].label, read, marks, index, log=log)
        low, high = spread(min(heights), max(heights), 0.1, 1e-9)
        place.set_ylim(low, high if high > low else low + 1)
        if log:
            log_axis(place.yaxis, low, high, most=4)
        else:
            place.locator_params(axis="y", nbins=4)
        place.set_title(counts[key][0].label)
        density_axis(place, densities, labelled=index >= len(keys) - PANELS_PER_ROW, apart=0.3)
    caption = (
        "Each mark is a ticket; levels of one lottery are joined by a line, the sparser ones to the "
        "right; each quantity has its own axis."
    )
    label = f"{len(keys)} quantities of {len(densities)} tickets against density."
    return DrawnFigure(figure, label, caption, of_file(tickets[0].tree), marks.told)


PICTURE = Picture(
    "quantities", 45, "Quantities against density", ("samples", "topology", "graphon", "gntk"), draw
)

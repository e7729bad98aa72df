"""Training error, test error and their gap against the density of the network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from boundcalc.figures.curves import against_density
from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture, lotteries
from boundcalc.figures.style import SOFT, Marks, canvas, density_axis, legend_below, spread
from boundcalc.report.numbers import percent
from boundcalc.report.origin import Origin, of_measurement
from boundcalc.report.values import number

LINES = (
    ("train_error", "training error"),
    ("test_error", "test error"),
    ("gap", "gap (test - training)"),
)


def _read(key: str, ticket: NamedReport) -> tuple[float, str, Origin] | None:
    value = (ticket.tree.get("empirical") or {}).get(key)
    return (100 * value, percent(value), of_measurement(ticket.tree)) if number(value) else None


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw the errors of every ticket; None if none was measured."""
    groups = lotteries(tickets)
    known = [one for group in groups for one in group if any(_read(key, one) for key, _ in LINES)]
    if not known:
        return None
    marks = Marks(len(tickets))
    figure, (axes,) = canvas(2.9)
    handles, all_heights = {}, [0.0]
    for index, (key, label) in enumerate(LINES):
        line, heights = against_density(axes, groups, label, partial(_read, key), marks, index)
        all_heights += heights
        if line is not None:
            handles[label] = line
    axes.axhline(0.0, color=SOFT, linewidth=0.8, zorder=0)
    axes.set_ylim(*spread(min(all_heights), max(all_heights), 0.06, 0.2))
    axes.set_ylabel("% of the samples")
    axes.grid(axis="y")
    density_axis(axes, [one.density for one in known if one.density is not None])
    legend_below(figure, list(handles.values()), list(handles), 1)
    label = f"Training error, test error and gap of {len(known)} tickets against density."
    caption = "Levels of one lottery are joined by a line, the sparser ones to the right."
    return DrawnFigure(figure, label, caption, of_measurement(known[0].tree), marks.told)


PICTURE = Picture("gap", 20, "Measured errors and gap", ("empirical",), draw)

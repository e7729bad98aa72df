"""The graphons of masks: all layers of one ticket, or the largest layer of each of many, on one gray scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture, Tree
from boundcalc.figures.style import WIDTH, named
from boundcalc.parts.graphon import of_cut
from boundcalc.report.numbers import interval, percent, show
from boundcalc.report.values import number, numbers

if TYPE_CHECKING:
    import numpy as np

PANELS_PER_ROW = 3
MOST_PANELS = 12
LOG_BELOW = 0.2
"""Mean of a map below which the scale is logarithmic, because a sparse mask is white on a linear scale."""
COLORS = "Greys"


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw up to `MOST_PANELS` maps; None if there is no histogram."""
    known = [ticket for ticket in tickets if _layers(ticket.tree)]
    if not known:
        return None
    if len(known) == 1:
        maps = [(show(layer.get("name")), known[0], layer) for layer in _layers(known[0].tree)]
        what = "Densities of the cells, with units sorted by degree"
    else:
        maps = [(ticket.name, ticket, _largest(ticket.tree)) for ticket in known]
        what = (
            "Densities of the cells of the layer with the most weights of each ticket, with units "
            "sorted by degree"
        )
    shown = _evenly(maps, MOST_PANELS)
    figure, scale = _figure([(title, layer) for title, _, layer in shown])
    told = "; ".join(f"{named(title)}: {_describe_layer(layer)}" for title, _, layer in shown)
    count = f" {len(shown)} of {len(maps)} are drawn." if len(shown) < len(maps) else ""
    caption = f"{what}; blank cells have no connection; all maps share one {scale} scale.{count} {told}."
    label = f"Graphons of {', '.join(named(title) for title, _, _ in shown)}."
    return DrawnFigure(figure, label, caption, of_cut(known[0].tree["graphon"]), {})


def is_matrix(found: Any) -> bool:
    """Return whether a value is a list of rows of numbers, all of the same length."""
    rows = found if isinstance(found, list) and found else []
    return bool(rows) and all(map(numbers, rows)) and len({len(row) for row in rows}) == 1


def _layers(tree: Tree) -> list[Tree]:
    return [one for one in (tree.get("graphon") or {}).get("layers") or [] if is_matrix(one.get("histogram"))]


def _largest(tree: Tree) -> Tree:
    sizes = {
        show(one.get("name")): one.get("parameters") or 0
        for one in (tree.get("network") or {}).get("layers") or []
    }
    return max(_layers(tree), key=lambda one: sizes.get(show(one.get("name")), 0))


def _evenly(maps: list[Any], most: int) -> list[Any]:
    """Return at most `most` maps, evenly spaced in their order."""
    return maps if len(maps) <= most else [maps[round(k * (len(maps) - 1) / (most - 1))] for k in range(most)]


def _describe_layer(layer: Tree) -> str:
    cut, density = layer.get("cut_from_constant"), layer.get("density")
    words = percent(density) if number(density) else "-"
    known = numbers(cut) and len(cut) == 2
    return f"density {words}" + (f", cut norm from constant {interval(cut)}" if known else "")


def _figure(maps: Sequence[tuple[str, Tree]]) -> tuple[Any, str]:
    """Draw the maps and their scale; return the figure and the scale's name."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.figure import Figure

    arrays = [np.array(layer["histogram"], dtype=np.float64).clip(0.0, 1.0) for _, layer in maps]
    positive = np.concatenate([array[array > 0] for array in arrays])
    highest = float(positive.max()) if positive.size else 1.0
    log = positive.size > 0 and min(float(array.mean()) for array in arrays) < LOG_BELOW
    low = 10.0 ** math.floor(math.log10(max(float(positive.min()), 1e-4 * highest))) if log else 0.0
    norm = LogNorm(low, highest if highest > low else 10 * low) if log else Normalize(0.0, highest)
    across = min(PANELS_PER_ROW, len(maps))
    down = math.ceil(len(maps) / across)
    side = (WIDTH - 0.9) / PANELS_PER_ROW
    figure = Figure(figsize=(side * across + 0.9, (side + 0.35) * down))
    FigureCanvasAgg(figure)
    axes = figure.subplots(down, across, squeeze=False)
    for place in axes.flat[len(maps) :]:
        place.set_axis_off()
    for place, (title, layer), array in zip(axes.flat, maps, arrays, strict=False):
        image = place.imshow(
            _clipped(array, low) if log else array,
            norm=norm,
            cmap=COLORS,
            aspect="auto",
            interpolation="none",
        )
        place.set_title(_fitted(title), fontsize=7.5)
        shape = layer.get("shape") or [None, None]
        place.set(xticks=[], yticks=[])
        place.set_xlabel(f"{shape[1]} inputs" if shape[1] else "inputs", fontsize=7, labelpad=2)
        place.set_ylabel(f"{shape[0]} outputs" if shape[0] else "outputs", fontsize=7, labelpad=2)
        place.spines[["top", "right"]].set_visible(True)
    bar = figure.colorbar(image, ax=list(axes.flat), fraction=0.05, pad=0.02)
    bar.ax.minorticks_off()
    _label(bar, low, highest, log)
    return figure, "logarithmic" if log else "linear"


def _clipped(array: np.ndarray, low: float) -> np.ndarray:
    """Return densities for a logarithmic scale: those above 0 are raised to its lower end, zeros are masked."""
    import numpy as np

    found: np.ndarray = np.ma.masked_equal(np.where(array > 0, np.maximum(array, low), 0.0), 0.0)
    return found


def _label(bar: Any, low: float, highest: float, log: bool) -> None:
    if log:
        exponents = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(highest) + 1e-9) + 1)
        ticks = [10.0**one for one in exponents]
    else:
        ticks = [0.0, highest / 2, highest]
    bar.set_ticks(ticks, labels=[percent(tick) if tick else "0" for tick in ticks])
    bar.ax.tick_params(labelsize=7)
    bar.set_label("share that survives", fontsize=7.5)


def _fitted(title: str) -> str:
    """Return a title that is no wider than its map."""
    words = named(title)
    return words if len(words) <= 19 else f"…{words[-18:]}"


PICTURE = Picture("graphons", 50, "Graphons of the masks", ("graphon",), draw, "graphon")

"""One figure a checkpoint: the graphons of its layers on one colour scale, degree profiles at the margins."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from boundcalc.graphon.mask_graphons import LayerGraphon, MaskGraphons

ACROSS = 5
"""Panels in a row."""

PANEL = 2.8
"""Side of a panel in inches."""

COLOURS = "viridis"
INK = "#444444"
RATIOS = (1, 5)


def render(found: MaskGraphons, title: str, kind: str) -> bytes:
    """Draw the graphons.

    Args:
        found: of a network's masks.
        title: above the figure.
        kind: ``"png"``, ``"pdf"`` or ``"svg"``.

    Returns:
        The file's bytes, the same for the same graphons.
    """
    with rc_context({"svg.hashsalt": "boundcalc", "text.usetex": False, "text.parse_math": False}):
        figure = _figure(found, title)
        file = io.BytesIO()
        figure.savefig(file, format=kind, dpi=150, metadata=_undated(kind))
    return file.getvalue()


def _undated(kind: str) -> dict[str, Any]:
    return {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})


def _figure(found: MaskGraphons, title: str) -> Figure:
    across = min(ACROSS, len(found.layers))
    down = math.ceil(len(found.layers) / across)
    figure = Figure(figsize=(PANEL * across + 1.2, PANEL * down + 0.9))
    FigureCanvasAgg(figure)
    highest = max(float(layer.graphon.values.max()) for layer in found.layers) or 1.0
    width, height = figure.get_size_inches()
    grid = figure.add_gridspec(
        down, across, left=0.55 / width, right=1 - 1.0 / width, bottom=0.45 / height, top=1 - 0.75 / height,
        wspace=0.28, hspace=0.45,
    )  # fmt: skip
    for index, layer in enumerate(found.layers):
        image = _panel(figure, grid[index // across, index % across], layer, highest)
    bar = figure.add_axes((1 - 0.8 / width, 0.45 / height, 0.14 / width, 1 - 1.2 / height))
    figure.colorbar(image, cax=bar, label="share of connections that survive")
    bar.yaxis.label.set_fontsize(8)
    bar.tick_params(labelsize=7)
    figure.suptitle(_spelled(title), fontsize=9, y=1 - 0.12 / height)
    return figure


def _panel(figure: Figure, place: Any, layer: LayerGraphon, highest: float) -> Any:
    """Draw a layer: the step function, column degrees above it, row degrees to its right."""
    graphon = layer.graphon
    parts = place.subgridspec(2, 2, height_ratios=RATIOS, width_ratios=RATIOS[::-1], hspace=0.06, wspace=0.06)
    centre = figure.add_subplot(parts[1, 0])
    rows, columns = (
        np.append(0.0, np.cumsum(weights)) for weights in (graphon.row_weights, graphon.column_weights)
    )
    image = centre.pcolormesh(
        columns, rows, graphon.values, vmin=0.0, vmax=highest, cmap=COLOURS, rasterized=True
    )
    centre.set(xlim=(0, 1), ylim=(1, 0), xticks=(0, 1), yticks=(0, 1))
    centre.set_xlabel(f"inputs: {layer.shape[1]}", fontsize=7, labelpad=-6)
    centre.set_ylabel(f"outputs: {layer.shape[0]}", fontsize=7, labelpad=-4)
    above = figure.add_subplot(parts[0, 0])
    above.stairs(graphon.column_degrees, columns, fill=True, color=INK)
    _scale(above, "y", float(graphon.column_degrees.max()))
    above.set(xlim=(0, 1), xticks=())
    beside = figure.add_subplot(parts[1, 1])
    beside.stairs(graphon.row_degrees, rows, orientation="horizontal", fill=True, color=INK)
    _scale(beside, "x", float(graphon.row_degrees.max()))
    beside.set(ylim=(1, 0), yticks=())
    for axes in (above, beside):
        axes.spines[["top", "right"]].set_visible(False)
    for axes in (centre, above, beside):
        axes.tick_params(labelsize=6, length=2)
    above.set_title(f"{_spelled(layer.name)}  {100 * layer.density:.3g} %  ({layer.used})", fontsize=8)
    return image


def _scale(axes: Any, axis: str, top: float) -> None:
    """Run an axis from 0 to the largest degree, which its only tick names."""
    top = top or 1.0
    axes.set(**{f"{axis}lim": (0, top), f"{axis}ticks": (top,), f"{axis}ticklabels": (f"{top:.2g}",)})


def _spelled(text: str) -> str:
    """Spell out what the font or a line may not hold."""
    return text.encode("unicode_escape").decode("ascii")

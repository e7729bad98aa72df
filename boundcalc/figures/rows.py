"""Axes with named rows: marks on a scale, the name on the left, the number on the right; no text overlaps a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boundcalc.figures.style import INK, LINE, PAPER, named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.2
"""Inches a row."""


@dataclass(frozen=True)
class Dot:
    """A mark in a row: position, look (marker, color, filled), id, and distance below the row's line."""

    at: float
    marker: str
    color: str
    filled: bool
    gid: str
    offset: float = 0.0


@dataclass(frozen=True)
class FigureRow:
    """A row: its name, its text on the right, and its marks."""

    name: str
    value_text: str
    dots: tuple[Dot, ...]


def draw_rows(axes: Axes, rows: Sequence[FigureRow]) -> None:
    """Draw rows from top to bottom on axes whose x scale is set."""
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.yaxis.set_ticks(range(len(rows)), [named(row.name) for row in rows])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    right = axes.twinx()
    right.set_ylim(axes.get_ylim())
    right.yaxis.set_ticks(range(len(rows)), [row.value_text for row in rows])
    right.tick_params(axis="y", length=0, labelcolor=INK)
    right.spines[["left", "right", "top", "bottom"]].set_visible(False)
    for index, row in enumerate(rows):
        axes.axhline(index, color=LINE, linewidth=0.6, zorder=0)
        for dot in row.dots:
            axes.plot(
                [dot.at], [index + dot.offset], marker=dot.marker, color=dot.color, gid=dot.gid or None, linestyle="none",
                markerfacecolor=dot.color if dot.filled else PAPER, clip_on=False,
            )  # fmt: skip

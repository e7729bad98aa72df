"""The style of the figures: for one column of a paper, with series that differ in shape and line even when printed in gray."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from boundcalc.figures.picture import Mark
from boundcalc.report.origin import Origin
from boundcalc.report.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.6
"""Width in inches; one column of a paper is 3.3 to 3.5 inches wide, so letters of 8.5 points are printed at 6.3 points."""
INK, SOFT, LINE, SHADE, PAPER = "#16202b", "#52606e", "#d5dbe1", "#f6e7e5", "#ffffff"
SERIES = ("#0b57a4", "#a62a6d", "#00707c", "#7a4b1e", "#55606c")
"""Colors of the series; neighboring series also differ in marker and line style."""
PROVED, PUBLISHED, REFUTED, SCORE = "#0b6e4f", "#8a5a00", "#b3261e", "#6b3fa0"
VARIABLES = {
    INK: "--ink", SOFT: "--soft", LINE: "--line", SHADE: "--shaded", PAPER: "--card",
    **dict(zip(SERIES, ("--first", "--second", "--third", "--fifth", "--fourth"), strict=True)),
    PROVED: "--proved", PUBLISHED: "--published", REFUTED: "--refuted", SCORE: "--score",
}  # fmt: skip
"""Color of a figure -> the page's variable that replaces it in light and dark mode."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<", ">", "p", "h", "d")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
STATUS_LOOKS: dict[str, tuple[str, str, bool]] = {
    "theorem": ("o", PROVED, True),
    "published": ("D", PUBLISHED, False),
    "refuted": ("X", REFUTED, False),
    "score": ("^", SCORE, False),
}
"""Status -> marker, color, and whether the marker is filled; it is hollow if the bound is not proved."""
RC: Any = {
    "svg.hashsalt": "boundcalc",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "text.usetex": False,
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.constrained_layout.use": True,
}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LONGEST_NAME = 30
MOST_TICKETS = 40
"""Largest number of tickets for which every mark of a figure shows its origin; a page with thousands of such marks would be slow."""


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this style; missing glyphs in a name and layouts that do not fit cause no warning."""
    from matplotlib import rc_context

    with rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        yield


class Marks:
    """Ids of the marks of a figure, with their labels and origins.

    Args:
        tickets: number of tickets of the figure; with more than `MOST_TICKETS`, marks have no ids.
    """

    def __init__(self, tickets: int = 1) -> None:
        self.told: dict[str, Mark] = {}
        self._crowded = tickets > MOST_TICKETS

    def __call__(self, label: str, origin: Origin) -> str:
        """Return the id of a new mark; empty if there are too many tickets."""
        if self._crowded:
            return ""
        gid = f"mark{len(self.told) + 1}"
        self.told[gid] = Mark(one_line(label), origin)
        return gid


def canvas(
    height: float, rows: int = 1, ratios: Sequence[float] | None = None, width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """Return a figure in this style, with axes below each other.

    Args:
        height: height in inches.
        rows: number of axes.
        ratios: relative heights of the axes.
        width: width in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, squeeze=False, height_ratios=ratios)[:, 0]
    return figure, list(axes)


def named(text: str) -> str:
    """Return a name for a figure: one line, with the middle cut out if it is too long.

    Example:
        >>> named("features.layer4.1.conv2.weight_of_a_long_name")
        'features.layer…t_of_a_long_name'
    """
    line = one_line(text)
    half = LONGEST_NAME // 2
    return line if len(line) <= LONGEST_NAME else f"{line[: half - 1]}…{line[-half - 1 :]}"


def power(exponent: int) -> str:
    """Write a power of ten.

    Example:
        >>> power(2), power(-1), power(7)
        ('100', '0.1', '10⁷')
    """
    if -3 <= exponent <= 4:
        return f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:.{-exponent}f}"
    return f"10{str(exponent).translate(SUPERSCRIPTS)}"


def log_axis(axis: Any, low: float, high: float, text: Any = power, most: int = 6) -> None:
    """Put ticks at powers of ten on an axis that shows logarithms to base 10.

    Args:
        axis: ``axes.xaxis`` or ``axes.yaxis``; the data are logarithms, so that numbers that overflow a double can be drawn.
        low: smallest logarithm.
        high: largest logarithm.
        text: function from an exponent to a label.
        most: largest number of ticks.
    """
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    step = max(1, math.ceil((last - first + 1) / most))
    ticks = list(range(first, last + 1, step)) or [first]
    axis.set_ticks(ticks, [text(tick) for tick in ticks])


def share_of_power(exponent: int) -> str:
    """Write a power of ten as a share.

    Example:
        >>> share_of_power(0), share_of_power(-2), share_of_power(-4)
        ('100 %', '1 %', '0.01 %')
    """
    return f"{100 * 10.0**exponent:.{max(0, -exponent - 2)}f} %"


def density_axis(
    axes: Axes, densities: Sequence[float], *, labelled: bool = True, apart: float = 0.15
) -> None:
    """Set up an x axis for densities on a logarithmic scale, with dense networks on the left, in the order of a lottery.

    Args:
        axes: the axes.
        densities: densities of the tickets, above 0.
        labelled: whether the axis has a label.
        apart: smallest distance between ticks, as a share of the axis.
    """
    logs = [math.log10(one) for one in densities]
    low, high = min(logs), max(logs)
    room = max(0.06 * (high - low), 0.08)
    axes.set_xlim(high + room, low - room)
    places = [
        exponent + math.log10(digit)
        for digit in (1, 2, 5)
        for exponent in range(math.floor(low) - 1, 1)
        if low - room <= exponent + math.log10(digit) <= high + room
    ]
    kept: list[float] = []
    for place in places or [low]:
        if all(abs(place - other) > apart * (high - low + 2 * room) for other in kept):
            kept.append(place)
    axes.xaxis.set_ticks(kept, [f"{100 * 10**place:.3g} %" for place in kept])
    if labelled:
        axes.set_xlabel("density of the network")


def spread(low: float, high: float, share: float = 0.05, least: float = 0.1) -> tuple[float, float]:
    """Return the ends of an axis, with some room around the data."""
    room = max(share * (high - low), least)
    return low - room, high + room


def draw_mark(
    axes: Axes, x: float, y: float, gid: str, marker: str, color: str, *, filled: bool = True
) -> None:
    """Draw one mark on a line that has been drawn; nothing if the mark has no id."""
    if gid:
        axes.plot(
            [x], [y], marker=marker, color=color, linestyle="none", gid=gid, markersize=4, clip_on=False,
            markerfacecolor=color if filled else PAPER,
        )  # fmt: skip


def series_style(index: int) -> dict[str, Any]:
    """Return marker, line style and color of a series, by its index."""
    return {
        "color": SERIES[index % len(SERIES)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[(index + index // len(SERIES)) % len(LINES)],
    }


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str], columns: int = 2) -> None:
    """Put a legend below the axes, where it covers nothing."""
    if handles:
        figure.legend(
            list(handles), [named(label) for label in labels], loc="outside lower left", ncols=columns
        )


def legend_of_two(figure: Figure, left: dict[str, Any], right: dict[str, Any]) -> None:
    """Put a legend of two columns below the axes, one column for each of two subjects."""
    from matplotlib.lines import Line2D

    if not (left and right):
        legend_below(figure, [*left.values(), *right.values()], [*left, *right])
        return
    rows = max(len(left), len(right))
    blank = Line2D([], [], linestyle="none")
    columns = [[*one.items(), *[("", blank)] * (rows - len(one))] for one in (left, right)]
    items = [item for column in columns for item in column]
    legend_below(figure, [handle for _, handle in items], [label for label, _ in items])

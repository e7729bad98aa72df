"""The input and the result of drawing a figure. Matplotlib is imported only when something is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boundcalc.report.names import short_names
from boundcalc.report.numbers import show
from boundcalc.report.origin import Origin
from boundcalc.report.text import one_line
from boundcalc.report.values import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Tree = dict[str, Any]


@dataclass(frozen=True, eq=False)
class NamedReport:
    """A report with a short name.

    Attributes:
        tree: tree of schema ``boundcalc.report/2``.
        name: short name, unique among the tickets of a figure.
        lottery: folder and number of weights that levels of one lottery share; such levels are joined by a line.
        folder: folder of the checkpoint, which may contain a certificate; empty if unknown.
        data: value of `--data` for the report; empty for none.
    """

    tree: Tree
    name: str
    lottery: str
    folder: str = ""
    data: str = ""

    @property
    def density(self) -> float | None:
        """Share of the weights that survive; None if it is unknown or 0."""
        found = (self.tree.get("checkpoint") or {}).get("density")
        return found if number(found) and 0 < found < math.inf else None


def tickets_of(
    reports: Sequence[Tree], folders: Sequence[str] = (), data: str = ""
) -> tuple[NamedReport, ...]:
    """Return the tickets of reports, by lottery and within it by density, the densest first.

    Args:
        reports: trees of schema ``boundcalc.report/2``.
        folders: folders of the checkpoints, in the same order; empty if unknown.
        data: value of `--data` for all reports; empty for none.
    """
    from boundcalc.ranking import lottery

    paths = [show((tree.get("checkpoint") or {}).get("path")) for tree in reports]
    made = [
        NamedReport(
            tree,
            one_line(name),
            f"{lottery(path)} {show((tree.get('checkpoint') or {}).get('parameters'))}",
            folder,
            data,
        )
        for tree, name, path, folder in zip(
            reports, short_names(paths), paths, folders or [""] * len(paths), strict=True
        )
    ]
    return tuple(sorted(made, key=lambda one: (one.lottery, -(one.density or 0.0), one.name)))


def lotteries(tickets: Iterable[NamedReport]) -> list[list[NamedReport]]:
    """Return the tickets that have a density, grouped by lottery."""
    groups: dict[str, list[NamedReport]] = {}
    for ticket in tickets:
        if ticket.density is not None:
            groups.setdefault(ticket.lottery, []).append(ticket)
    return list(groups.values())


@dataclass(frozen=True)
class Mark:
    """A mark of a figure: its label, and the origin of its number."""

    label: str
    origin: Origin


@dataclass(frozen=True, eq=False)
class DrawnFigure:
    """A figure that has been drawn.

    Attributes:
        figure: the matplotlib figure.
        label: description of the figure, for readers who cannot see it.
        caption: what a reader of the figure has to know.
        origin: origin of its numbers.
        marks: mark by the gid of its artist.
    """

    figure: Figure
    label: str
    caption: str
    origin: Origin
    marks: dict[str, Mark]


@dataclass(frozen=True)
class Picture:
    """The definition of one figure.

    Attributes:
        name: name in `boundcalc plot --what`.
        rank: position among the figures.
        title: heading of the figure.
        parts: parts of a report from which it is drawn, the required one first; empty if it needs no part.
        draw: function that draws one ticket or many; it returns None if there is nothing to draw.
        section: section of a ticket's page above whose table the figure is placed; empty for none.
        across: whether the page about many tickets shows it.
    """

    name: str
    rank: int
    title: str
    parts: tuple[str, ...]
    draw: Callable[[Sequence[NamedReport]], DrawnFigure | None]
    section: str = ""
    across: bool = True

    def of(self, tickets: Sequence[NamedReport]) -> DrawnFigure | None:
        """Draw tickets in the style of all figures; None if there is nothing to draw."""
        from boundcalc.figures.style import styled

        with styled():
            return self.draw(tickets)

"""What a figure is made from, and what comes of it. Matplotlib is imported where something is drawn, not here."""

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
    """A report under a short name.

    Attributes:
        tree: of schema ``boundcalc.report/2``.
        name: short, unique among the tickets of a figure.
        lottery: the folder whose levels belong together, and the number of weights; levels of one are joined by a line.
        folder: of the checkpoint, where a certificate may lie; empty where it is not known.
        data: form of `--data` that was given for it; empty for none.
    """

    tree: Tree
    name: str
    lottery: str
    folder: str = ""
    data: str = ""

    @property
    def density(self) -> float | None:
        """Share of the weights that survive; None where it is not known or 0."""
        found = (self.tree.get("checkpoint") or {}).get("density")
        return found if number(found) and 0 < found < math.inf else None


def tickets_of(
    reports: Sequence[Tree], folders: Sequence[str] = (), data: str = ""
) -> tuple[NamedReport, ...]:
    """Return the tickets of reports: by lottery, and in it by density, the densest first.

    Args:
        reports: trees of schema ``boundcalc.report/2``.
        folders: of their checkpoints, as many, where they are known.
        data: form of `--data` that was given for all of them; empty for none.
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
    """Return the tickets that have a density, in groups of one lottery each."""
    groups: dict[str, list[NamedReport]] = {}
    for ticket in tickets:
        if ticket.density is not None:
            groups.setdefault(ticket.lottery, []).append(ticket)
    return list(groups.values())


@dataclass(frozen=True)
class Mark:
    """A mark of a figure: what it says, and where its number comes from."""

    label: str
    origin: Origin


@dataclass(frozen=True, eq=False)
class DrawnFigure:
    """A figure that is drawn.

    Attributes:
        figure: of matplotlib.
        label: what it shows, for those who cannot see it.
        caption: what a reader has to know beside it.
        origin: of its numbers.
        marks: gid of an artist -> what its mark says.
    """

    figure: Figure
    label: str
    caption: str
    origin: Origin
    marks: dict[str, Mark]


@dataclass(frozen=True)
class Picture:
    """One figure.

    Attributes:
        name: in `boundcalc plot --what`.
        rank: where it stands among the figures.
        title: its heading.
        parts: of a report that it is drawn from, the one that it needs first; empty where a report without parts is enough.
        draw: draws one ticket or many; None where there is nothing to draw.
        section: the section of a ticket's page above whose table it stands; empty for none.
        across: whether the page on many tickets has it.
    """

    name: str
    rank: int
    title: str
    parts: tuple[str, ...]
    draw: Callable[[Sequence[NamedReport]], DrawnFigure | None]
    section: str = ""
    across: bool = True

    def of(self, tickets: Sequence[NamedReport]) -> DrawnFigure | None:
        """Draw tickets in the style of all figures; None where there is nothing to draw."""
        from boundcalc.figures.style import styled

        with styled():
            return self.draw(tickets)

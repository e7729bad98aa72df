"""What certificates of picked tickets cost: the examples picked, round by round, and those that the network gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.figures.picture import Drawn, Picture, Ticket
from boundcalc.figures.style import SOFT, Marks, canvas, legend_below, look
from boundcalc.report.numbers import percent, plain, upper
from boundcalc.report.origin import Origin

if TYPE_CHECKING:
    from boundcalc.certificates.file import Certificate

MOST = 6
CAPTION = (
    "Lines: the share of the sample that was picked after each round. Above the last round: picked and wrong together (hollow), from"
    " which the bound on the error of the ticket itself follows (cross). How many were wrong after earlier rounds is not recorded."
)


def _certificate(ticket: Ticket) -> Certificate | None:
    """Return the certificate beside a ticket; None where there is none.

    A file that is damaged is refused by its reader, which names it.
    """
    from boundcalc.certificates.file import NAME, read_certificate

    place = Path(ticket.folder or ".") / NAME
    return read_certificate(place) if ticket.folder and place.is_file() else None


def draw(tickets: Sequence[Ticket]) -> Drawn | None:
    """Draw up to `MOST` certificates; None where no ticket has one that was picked."""
    found = [(ticket, one) for ticket in tickets if (one := _certificate(ticket)) is not None and one.rounds]
    if not found:
        return None
    marks, handles, shown = Marks(), [], found[:MOST]
    figure, (axes,) = canvas(2.9)
    highest = 0.0
    for index, (ticket, one) in enumerate(shown):
        style, sizes = look(index), [len(indices) for indices in one.rounds]
        shares = [sum(sizes[: count + 1]) / one.m for count in range(len(sizes))]
        rounds = list(range(1, len(shares) + 1))
        handles += axes.plot(rounds, [100 * share for share in shares], markersize=4, **style)
        both = shares[-1] + one.wrong / one.m
        origin = Origin("theorem", f"{ticket.name}: certificate.json", "boundcalc verify computes it again.")
        for height, marker, face, label in (
            (both, style["marker"], "none", f"picked and wrong {percent(both)} ({plain(one.wrong)} wrong)"),
            (one.value, "x", style["color"], f"bound {upper(one.value)}"),
        ):
            axes.plot(
                [rounds[-1]], [100 * height], marker=marker, color=style["color"], markerfacecolor=face, linestyle="none",
                markersize=6, gid=marks(f"{ticket.name}: {label}", origin),
            )  # fmt: skip
            highest = max(highest, height)
    axes.axhline(0.0, color=SOFT, linewidth=0.8, zorder=0)
    axes.set(ylim=(0.0, 108 * highest), xlabel="round", ylabel="% of the sample")
    axes.locator_params(axis="x", integer=True)
    legend_below(figure, handles, [f"{ticket.name}: bound {upper(one.value)}" for ticket, one in shown], 1)
    more = f" {len(shown)} of {len(found)} tickets." if len(shown) < len(found) else ""
    label = f"Picked examples over rounds of {len(shown)} tickets."
    return Drawn(figure, label, CAPTION + more, Origin("measured", "certificate.json"), marks.told)


PICTURE = Picture("pick", 90, "Picked and wrong", (), draw, across=False)

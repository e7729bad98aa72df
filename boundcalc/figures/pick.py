"""The cost of certificates of picked tickets: examples picked in each round, and examples that the network gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boundcalc.figures.picture import DrawnFigure, NamedReport, Picture
from boundcalc.figures.style import SOFT, Marks, canvas, legend_below, series_style
from boundcalc.report.numbers import percent, plain, upper
from boundcalc.report.origin import Origin

if TYPE_CHECKING:
    from boundcalc.certificates.file import Certificate

MOST_LINES = 6
CAPTION = (
    "Lines: the share of the sample that has been picked after each round. Hollow marks: picked and "
    "wrong examples together; the bound on the error of the ticket itself (cross) follows from their "
    "number after the last round. Certificates of earlier versions record the last round alone."
)


def certificate_of(ticket: NamedReport) -> Certificate | None:
    """Return the certificate in a ticket's folder; None if there is none.

    A damaged file is refused when it is read, with a message that names it.
    """
    from boundcalc.certificates.file import NAME, read_certificate

    place = Path(ticket.folder or ".") / NAME
    return read_certificate(place) if ticket.folder and place.is_file() else None


def _certifying(certificate: Certificate) -> int:
    """Return the number of examples that certify: those not set aside, or all if the options do not say."""
    from boundcalc.certificates.pick.claim import apart_of

    try:
        return certificate.m - len(apart_of(certificate.m, certificate.made_by))
    except (KeyError, TypeError, ValueError):
        return certificate.m


def draw(tickets: Sequence[NamedReport]) -> DrawnFigure | None:
    """Draw up to `MOST_LINES` certificates; None if no ticket has a certificate by picking."""
    found = [
        (ticket, one) for ticket in tickets if (one := certificate_of(ticket)) is not None and one.rounds
    ]
    if not found:
        return None
    marks, handles, shown = Marks(), [], found[:MOST_LINES]
    figure, (axes,) = canvas(2.9)
    highest = 0.0
    for index, (ticket, one) in enumerate(shown):
        style, picked = series_style(index), np.cumsum([len(indices) for indices in one.rounds])
        samples = _certifying(one)
        rounds, last = np.arange(1, len(picked) + 1), int(picked[-1]) + one.wrong
        handles += axes.plot(rounds, 100 * picked / samples, markersize=4, **style)
        hollow = {**style, "linestyle": ":", "markerfacecolor": "none", "markersize": 6}
        wrong = one.made_by.get("wrong")
        told = isinstance(wrong, list) and [type(count) for count in wrong] == [int] * len(picked)
        both = picked + np.array(wrong) if told else np.array([last])
        axes.plot(rounds[-len(both) :], 100 * both / samples, **hollow)
        origin = Origin("theorem", f"{ticket.name}: certificate.json", "boundcalc verify computes it again.")
        for height, what, label in (
            (
                last / samples,
                hollow,
                f"picked and wrong {percent(last / samples)} ({plain(one.wrong)} wrong)",
            ),
            (one.value, {**hollow, "marker": "x"}, f"bound {upper(one.value)}"),
        ):
            gid = marks(f"{ticket.name}: {label}", origin)
            axes.plot(rounds[-1:], [100 * height], gid=gid, **what)
        highest = max(highest, one.value, *(both / samples))
    axes.axhline(0.0, color=SOFT, linewidth=0.8, zorder=0)
    axes.set(ylim=(0.0, 108 * highest), xlabel="round", ylabel="% of the sample")
    axes.locator_params(axis="x", integer=True)
    legend_below(figure, handles, [f"{ticket.name}: bound {upper(one.value)}" for ticket, one in shown], 1)
    more = f" {len(shown)} of {len(found)} tickets." if len(shown) < len(found) else ""
    label = f"Picked examples over rounds of {len(shown)} tickets."
    return DrawnFigure(figure, label, CAPTION + more, Origin("measured", "certificate.json"), marks.told)


PICTURE = Picture("pick", 90, "Picked and wrong", (), draw, across=False)

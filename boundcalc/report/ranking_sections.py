"""Tables of tickets and of their rank correlations, as sections of a view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boundcalc.report.comparable import POLICY
from boundcalc.report.document import Cell, Column, Grid, Section, Term
from boundcalc.report.numbers import NULL, percent, plain
from boundcalc.report.origin import Origin
from boundcalc.report.quantity import name_of, quantity_cell

COLUMNS_PER_GRID = 6
"""Largest number of quantities side by side in one grid of a view for a terminal or for paper."""
TITLES = {"gap": "Rank correlation with the measured gap", "accuracy": "Rank correlation with test accuracy"}

Tree = dict[str, Any]
About = Mapping[str, Mapping[str, Any]]


def ticket_sections(
    tickets: Sequence[Tree], names: Sequence[str], about: About, across: int | None = COLUMNS_PER_GRID
) -> tuple[Section, ...]:
    """Build grids of tickets by quantities; quantities that no ticket has are left out.

    Args:
        tickets: in order, each with ``checkpoint``, ``density`` and ``quantities``.
        names: short names of the checkpoints.
        about: descriptions of the quantities by key, from `boundcalc.report.comparable.described`.
        across: number of quantities per grid; None for one grid.
    """
    keys = list(dict.fromkeys(key for one in tickets for key in one["quantities"]))
    present = [key for key in keys if any(one["quantities"].get(key) is not None for one in tickets)]
    width = across or max(len(present), 1)
    groups = [present[start : start + width] for start in range(0, len(present), width)]
    return tuple(
        Section(
            f"Tickets by lottery and density, {number}"
            if len(groups) > 1
            else "Tickets by lottery and density",
            f"tickets-{number}" if len(groups) > 1 else "tickets",
            grid=_tickets(tickets, names, [(key, about_of(about, key)) for key in group]),
        )
        for number, group in enumerate(groups, 1)
    )


def _tickets(
    tickets: Sequence[Tree], names: Sequence[str], quantities: Sequence[tuple[str, Mapping[str, Any]]]
) -> Grid:
    columns = (
        Column("ticket"),
        Column("density", right=True),
        *(Column(_header(one), right=True) for _, one in quantities),
    )
    counted = Origin("exact", "counted in the file")
    rows = tuple(
        (
            names[one["checkpoint"]],
            Cell(percent(one["density"]), one["density"], counted),
            *(quantity_cell(one["quantities"].get(key), about) for key, about in quantities),
        )
        for one in tickets
    )
    return Grid(columns, rows)


def about_of(about: About, key: str) -> Mapping[str, Any]:
    """Return the description of a quantity; only its key as label if a comparison has none."""
    return about.get(key) or {"label": key}


def correlation_sections(correlations: Sequence[Tree], about: About) -> tuple[Section, ...]:
    """Build a grid for each target: tau, its interval, and both with density held fixed."""
    targets = list(dict.fromkeys(one["with"] for one in correlations))
    return tuple(
        _target(target, [one for one in correlations if one["with"] == target], about) for target in targets
    )


def _target(target: str, rows: Sequence[Tree], about: About) -> Section:
    columns = (
        Column("quantity"),
        Column("status"),
        Column("n", right=True),
        Column("tau", right=True),
        Column("95 %", right=True),
        Column("partial to density", right=True),
        Column("95 %", right=True),
    )
    origin = Origin(
        "measured", "boundcalc compare", "Kendall's tau-b over these tickets; the interval is a bootstrap."
    )
    defined = [one for one in rows if one["tau"] is not None]
    cells = tuple(
        (
            name_of(about_of(about, one["quantity"])),
            one["status"] or NULL,
            Cell(str(one["n"]), one["n"], Origin("exact", "rows of this comparison")),
            _cell(plain(one["tau"], 2), one["tau"], origin),
            _cell(_ends(one["interval"]), one["interval"][0] if one["interval"] else None, origin),
            _cell(plain(one["partial"], 2), one["partial"], origin),
            _cell(
                _ends(one["partial_interval"]),
                one["partial_interval"][0] if one["partial_interval"] else None,
                origin,
            ),
        )
        for one in defined
    )
    undefined: dict[str, list[str]] = {}
    for one in rows:
        if one["tau"] is None:
            undefined.setdefault(one["reason"], []).append(name_of(about_of(about, one["quantity"])))
    notes = (*(f"{', '.join(names)}: {reason}" for reason, names in undefined.items()), POLICY)
    grid = Grid(columns, cells) if cells else None
    return Section(TITLES[target], f"correlation-{target}", grid=grid, notes=notes)


def _header(about: Mapping[str, Any]) -> str:
    """Return a column's header; for a bound with its status, and with its subject if that is not the ticket."""
    status, subject = about.get("status"), about.get("subject")
    of = f", of the {subject}" if subject not in {"", "network", None} else ""
    name = f"{about['label']} ({status}{of})" if status else name_of(about)
    return Term(name, about["means"], about["page"]) if about.get("means") else name


def _cell(text: str, value: float | None, origin: Origin) -> Cell:
    return Cell(text, value, None if text == NULL else origin)


def _ends(ends: Sequence[float] | None) -> str:
    return NULL if ends is None else f"[{ends[0]:.2f}, {ends[1]:.2f}]"

"""The page about many tickets: first their bounds in one picture, then tables of the tickets, and pictures across them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from boundcalc.figures import pictures
from boundcalc.figures.picture import NamedReport, tickets_of
from boundcalc.parts import Quantity, registry
from boundcalc.report.bound_order import log10_value, proved
from boundcalc.report.bound_rows import marked_value
from boundcalc.report.html_block import Head, PageBlock, PageCell, PageTable, References, figures_of
from boundcalc.report.numbers import NULL, percent, plain, show
from boundcalc.report.origin import Origin, of_bound, of_file
from boundcalc.report.quantity import UNITS
from boundcalc.report.subjects import EXCESS, GROUPS, group_of, is_excess, named
from boundcalc.report.text import one_line

Tree = dict[str, Any]

MOST_REASONS = 3
FEWEST_RANKED = 8
"""Smallest number of tickets for which rank correlations are shown; with fewer, the interval would be as wide as the range."""
TOO_FEW = f"Rank correlations are shown for {FEWEST_RANKED} or more tickets."
FIRST_FIGURES = ("bounds", "gap")
"""The pictures that are shown first."""
PROVED = (("your network: smallest theorem", "network"), ("its compression: certificate", "compression"))
"""Header of a column in the table of tickets -> the subject that the column is about."""


def blocks(
    reports: Sequence[Tree], failed: Sequence[tuple[str, str]], ref: References
) -> tuple[PageBlock, ...]:
    """Build the parts of the page.

    Args:
        reports: trees of schema ``boundcalc.report/2``.
        failed: path and reason for each checkpoint that could not be analyzed.
        ref: collects the ids of origins.

    Returns:
        The overview, the tickets, their bounds, masks and kernels, and the checkpoints that failed.
    """
    tickets = tickets_of(reports)
    known = [one for one in pictures().values() if one.across]
    first = figures_of([one for one in known if one.name in FIRST_FIGURES], tickets, ref)
    rest = figures_of([one for one in known if one.name not in FIRST_FIGURES], tickets, ref)
    parts = [
        PageBlock("overview", "Overview", first),
        PageBlock("tickets", "Tickets", tables=(_table(tickets),), facts=_facts(tickets, failed)),
        _bounds(tickets),
        PageBlock("masks", "Masks, samples and kernels", rest),
    ]
    if failed:
        facts = tuple((path, PageCell(reason.removeprefix(f"{path}: "))) for path, reason in failed)
        parts.append(PageBlock("failed", "Not analyzed", facts=facts))
    return tuple(part for part in parts if part.tables or part.figures or part.facts)


def _facts(
    tickets: Sequence[NamedReport], failed: Sequence[tuple[str, str]]
) -> tuple[tuple[str, PageCell], ...]:
    origin = Origin("exact", "rows of this page")
    counts = (("tickets", len(tickets)), ("not analyzed", len(failed)))
    return tuple((label, PageCell(plain(count), origin=origin)) for label, count in counts)


def _table(tickets: Sequence[NamedReport]) -> PageTable:
    """Build the table of tickets: density, measurements, what is proved, then the other quantities of the parts."""
    known = [_shown(ticket.tree) for ticket in tickets]
    keys = list(dict.fromkeys(key for one in known for key in one))
    labels = {key: one[key].label for one in known for key in one}
    measured = [key for key in keys if key.startswith("empirical.")]
    others = [key for key in keys if key not in measured]
    proofs = [(head, subject) for head, subject in PROVED if any(proved(t.tree, subject) for t in tickets)]
    heads = (
        "ticket",
        "density",
        *(labels[key] for key in measured),
        *(name for head, _ in proofs for name in (head, "by")),
        *(labels[key] for key in others),
    )
    rows = tuple(
        (
            PageCell(ticket.name, anchor=f"t{index}"),
            _density(ticket.tree),
            *(_cell(own.get(key)) for key in measured),
            *(cell for _, subject in proofs for cell in _least_proved(ticket.tree, subject)),
            *(_cell(own.get(key)) for key in others),
        )
        for index, (ticket, own) in enumerate(zip(tickets, known, strict=True), 1)
    )
    return PageTable("Tickets", tuple(Head(name, index > 0) for index, name in enumerate(heads)), rows)


def _shown(tree: Tree) -> dict[str, Quantity]:
    found = (one for part in registry.values() for one in part.quantities(tree))
    return {one.key: one for one in found if one.shown and one.value is not None}


def _density(tree: Tree) -> PageCell:
    density = (tree.get("checkpoint") or {}).get("density")
    return PageCell(NULL) if density is None else PageCell(percent(density), density, of_file(tree))


def _cell(one: Quantity | None) -> PageCell:
    return PageCell(NULL) if one is None else PageCell(UNITS[one.unit](one.value), one.value, one.origin)


def _least_proved(tree: Tree, subject: str) -> tuple[PageCell, PageCell]:
    """Return the smallest theorem about one subject, and its name."""
    found = proved(tree, subject)
    if not found:
        return PageCell(NULL), PageCell(NULL)
    name, bound = found[0]
    words = f"{name}, of {EXCESS}" if is_excess(bound) else name
    return _bound_cell(tree, name), PageCell(words, origin=of_bound(name, bound))


def _bound_cell(tree: Tree, name: str) -> PageCell:
    bound = (tree.get("bounds") or {}).get(name)
    if bound is None:
        return PageCell(NULL)
    if not _has_value(bound):
        return PageCell("no value", origin=of_bound(name, bound), kind=bound["status"])
    kind = bound["status"] + (" vacuous" if bound.get("vacuous") else "")
    return PageCell(marked_value(bound), log10_value(bound), of_bound(name, bound), kind)


def _has_value(bound: Tree) -> bool:
    return bound["status"] != "not_covered" and marked_value(bound) != NULL


def _bounds(tickets: Sequence[NamedReport]) -> PageBlock:
    """Build the table of bounds: of the ticket, of its compression and others, and what is not proved; the smallest first."""
    found: dict[str, list[Tree]] = {}
    for ticket in tickets:
        for name, bound in (ticket.tree.get("bounds") or {}).items():
            found.setdefault(name, []).append(bound)
    shown = sorted(
        (name for name in found if any(map(_has_value, found[name]))),
        key=lambda name: _place(name, found[name]),
    )
    heads = (Head("ticket"), *(Head(named(name, found[name][0]), right=True) for name in shown))
    rows = tuple(
        (PageCell(ticket.name, link=f"t{index}"), *(_bound_cell(ticket.tree, name) for name in shown))
        for index, ticket in enumerate(tickets, 1)
    )
    notes = (
        (
            "Bounds are rounded up. Shaded values are vacuous (1 or more). Values in ( ) are not proved "
            "bounds. Point at 'no value' to see the reason."
        ),
        (
            "A column marked (compression) bounds the error of another network, which was found from the "
            "ticket; unmarked columns are about the ticket itself."
        ),
        *_excess(tickets),
    )
    tables = (PageTable("Bounds", heads, rows),) if shown else ()
    return PageBlock("bounds", "Bounds", (), tables, _reasons(found, shown), notes if shown else ())


def _place(name: str, bounds: Sequence[Tree]) -> tuple[int, float, str]:
    group = min((group_of(bound) for bound in bounds if _has_value(bound)), key=GROUPS.index)
    values = [at for bound in bounds if (at := log10_value(bound)) is not None and math.isfinite(at)]
    return GROUPS.index(group), median(values) if values else 0.0, name


def _excess(tickets: Sequence[NamedReport]) -> tuple[str, ...]:
    """Return a note on the number of tickets whose margins are unknown, so that no value bounds their error."""
    theorems = ([bound for _, bound in proved(ticket.tree, "network")] for ticket in tickets)
    count = sum(any(map(is_excess, bounds)) for bounds in theorems)
    told = (
        f"For {count} of {len(tickets)} tickets, values bound the error minus the margin error, not "
        "the error: point at a value to see what it bounds."
    )
    return (told,) if count else ()


def _reasons(found: dict[str, list[Tree]], shown: Sequence[str]) -> tuple[tuple[str, PageCell], ...]:
    """Return why no ticket has a value of a bound, once for all bounds with the same reason."""
    names: dict[str, list[str]] = {}
    for name, bounds in found.items():
        if name not in shown and not all(bound.get("needs") for bound in bounds):
            names.setdefault(_why(bounds), []).append(name)
    return tuple(
        (", ".join(those), PageCell(why, origin=of_bound(those[0], found[those[0]][0])))
        for why, those in names.items()
    )


def _why(bounds: Sequence[Tree]) -> str:
    reasons = dict.fromkeys(one_line(show(bound.get("reason") or bound["status"])) for bound in bounds)
    more = f"; and {len(reasons) - MOST_REASONS} other reasons" if len(reasons) > MOST_REASONS else ""
    return f"no value for any ticket: {'; '.join([*reasons][:MOST_REASONS])}{more}"

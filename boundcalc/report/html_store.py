"""The parts of a page on many tickets: tables of them, and pictures across them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from boundcalc.report import html_planes
from boundcalc.report.bound_order import log10_value, proved
from boundcalc.report.bound_rows import marked_value
from boundcalc.report.html_block import Block, Cell, Head, Table
from boundcalc.report.html_origin import References
from boundcalc.report.html_ticket import DENSITY, QUANTITIES, Quantity, Ticket, value_of
from boundcalc.report.names import short_names
from boundcalc.report.numbers import NULL, plain, show
from boundcalc.report.origin import Origin, of_bound
from boundcalc.report.subjects import EXCESS, is_excess, named
from boundcalc.report.text import one_line

Tree = dict[str, Any]

MOST_REASONS = 3
PROVED = (("your network: smallest theorem", "network"), ("its compression: certificate", "compression"))
"""Header of a column of the tickets, and the subject that it is about."""


def blocks(reports: Sequence[Tree], failed: Sequence[tuple[str, str]], ref: References) -> tuple[Block, ...]:
    """Build the parts of the page.

    Args:
        reports: trees of schema ``boundcalc.report/2``.
        failed: path and reason of what could not be analysed.
        ref: gives ids to origins.

    Returns:
        Tickets, bounds, quantities against density, and what failed.
    """
    tickets = _tickets(reports)
    names = sorted({name for one in tickets for name in one.tree.get("bounds") or {}})
    covered = [name for name in names if any(value_of(one, name) is not None for one in tickets)]
    parts = [
        Block("tickets", "Tickets", tables=(_table(tickets),), facts=_facts(tickets, failed)),
        _bounds(tickets, names, covered, ref),
        Block("density", "Quantities against density", figures=html_planes.quantities(tickets, ref)),
        Block("masks", "Masks and kernels", figures=html_planes.parts(tickets, ref)),
    ]
    if failed:
        facts = tuple((path, Cell(reason.removeprefix(f"{path}: "))) for path, reason in failed)
        parts.append(Block("failed", "Not analysed", facts=facts))
    return tuple(part for part in parts if part.tables or part.figures or part.facts)


def _tickets(reports: Sequence[Tree]) -> tuple[Ticket, ...]:
    names = short_names([show((tree.get("checkpoint") or {}).get("path")) for tree in reports])
    found = sorted(zip(reports, names, strict=True), key=lambda one: _natural(one[1]))
    return tuple(Ticket(tree, name, f"t{index}") for index, (tree, name) in enumerate(found, 1))


def _natural(name: str) -> list[tuple[str, int]]:
    """Return a key by which level_4 stands before level_12."""
    return [(letters, int(digits or 0)) for letters, digits in re.findall(r"([^0-9]*)([0-9]{0,18})", name)]


def _facts(tickets: Sequence[Ticket], failed: Sequence[tuple[str, str]]) -> tuple[tuple[str, Cell], ...]:
    origin = Origin("exact", "rows of this page")
    counts = (("tickets", len(tickets)), ("not analysed", len(failed)))
    return tuple((label, Cell(plain(count), origin=origin)) for label, count in counts)


def _table(tickets: Sequence[Ticket]) -> Table:
    shown = (DENSITY, *(one for one in QUANTITIES if any(one.find(t.tree) is not None for t in tickets)))
    proofs = [(head, subject) for head, subject in PROVED if any(proved(t.tree, subject) for t in tickets)]
    heads = (
        "ticket",
        "density",
        *(name for head, _ in proofs for name in (head, "by")),
        *(one.name for one in shown[1:]),
    )
    return Table("Tickets", tuple(Head(name, index > 0) for index, name in enumerate(heads)),
                 tuple(_ticket_row(ticket, shown, proofs) for ticket in tickets))  # fmt: skip


def _ticket_row(
    ticket: Ticket, shown: Sequence[Quantity], proofs: Sequence[tuple[str, str]]
) -> tuple[Cell, ...]:
    density, *others = (_cell(ticket.tree, quantity) for quantity in shown)
    least = (cell for _, subject in proofs for cell in _least_proved(ticket.tree, subject))
    return (Cell(ticket.name, anchor=ticket.row), density, *least, *others)


def _least_proved(tree: Tree, subject: str) -> tuple[Cell, Cell]:
    """Return the smallest theorem about one subject, and its name."""
    found = proved(tree, subject)
    if not found:
        return Cell(NULL), Cell(NULL)
    name, bound = found[0]
    words = f"{name}, of {EXCESS}" if is_excess(bound) else name
    return _bound_cell(tree, name), Cell(words, origin=of_bound(name, bound))


def _cell(tree: Tree, quantity: Quantity) -> Cell:
    value = quantity.find(tree)
    return Cell(NULL) if value is None else Cell(quantity.words(value), value, quantity.origin(tree))


def _bound_cell(tree: Tree, name: str) -> Cell:
    bound = (tree.get("bounds") or {}).get(name)
    if bound is None:
        return Cell(NULL)
    if not _has_value(bound):
        return Cell("no value", origin=of_bound(name, bound), kind=bound["status"])
    kind = bound["status"] + (" vacuous" if bound.get("vacuous") else "")
    return Cell(marked_value(bound), log10_value(bound), of_bound(name, bound), kind)


def _has_value(bound: Tree) -> bool:
    return bound["status"] != "not_covered" and marked_value(bound) != NULL


def _bounds(tickets: Sequence[Ticket], names: list[str], covered: list[str], ref: References) -> Block:
    found = [
        (name, [t.tree["bounds"][name] for t in tickets if name in (t.tree.get("bounds") or {})])
        for name in names
    ]
    shown = [name for name, bounds in found if any(map(_has_value, bounds))]
    facts = tuple((name, _why(name, bounds)) for name, bounds in found if name not in shown)
    of = {
        name: named(name, found)
        for ticket in tickets
        for name, found in (ticket.tree.get("bounds") or {}).items()
    }
    heads = (Head("ticket"), *(Head(of[name], right=True) for name in shown))
    rows = tuple(
        (Cell(ticket.name, link=ticket.row), *(_bound_cell(ticket.tree, name) for name in shown))
        for ticket in tickets
    )
    notes = (
        "Bounds are rounded up. Shaded: vacuous, 1 or more. ( ): not a proved bound.",
        "no value: not covered, or without a value; why stands there.",
        "(compression): of the error of another network, which was found from the ticket; the others are of the ticket itself.",
        *_excess(tickets),
    )
    tables = (Table("Bounds", heads, rows),) if shown else ()
    figures = html_planes.bounds(tickets, covered, ref)
    return Block("bounds", "Bounds", figures, tables, facts, notes)


def _excess(tickets: Sequence[Ticket]) -> tuple[str, ...]:
    """Say of how many tickets the margins are not known, so that no value bounds their error."""
    theorems = ([bound for _, bound in proved(ticket.tree, "network")] for ticket in tickets)
    count = sum(any(map(is_excess, bounds)) for bounds in theorems)
    told = f"Of {count} of {len(tickets)} tickets values bound the error less the margin error, not the error: pointing at one tells."
    return (told,) if count else ()


def _why(name: str, bounds: Sequence[Tree]) -> Cell:
    """Say why no ticket has a value of a bound."""
    reasons = dict.fromkeys(one_line(show(bound.get("reason") or bound["status"])) for bound in bounds)
    more = f"; and {len(reasons) - MOST_REASONS} other reasons" if len(reasons) > MOST_REASONS else ""
    words = f"no value of any ticket: {'; '.join([*reasons][:MOST_REASONS])}{more}"
    return Cell(words, origin=of_bound(name, bounds[0]))

"""The parts of a page on many tickets: tables of them, and pictures across them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from boundcalc.report.bound_rows import log10_value, marked_value
from boundcalc.report.html_block import Block, Cell, Figure, Head, Table
from boundcalc.report.html_figures import LOOKS, STATUS_LEGEND
from boundcalc.report.html_origin import Origin, References, of_bound, of_cell, of_file, of_measurement
from boundcalc.report.numbers import NULL, percent, plain, show
from boundcalc.report.svg_plane import Axes, Curve, Point, plane_plot
from boundcalc.report.svg_scale import Scale, of_numbers, of_powers
from boundcalc.report.values import log10, number

Tree = dict[str, Any]


@dataclass(frozen=True)
class Quantity:
    """A number of every ticket: its name, how to find it in a tree, to write it and to say where it comes from."""

    name: str
    find: Callable[[Tree], Any]
    words: Callable[[Any], str]
    origin: Callable[[Tree], Origin]


@dataclass(frozen=True)
class Ticket:
    """A report with its short name and the id of its row."""

    tree: Tree
    name: str
    row: str


def _part(*keys: str) -> Callable[[Tree], Any]:
    def find(tree: Tree) -> Any:
        node: Any = tree
        for key in keys:
            node = node.get(key) if isinstance(node, dict) else None
        return node if number(node) else None

    return find


def _mean(part: str, *keys: str) -> Callable[[Tree], Any]:
    def find(tree: Tree) -> Any:
        found = [_part(*keys)(layer) for layer in (tree.get(part) or {}).get("layers") or []]
        known = [value for value in found if value is not None]
        return sum(known) / len(known) if known else None

    return find


def _of(slug: str, column: str) -> Callable[[Tree], Origin]:
    return lambda tree: of_cell(tree, slug, "", column)


DENSITY = Quantity("density", _part("checkpoint", "density"), percent, of_file)
QUANTITIES = (
    Quantity("training error", _part("empirical", "train_error"), plain, of_measurement),
    Quantity("test error", _part("empirical", "test_error"), plain, of_measurement),
    Quantity("gap", _part("empirical", "gap"), plain, of_measurement),
    Quantity("N / N dense", _part("samples", "ratio"), plain, _of("samples", "ratio")),
    Quantity("z of narc, mean", _mean("topology", "z", "narc"), plain, _of("topology", "z")),
    Quantity("topology distance", _part("topology", "distance"), plain, _of("topology", "distance")),
    Quantity(
        "graphon L2, mean", _mean("graphon", "l2_from_constant"), plain, _of("graphon", "L2 from constant")
    ),
    Quantity("NTK decay alpha", _part("gntk", "alpha"), plain, _of("gntk", "alpha")),
    Quantity("NTK effective rank", _part("gntk", "effective_rank"), plain, _of("gntk", "effective rank")),
)


def blocks(reports: Sequence[Tree], failed: Sequence[tuple[str, str]], ref: References) -> tuple[Block, ...]:
    """Build the parts of the page.

    Args:
        reports: trees of schema ``boundcalc.report/1``.
        failed: path and reason of what could not be analysed.
        ref: gives ids to origins.

    Returns:
        Tickets, bounds, quantities against density, and what failed.
    """
    tickets = _tickets(reports)
    names = sorted({name for one in tickets for name in one.tree.get("bounds") or {}})
    covered = [name for name in names if any(_value(one, name) is not None for one in tickets)]
    parts = [
        Block("tickets", "Tickets", tables=(_table(tickets),), facts=_facts(tickets, failed)),
        _bounds(tickets, names, covered, ref),
        Block("density", "Quantities against density", figures=_against_density(tickets, ref)),
    ]
    if failed:
        parts.append(
            Block("failed", "Not analysed", facts=tuple((path, Cell(reason)) for path, reason in failed))
        )
    return tuple(part for part in parts if part.tables or part.figures or part.facts)


def short_names(paths: Sequence[str]) -> list[str]:
    """Return the ends of paths, as few parts as tell all different paths apart.

    Example:
        >>> short_names(["a/level_0/main", "a/level_1/main"])
        ['level_0/main', 'level_1/main']
    """
    parts = [path.rstrip("/").split("/") for path in paths]
    for count in range(1, max(map(len, parts), default=0)):
        names = ["/".join(one[-count:]) for one in parts]
        if len(set(names)) == len(set(paths)):
            return names
    return list(paths)


def _tickets(reports: Sequence[Tree]) -> tuple[Ticket, ...]:
    names = short_names([show((tree.get("checkpoint") or {}).get("path")) for tree in reports])
    found = zip(reports, names, strict=True)
    return tuple(Ticket(tree, name, f"t{index}") for index, (tree, name) in enumerate(found, 1))


def _facts(tickets: Sequence[Ticket], failed: Sequence[tuple[str, str]]) -> tuple[tuple[str, Cell], ...]:
    origin = Origin("exact", "rows of this page")
    counts = (("tickets", len(tickets)), ("not analysed", len(failed)))
    return tuple((label, Cell(plain(count), origin=origin)) for label, count in counts)


def _table(tickets: Sequence[Ticket]) -> Table:
    shown = (DENSITY, *(one for one in QUANTITIES if any(one.find(t.tree) is not None for t in tickets)))
    heads = ("ticket", "density", "least proved value", "by", *(one.name for one in shown[1:]))
    return Table("Tickets", tuple(Head(name, index > 0) for index, name in enumerate(heads)),
                 tuple(_ticket_row(ticket, shown) for ticket in tickets))  # fmt: skip


def _ticket_row(ticket: Ticket, shown: Sequence[Quantity]) -> tuple[Cell, ...]:
    density, *others = (_cell(ticket.tree, quantity) for quantity in shown)
    return (Cell(ticket.name, anchor=ticket.row), density, *_least_proved(ticket.tree), *others)


def _least_proved(tree: Tree) -> tuple[Cell, Cell]:
    proved = [
        (log10_value(bound), name)
        for name, bound in (tree.get("bounds") or {}).items()
        if bound["status"] == "theorem" and log10_value(bound) is not None
    ]
    if not proved:
        return Cell(NULL), Cell(NULL)
    name = min(proved)[1]
    return _bound_cell(tree, name), Cell(name, origin=of_bound(name, tree["bounds"][name]))


def _cell(tree: Tree, quantity: Quantity) -> Cell:
    value = quantity.find(tree)
    return Cell(NULL) if value is None else Cell(quantity.words(value), value, quantity.origin(tree))


def _bound_cell(tree: Tree, name: str) -> Cell:
    bound = (tree.get("bounds") or {}).get(name)
    if bound is None:
        return Cell(NULL)
    if bound["status"] == "not_covered" or marked_value(bound) == NULL:
        return Cell("no value", origin=of_bound(name, bound), kind=bound["status"])
    return Cell(marked_value(bound), log10_value(bound), of_bound(name, bound), bound["status"])


def _bounds(tickets: Sequence[Ticket], names: list[str], covered: list[str], ref: References) -> Block:
    heads = (Head("ticket"), *(Head(name, right=True) for name in names))
    rows = tuple(
        (Cell(ticket.name, link=ticket.row), *(_bound_cell(ticket.tree, name) for name in names))
        for ticket in tickets
    )
    notes = (
        "Bounds are rounded up. ( ) is not a proved bound. no value: not covered, or without a value; why stands there.",
    )
    tables = (Table("Bounds on the error", heads, rows),) if names else ()
    return Block("bounds", "Bounds on the error", _against_gap(tickets, covered, ref), tables, (), notes)


def _value(ticket: Ticket, name: str) -> float | None:
    bound = (ticket.tree.get("bounds") or {}).get(name)
    found = None if bound is None or bound["status"] not in LOOKS else log10_value(bound)
    return found if found is not None and math.isfinite(found) else None


def _against_gap(tickets: Sequence[Ticket], names: Sequence[str], ref: References) -> tuple[Figure, ...]:
    """Draw a plane a bound, all on the same axes."""
    gaps = [(ticket, log10(_part("empirical", "gap")(ticket.tree))) for ticket in tickets]
    placed = [(ticket, gap) for ticket, gap in gaps if gap is not None]
    values = [value for ticket, _ in placed for name in names if (value := _value(ticket, name)) is not None]
    if not values:
        return ()
    x, y = of_powers(gap for _, gap in placed), of_powers([*values, *(gap for _, gap in placed), 0.0])
    planes = tuple(_gap_plane(name, placed, x, y, ref) for name in names)
    left_out = len(tickets) - len(placed)
    caption = "One dot a ticket; shaded: vacuous; on the dashed line a bound equals the measured gap."
    caption += f" {left_out} tickets without a positive gap are not drawn." if left_out else ""
    statuses = {(t.tree["bounds"].get(name) or {}).get("status") for t, _ in placed for name in names}
    legend = tuple((*LOOKS[status], STATUS_LEGEND[status]) for status in LOOKS if status in statuses)
    origin = of_measurement(placed[0][0].tree)
    return (Figure("Bounds against the measured gap", planes, caption, origin, legend, wide=True),)


def _gap_plane(
    name: str, placed: Sequence[tuple[Ticket, float]], x: Scale, y: Scale, ref: References
) -> Markup:
    found = [(ticket, gap, _value(ticket, name)) for ticket, gap in placed]
    points = [
        Point(
            gap,
            value,
            *LOOKS[ticket.tree["bounds"][name]["status"]],
            _says(ticket, name),
            ref(_origin(ticket, name)),
        )
        for ticket, gap, value in found
        if value is not None
    ]
    low, high = max(x.low, y.low), min(x.high, y.high)
    same = [Curve(((low, low), (high, high)), "level")] if low < high else []
    label = f"{name} against the measured gap: {len(points)} tickets."
    return plane_plot(label, Axes(x, y, "measured gap", name), points, same, 0.0)


def _says(ticket: Ticket, name: str) -> str:
    gap = plain(ticket.tree["empirical"]["gap"])
    return f"{ticket.name}: {name} {marked_value(ticket.tree['bounds'][name])}, gap {gap}"


def _origin(ticket: Ticket, name: str) -> Origin:
    return of_bound(name, ticket.tree["bounds"][name])


def _against_density(tickets: Sequence[Ticket], ref: References) -> tuple[Figure, ...]:
    placed = [(ticket, log10(DENSITY.find(ticket.tree))) for ticket in tickets]
    known = [(ticket, x) for ticket, x in placed if x is not None]
    found = [plane for quantity in QUANTITIES if (plane := _density_plane(quantity, known, ref)) is not None]
    if not found:
        return ()
    caption = "One dot a ticket; each plane has an axis of its own."
    return (Figure("Against density", tuple(found), caption, of_file(tickets[0].tree), wide=True),)


def _density_plane(
    quantity: Quantity, placed: Sequence[tuple[Ticket, float]], ref: References
) -> Markup | None:
    found = [(t, x, value) for t, x in placed if (value := quantity.find(t.tree)) is not None]
    if not found:
        return None
    powers = all(value > 0 for _, _, value in found)
    heights = [math.log10(value) if powers else value for _, _, value in found]
    points = [
        Point(x, y, "circle", "first", f"{t.name}: density {percent(10.0**x)}, {quantity.name} {quantity.words(value)}",
              ref(quantity.origin(t.tree)))
        for (t, x, value), y in zip(found, heights, strict=True)
    ]  # fmt: skip
    axes = Axes(
        of_powers([*(p.x for p in points), 0.0]),
        (of_powers if powers else of_numbers)(heights),
        "density",
        quantity.name,
    )
    return plane_plot(f"{quantity.name} against density: {len(points)} tickets.", axes, points)

"""What many tickets are put side by side by: their names and numbers, and where each comes from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boundcalc.report.bound_order import log10_value
from boundcalc.report.html_figures import LOOKS
from boundcalc.report.html_origin import of_cell
from boundcalc.report.numbers import percent, plain
from boundcalc.report.origin import Origin, of_file, of_measurement
from boundcalc.report.values import number

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


def part(*keys: str) -> Callable[[Tree], Any]:
    """Return what finds the number under these keys of a tree, or None."""

    def find(tree: Tree) -> Any:
        node: Any = tree
        for key in keys:
            node = node.get(key) if isinstance(node, dict) else None
        return node if number(node) else None

    return find


def _mean(section: str, *keys: str) -> Callable[[Tree], Any]:
    def find(tree: Tree) -> Any:
        found = [part(*keys)(layer) for layer in (tree.get(section) or {}).get("layers") or []]
        known = [value for value in found if value is not None]
        return sum(known) / len(known) if known else None

    return find


def _of(slug: str, column: str) -> Callable[[Tree], Origin]:
    return lambda tree: of_cell(tree, slug, "", column)


DENSITY = Quantity("density", part("checkpoint", "density"), percent, of_file)
QUANTITIES = (
    Quantity("training error", part("empirical", "train_error"), plain, of_measurement),
    Quantity("test error", part("empirical", "test_error"), plain, of_measurement),
    Quantity("gap", part("empirical", "gap"), plain, of_measurement),
    Quantity("N / N dense", part("samples", "ratio"), plain, _of("samples", "ratio")),
    Quantity("z of narc, mean", _mean("topology", "z", "narc"), plain, _of("topology", "z")),
    Quantity("topology distance", part("topology", "distance"), plain, _of("topology", "distance")),
    Quantity(
        "graphon L2, mean", _mean("graphon", "l2_from_constant"), plain, _of("graphon", "L2 from constant")
    ),
    Quantity("NTK decay alpha", part("gntk", "alpha"), plain, _of("gntk", "alpha")),
    Quantity("NTK effective rank", part("gntk", "effective_rank"), plain, _of("gntk", "effective rank")),
)


def value_of(ticket: Ticket, name: str) -> float | None:
    """Return log10 of the value of a bound, or None where it has none that can be drawn."""
    bound = (ticket.tree.get("bounds") or {}).get(name)
    found = None if bound is None or bound["status"] not in LOOKS else log10_value(bound)
    return found if found is not None and math.isfinite(found) else None

"""The bounds as a document: what is proved and what is not must never look alike."""

from __future__ import annotations

import math
from typing import Any

from boundcalc.report.document import Column, Grid, Section
from boundcalc.report.numbers import NULL, given, plain, show, upper

Tree = dict[str, Any]
Named = tuple[str, Tree]

COLUMNS = (
    Column("bound"),
    Column("status"),
    Column("complexity R", right=True),
    Column("value", right=True),
    Column(""),
    Column("margin", right=True),
    Column("ratio", right=True),
)
SHOWN_STATUS = {
    "theorem": "theorem",
    "published": "PUBLISHED",
    "refuted": "REFUTED",
    "score": "SCORE",
    "not_covered": "not covered",
}
UNPROVED = {
    "refuted": "REFUTED: a counter-example breaks the formula.",
    "published": "PUBLISHED: the formula as its source has it, not derived again here.",
    "score": "SCORE: a number that orders networks, without a statement about the error.",
}


def bounds(tree: Tree) -> Section | None:
    """Build the table of bounds, least value first, those not covered last.

    A number that is not proved stands in parentheses, with its status in capitals and a line below that says
    what this means.

    Args:
        tree: a tree of schema ``boundcalc.report/1``.

    Returns:
        The section, or None without bounds.
    """
    named = sorted_bounds(tree)
    if not named:
        return None
    rows = tuple(_row(name, bound) for name, bound in named)
    return Section("Bounds on the error", "bounds", grid=Grid(COLUMNS, rows), notes=_legend(tree, named))


def not_covered(tree: Tree) -> Section | None:
    """Build the reasons: why a bound is not covered, and remarks on the others."""
    named = sorted(sorted_bounds(tree), key=lambda item: item[1]["status"] != "not_covered")
    facts = tuple(
        (name, show(bound.get("reason")))
        for name, bound in named
        if bound.get("reason") or bound["status"] == "not_covered"
    )
    return Section("Reasons and remarks", "reasons", facts=facts) if facts else None


def smallest_proved(tree: Tree) -> Section | None:
    """Build the terms, source and assumptions of the theorem with the least value, if there is any."""
    proved = [
        (name, b)
        for name, b in sorted_bounds(tree)
        if b["status"] == "theorem" and log10_value(b) is not None
    ]
    if not proved:
        return None
    name, bound = proved[0]
    facts = [
        ("value", upper(bound.get("value"), log10=bound.get("log10_value"))),
        *((term, show(value)) for term, value in _told(bound.get("terms") or {})),
        ("source", show(bound.get("source"))),
        *(("assumes", line) for line in bound.get("assumptions") or []),
    ]
    return Section(f"Least proved value: {name}", "best", facts=tuple(facts))


def _told(terms: Tree) -> list[tuple[str, Any]]:
    """Leave out logarithms of terms that are shown as they are."""
    return [
        (term, value)
        for term, value in terms.items()
        if not (term.startswith("log10_") and terms.get(term.removeprefix("log10_")) is not None)
    ]


def sorted_bounds(tree: Tree) -> list[Named]:
    """Return the bounds, least value first, those not covered last."""
    return sorted((tree.get("bounds") or {}).items(), key=_rank)


def _rank(named: Named) -> tuple[bool, bool, float, str]:
    name, bound = named
    log10 = log10_value(bound)
    return bound["status"] == "not_covered", log10 is None, log10 or 0.0, name


def log10_value(bound: Tree) -> float | None:
    """Return the logarithm of a bound's value, from whichever of the two fields is there."""
    log10, value = bound.get("log10_value"), bound.get("value")
    if log10 is not None or value is None:
        return log10
    return math.log10(value) if value > 0 else -math.inf


def _row(name: str, bound: Tree) -> tuple[str, ...]:
    complexity = upper(bound.get("complexity"), log10=bound.get("log10_complexity"))
    return (
        name,
        SHOWN_STATUS[bound["status"]],
        _marked(complexity, bound),
        marked_value(bound),
        _mark(bound),
        plain(bound.get("margin")),
        _marked(upper(bound.get("ratio")), bound),
    )


def marked_value(bound: Tree) -> str:
    """Return a bound's value, rounded up; in parentheses where it is not proved."""
    return _marked(upper(bound.get("value"), log10=bound.get("log10_value")), bound)


def _marked(text: str, bound: Tree) -> str:
    """Put what is not proved in parentheses."""
    return f"({text})" if bound["status"] in UNPROVED and text != NULL else text


def _mark(bound: Tree) -> str:
    if bound["status"] == "not_covered":
        return NULL
    if bound.get("vacuous"):
        return "vacuous"
    return "not proved" if bound["status"] in UNPROVED else ""


def _legend(tree: Tree, named: list[Named]) -> tuple[str, ...]:
    present = {bound["status"] for _, bound in named}
    unproved = [line for status, line in UNPROVED.items() if status in present]
    lines = ["Bounds are rounded up; vacuous: no better than error <= 1."]
    if "theorem" in present:
        lines.append(
            f"Each theorem holds on its own with probability at least 1 - {given(tree.get('delta'))}."
        )
    losses = [
        name for name, bound in named if bound.get("kind") == "loss" and bound["status"] != "not_covered"
    ]
    if losses:
        lines.append(f"complexity R is that of the loss class, margin inside, for {', '.join(losses)}.")
    if any(bound.get("ratio") is not None for _, bound in named):
        lines.append("ratio: below 1 is better than every Toeplitz-norm bound.")
    if str((tree.get("network") or {}).get("source", "")).startswith("inferred"):
        lines.append("The architecture is inferred: every line speaks of the network as assumed above.")
    if unproved:
        lines.append(" ".join(["( ) is not a proved bound.", *unproved]))
    return tuple(lines)

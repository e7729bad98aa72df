"""The sections about bounds, which keep proved numbers apart from others, and the numbers of different networks apart."""

from __future__ import annotations

import re
from typing import Any

from boundcalc.report.bound_order import Named, in_group, log10_value, proved, sorted_bounds
from boundcalc.report.document import Cell, Column, Detail, Grid, Section, Term
from boundcalc.report.numbers import NULL, given, percent, plain, show, upper
from boundcalc.report.origin import SHOWN_STATUS, UNPROVED, Origin, of_bound, of_term
from boundcalc.report.subjects import PHRASES, is_excess, subject_of
from boundcalc.report.values import log10, number

Tree = dict[str, Any]

VALUE = Term("value", "bound on the error, rounded up: it fails with probability at most delta", "risk")
COLUMNS = (
    Column("bound"),
    Column("status"),
    Column(
        Term(
            "complexity R",
            "Rademacher complexity, on this sample, of the class of networks that the bound covers",
            "risk",
        ),
        right=True,
    ),
    Column(VALUE, right=True),
    Column(""),
    Column(
        Term(
            "margin",
            "gamma: the lead that the output of the right class needs for a sample not to count as an error",
            "risk",
        ),
        right=True,
    ),
    Column(
        Term(
            "ratio",
            "complexity divided by the smallest Toeplitz-norm complexity, at the same margin",
            "toeplitz",
        ),
        right=True,
    ),
)
CERTIFICATE_COLUMNS = (
    Column("certificate"),
    Column("status"),
    Column(
        Term(
            "prior",
            "what the code may depend on: nothing but choices made before the sample, or also the part "
            "of the sample that was set aside",
            "occam",
        )
    ),
    Column(VALUE, right=True),
    Column(""),
    Column("training error", right=True),
    Column("weights", right=True),
    Column(Term("bits", "length, in bits, of the code of mask, weights and biases", "occam"), right=True),
)
NOT_COVERED, BIAS = "not covered: ", "bias at "
"""Prefixes of reasons."""
OPERATION = re.compile(r"\w+ at ")
"""Prefix of a reason that names an operation and its layer."""
CERTIFIED = {
    "compression": "Its compression: certificates",
    "retrained": "A network trained afresh: certificates",
    "interpolant": "A kernel's interpolant: certificates",
}
"""Subject of certificates about another network than the checkpoint's -> title of its section."""
SEARCHES = {
    "uniform": "evenly spaced levels",
    "relative": "evenly spaced levels of what changed since the reference",
    "graphon": "levels by k-means, the mask by groups of units",
    "joint": "levels trained together with weights and masks",
}
"""Stage of the search for a compression -> its code for the weights."""
SLUGS = {
    "network": "bounds",
    "compression": "compression",
    "retrained": "retrained",
    "interpolant": "interpolant",
    "reference": "reference",
}
"""Group of bounds -> slug of its section."""


def bound_sections(tree: Tree) -> tuple[Section, ...]:
    """Build a table of bounds for each subject, and one of what is not proved, each with its smallest value first.

    A number that is not proved is in parentheses, with its status in capitals and a line below that explains it.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.

    Returns:
        Those of the sections ``bounds``, ``compression``, ``retrained``, ``interpolant`` and ``reference`` that have a row.
    """
    found = (
        _network(tree),
        *(_certificates(tree, subject) for subject in CERTIFIED),
        _reference(tree),
    )
    return tuple(section for section in found if section is not None)


def not_covered(tree: Tree) -> Section | None:
    """Build the reasons why bounds are not covered, grouped by reason, and the remarks on the other bounds.

    Reasons that name an option or data that the user did not give are details.
    """
    named = sorted(sorted_bounds(tree), key=lambda item: item[1]["status"] != "not_covered")
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, bound in named:
        if bound.get("reason") or bound["status"] == "not_covered":
            reasons.setdefault((show(bound.get("reason")), bound.get("needs") or ""), []).append(name)
    facts = tuple(
        ((Detail if needs else str)(label), Cell(text, origin=of_bound(names[0], tree["bounds"][names[0]])))
        for (reason, needs), names in reasons.items()
        for label, text in [_reason(names, reason, needs)]
    )
    hidden = all(needs for _, needs in reasons)
    return Section("Reasons and remarks", "reasons", facts=facts, detail=hidden) if facts else None


def _reason(names: list[str], reason: str, needs: str = "") -> tuple[str, str]:
    """Return a reason that several bounds share as one line: how many bounds, what they need, and their names.

    Example:
        >>> _reason(["a", "b"], "not covered: bias at fc1")
        ('2 bounds', 'need a network without biases (fc1 has one): a, b')
        >>> _reason(["a", "b"], "not covered: max_pool2d at pool"), _reason(["a"], "refuted: a term is missing")
        (('2 bounds', 'do not cover max_pool2d at pool: a, b'), ('a', 'refuted: a term is missing'))
        >>> _reason(["a", "b"], "not covered: needs data", "data"), _reason(["a"], "not covered: needs data", "data")
        (('2 bounds', 'need data: a, b'), ('a', 'needs data'))
    """
    if len(names) == 1:
        return names[0], f"needs {needs}" if needs else reason
    what, listed = reason.removeprefix(NOT_COVERED), ", ".join(names)
    if needs:
        return f"{len(names)} bounds", f"need {needs}: {listed}"
    if what.startswith(BIAS):
        needed = f"need a network without biases ({what.removeprefix(BIAS)} has one)"
    else:
        needed = f"do not cover {what}" if OPERATION.match(what) and what != reason else reason
    return f"{len(names)} bounds", f"{needed}: {listed}"


def smallest(tree: Tree) -> tuple[Section, ...]:
    """Build terms, source and assumptions of the theorem with the smallest value, for your network and for its compression."""
    best = (
        ("network", "best", "Smallest bound of your network"),
        ("compression", "best-compression", "Certificate of the compression"),
    )
    return tuple(
        _best(f"{words}: {found[0][0]}", slug, *found[0])
        for subject, slug, words in best
        if (found := proved(tree, subject))
    )


def _best(title: str, slug: str, name: str, bound: Tree) -> Section:
    facts = [
        ("bounds", what_of(bound)),
        *(_term_row(term, value) for term, value in _without_logs(bound.get("terms") or {})),
        ("source", show(bound.get("source"))),
        *(("assumes", line) for line in bound.get("assumptions") or []),
    ]
    value = Cell(upper(bound.get("value"), log10=bound.get("log10_value")), None, of_bound(name, bound))
    terms = tuple((label, Cell(text, origin=of_term(name, bound))) for label, text in facts)
    return Section(title, slug, facts=(("value", value), *terms), detail=True)


def _term_row(term: str, value: Any) -> tuple[str, str]:
    """Return a term and its value in words.

    Example:
        >>> _term_row("found_by", "uniform"), _term_row("log10_path_product", 2.0)
        (('found by', 'evenly spaced levels'), ('log10 of path product', '2.00'))
    """
    match term:
        case "found_by":
            value = SEARCHES.get(value, value)
        case "stages":
            value = {SEARCHES.get(name, name): _numbers(stage) for name, stage in value.items()}
        case "sections":
            value = {"groups of units" if name == "axes" else name: bits for name, bits in value.items()}
    return term.replace("log10_", "log10 of ").replace("_", " "), show(value)


def _numbers(stage: Tree) -> Tree:
    return {name.replace("_", " "): value for name, value in stage.items()}


def what_of(bound: Tree) -> str:
    """Return what a bound bounds, and for which network."""
    what = "error - margin error" if is_excess(bound) else "the error"
    return f"{what} of {PHRASES[subject_of(bound)]}"


def _without_logs(terms: Tree) -> list[tuple[str, Any]]:
    """Leave out the logarithms of terms that are themselves shown."""
    return [
        (term, value)
        for term, value in terms.items()
        if not (term.startswith("log10_") and terms.get(term.removeprefix("log10_")) is not None)
    ]


def _network(tree: Tree) -> Section | None:
    named = in_group(tree, "network")
    if not named:
        return None
    rows = tuple(_row(name, bound) for name, bound in named)
    what = "error - margin error" if all(is_excess(bound) for _, bound in named) else "the error"
    notes = ["Bounds are rounded up. A vacuous bound is 1 or more and says nothing about the error."]
    notes.append(f"Each theorem holds on its own with probability at least 1 - {given(tree.get('delta'))}.")
    if any(is_excess(bound) for _, bound in named):
        notes.append(
            "The margins are unknown: a value that depends on them bounds the error minus the margin "
            "error, not the error."
        )
    notes += _at_once(tree)
    notes += _explained(named)
    if (tree.get("network") or {}).get("inferred"):
        notes.append(
            "The architecture was inferred: every line is about the network with the assumptions "
            "listed in this report."
        )
    return Section(f"Your network: bounds on {what}", "bounds", grid=Grid(COLUMNS, rows), notes=tuple(notes))


def _at_once(tree: Tree) -> list[str]:
    found = (tree.get("verdict") or {}).get("network")
    if not found or not found.get("statements"):
        return []
    count, value = found["statements"], found.get("all_at_once")
    shown = "1 or more" if value is None else f"{upper(value)} ({found.get('all_at_once_bound')})"
    return [
        f"With all bounds holding at once: {shown}. Each of the {count} requested theorems about your "
        f"network, covered or not, then fails with probability at most {given(tree.get('delta'))} / "
        f"{count}."
    ]


def _certificates(tree: Tree, subject: str) -> Section | None:
    named = in_group(tree, subject)
    if not named:
        return None
    rows = tuple(_certificate_row(name, bound) for name, bound in named)
    notes = (
        f"These are bounds on the error of {PHRASES[subject]}. The training error is that of the same network.",
        f"Each certificate holds on its own with probability at least 1 - {given(tree.get('delta'))}.",
    )
    return Section(CERTIFIED[subject], SLUGS[subject], grid=Grid(CERTIFICATE_COLUMNS, rows), notes=notes)


def _certificate_row(name: str, bound: Tree) -> tuple[str, ...]:
    terms = bound.get("terms") or {}
    return (
        name,
        _status(name, bound),
        show(bound.get("prior")),
        value_cell(name, bound),
        _mark(bound),
        _term(name, bound, percent(terms.get("train_error")), terms.get("train_error")),
        _term(name, bound, plain(terms.get("surviving")), terms.get("surviving")),
        _term(name, bound, upper(terms.get("bits")), terms.get("bits")),
    )


def _reference(tree: Tree) -> Section | None:
    named = in_group(tree, "reference")
    if not named:
        return None
    rows = tuple(_row(name, bound) for name, bound in named)
    present = {bound["status"] for _, bound in named}
    unproved = [line for status, line in UNPROVED.items() if status in present]
    excess = [name for name, bound in named if is_excess(bound) and bound["status"] != "score"]
    notes = [" ".join(["Values in ( ) are not proved bounds.", *unproved]), *_explained(named)]
    if excess:
        notes.append(f"Values about the error minus the margin error: {', '.join(excess)}.")
    return Section("For reference: not proved", "reference", grid=Grid(COLUMNS, rows), notes=tuple(notes))


def _explained(named: list[Named]) -> list[str]:
    losses = [name for name, bound in named if bound.get("kind") == "loss"]
    lines = []
    if losses:
        lines.append(
            f"complexity R is that of the loss class, which includes the margin, for {', '.join(losses)}."
        )
    if any(bound.get("ratio") is not None for _, bound in named):
        best = next(
            (name for name, bound in named if bound.get("log10_ratio") == 0 and bound["kind"] == "F"), ""
        )
        half = " (for a loss class: times margin / 2)" if losses else ""
        lines.append(
            f"ratio: complexity{half} divided by the best Toeplitz-norm "
            f"complexity{best and f' ({best})'}, at the same margin."
        )
    return lines


def _row(name: str, bound: Tree) -> tuple[str, ...]:
    log_complexity, shown = bound.get("log10_complexity"), bound.get("complexity")
    complexity = _marked(upper(shown, log10=log_complexity), bound)
    key = log_complexity if number(log_complexity) else log10(shown)
    return (
        name,
        _status(name, bound),
        _cell(complexity, key, of_bound(name, bound), bound),
        value_cell(name, bound),
        _mark(bound),
        _term(name, bound, plain(bound.get("margin")), bound.get("margin")),
        _term(name, bound, _marked(show(bound.get("ratio")), bound), bound.get("ratio")),
    )


def _status(name: str, bound: Tree) -> Cell:
    return Cell(SHOWN_STATUS[bound["status"]], None, of_bound(name, bound), bound["status"])


def value_cell(name: str, bound: Tree) -> Cell:
    """Return a bound's value, rounded up, with its exact logarithm and origin; in parentheses if it is not proved."""
    return _cell(marked_value(bound), log10_value(bound), of_bound(name, bound), bound)


def _term(name: str, bound: Tree, text: str, value: Any) -> Cell:
    return _cell(text, value if number(value) else None, of_term(name, bound), bound)


def _cell(text: str, value: float | None, origin: Origin, bound: Tree) -> Cell:
    return Cell(text, value, None if text == NULL else origin, bound["status"])


def marked_value(bound: Tree) -> str:
    """Return a bound's value, rounded up; in parentheses if it is not proved."""
    return _marked(upper(bound.get("value"), log10=log10_value(bound)), bound)


def _marked(text: str, bound: Tree) -> str:
    """Put a number in parentheses if it is not proved."""
    return f"({text})" if bound["status"] in UNPROVED and text != NULL else text


def _mark(bound: Tree) -> str:
    if bound["status"] == "not_covered":
        return NULL
    if bound.get("vacuous"):
        return "vacuous"
    return "not proved" if bound["status"] in UNPROVED else ""

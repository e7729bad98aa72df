"""The origin of a number: its status, its source, and remarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from boundcalc.report.numbers import NULL, plain, show
from boundcalc.report.subjects import bounded_quantity
from boundcalc.report.text import one_line

SHOWN_STATUS = {
    "theorem": "theorem",
    "published": "PUBLISHED",
    "refuted": "REFUTED",
    "score": "SCORE",
    "not_covered": "not covered",
}
UNPROVED = {
    "refuted": "REFUTED: a counter-example violates the formula.",
    "published": "PUBLISHED: the formula as stated in its source, not proved again here.",
    "score": "SCORE: a number for ranking networks, which states nothing about the error.",
}


Tree = dict[str, Any]


def _sentence(legend: str) -> str:
    """Return the explanation after the status in a line of the legend, as a sentence."""
    words = legend.partition(": ")[2]
    return words[:1].upper() + words[1:]


STATUS_MEANS = {
    "theorem": "Proved, and rounded up.",
    "published": _sentence(UNPROVED["published"]),
    "refuted": _sentence(UNPROVED["refuted"]),
    "score": _sentence(UNPROVED["score"]),
    "not covered": "The bound does not cover this network, for the reason given.",
    "exact": "Counted in the file, or computed from such counts by arithmetic alone.",
    "measured": "Measured on a sample or on random draws; it states nothing beyond them.",
    "computed": "Computed in floating point; it states nothing about the error.",
    "given": "Chosen by the user, or a default.",
}


@dataclass(frozen=True)
class Origin:
    """A status (a key of `STATUS_MEANS`), a source, a remark, and what a bound assumes."""

    status: str
    source: str
    note: str = ""
    assumptions: tuple[str, ...] = ()


def of_bound(name: str, bound: Tree) -> Origin:
    """Return the status and source of a bound, with its subject, its assumptions and its reason if it has one."""
    remarks = [show(bound["reason"])] if bound.get("reason") else []
    if bound["status"] != "not_covered":
        remarks.insert(0, bounded_quantity(bound))
    remarks = [one if one.endswith((".", "?", "!")) else one + "." for one in remarks]
    assumed = tuple(one_line(show(one)) for one in bound.get("assumptions") or [])
    status = SHOWN_STATUS[bound["status"]].lower()
    source = one_line(show(bound.get("source") or name)).strip() or NULL
    return Origin(status, source, one_line(" ".join(remarks)), assumed)


def of_term(name: str, bound: Tree) -> Origin:
    """Return the origin of a number that is a term of a bound or is compared with it: by itself it states nothing."""
    found = of_bound(name, bound)
    if found.status != "theorem":
        return found
    return Origin(
        "computed",
        found.source,
        f"An intermediate number of {one_line(name)}, not itself a bound on the error.",
    )


def of_file(tree: Tree) -> Origin:
    """Return the origin of numbers counted in the checkpoint."""
    checkpoint = tree.get("checkpoint") or {}
    evidence = "; ".join(show(line) for line in checkpoint.get("evidence") or [])
    source = f"{show(checkpoint.get('path'))}, read as {show(checkpoint.get('format'))}"
    return Origin("exact", one_line(source), one_line(evidence))


def of_measurement(tree: Tree) -> Origin:
    """Return the origin of errors and margins."""
    data = tree.get("data")
    if not data:
        return Origin("measured", "training and test sample of this run")
    sizes = f"{plain(data.get('m'))} training and {plain(data.get('m_test'))} test samples"
    return Origin("measured", one_line(f"{show(data.get('name'))}: {sizes}"))


def of_data(tree: Tree) -> Origin:
    """Return the origin of a data set's sizes and norms: measured, or declared by the user."""
    measured = of_measurement(tree)
    known = (tree.get("data") or {}).get("m_test") is not None
    return measured if known else Origin("given", measured.source)


def of_run(column: str) -> Origin:
    """Return the origin of an option, or of the running times of the parts."""
    return (
        Origin("measured", "clock of this run")
        if column == "seconds"
        else Origin("given", "options of this run")
    )


def of_program(tree: Tree) -> Origin:
    """Return the origin of numbers that boundcalc computes itself."""
    return Origin("computed", one_line(f"boundcalc {show(tree.get('version') or '')}".strip()))


def of_source(status: str, part: Tree, note: str = "") -> Origin:
    """Return the origin of a number from a part that names its source."""
    return Origin(status, one_line(show(part.get("source") or "boundcalc")), one_line(note))


def note_of(part: Tree) -> str:
    """Return a part's note, on one line."""
    return one_line(show(part.get("note") or ""))

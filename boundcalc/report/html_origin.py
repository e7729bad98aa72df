"""Where every number of a page comes from: its status, its source, and what is to be known beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boundcalc.report.bound_order import proved
from boundcalc.report.bound_rows import SHOWN_STATUS, UNPROVED
from boundcalc.report.numbers import NULL, plain, show
from boundcalc.report.part_rows import SAMPLE_FIELDS, TOPOLOGY_FIELDS
from boundcalc.report.subjects import speaks_of
from boundcalc.report.text import one_line

Tree = dict[str, Any]


def _sentence(legend: str) -> str:
    """Return what stands behind the status of a legend's line."""
    words = legend.partition(": ")[2]
    return words[:1].upper() + words[1:]


STATUS_MEANS = {
    "theorem": "Proved; rounded up.",
    "published": _sentence(UNPROVED["published"]),
    "refuted": _sentence(UNPROVED["refuted"]),
    "score": _sentence(UNPROVED["score"]),
    "not covered": "The bound says nothing about this network; the reason stands beside it.",
    "exact": "Counted in the file, or follows from it by arithmetic alone.",
    "measured": "Measured on a sample or by random draws; no statement beyond them.",
    "computed": "Computed in floating point; no statement about the error.",
    "given": "Chosen by the user, or a default.",
}
SAMPLE_KEYS = {header: key for header, key, _ in SAMPLE_FIELDS} | {
    "kappa": "log_kappa",
    "log Gamma": "log_gamma",
}
TOPICS = {"your network": "network", "its compression": "compression"}
"""Topic of a sentence of the verdict -> subject of the bound that it is made from."""
EXACT_SAMPLES = frozenset({"K", "r_tilde", "r_tilde_dense", "surviving"})
SCORES = frozenset(header for header, _, _ in TOPOLOGY_FIELDS) - {"sigma1", "sigma2", "collapsed"}


@dataclass(frozen=True)
class Origin:
    """A status (a key of `STATUS_MEANS`), a source, and a remark."""

    status: str
    source: str
    note: str = ""


class References:
    """Ids of origins, in the order in which a page first names them."""

    def __init__(self) -> None:
        self._ids: dict[Origin, str] = {}

    def __call__(self, origin: Origin) -> str:
        """Return the id of an origin."""
        return self._ids.setdefault(origin, f"o{len(self._ids) + 1}")

    def listed(self) -> list[tuple[str, Origin]]:
        """Return all ids with their origins."""
        return [(name, origin) for origin, name in self._ids.items()]


def of_bound(name: str, bound: Tree) -> Origin:
    """Return the status and source of a bound, with its subject, its assumptions and the reason where it has one."""
    remarks = [show(bound["reason"])] if bound.get("reason") else []
    if bound["status"] != "not_covered":
        remarks.insert(0, speaks_of(bound))
    assumed = [show(one) for one in bound.get("assumptions") or []]
    remarks = [one if one.endswith((".", "?", "!")) else one + "." for one in remarks]
    remarks += [f"Assumes: {'; '.join(assumed)}."] if assumed else []
    status = SHOWN_STATUS[bound["status"]].lower()
    source = one_line(show(bound.get("source") or name)).strip() or NULL
    return Origin(status, source, one_line(" ".join(remarks)))


def of_term(name: str, bound: Tree) -> Origin:
    """Return the origin of a number that a bound is made of, or set against: by itself it states nothing."""
    found = of_bound(name, bound)
    if found.status != "theorem":
        return found
    return Origin(
        "computed", found.source, f"On the way to {one_line(name)}; not itself a bound on the error."
    )


def of_file(tree: Tree) -> Origin:
    """Return the origin of what was counted in the checkpoint."""
    checkpoint = tree.get("checkpoint") or {}
    evidence = "; ".join(show(line) for line in checkpoint.get("evidence") or [])
    source = f"{show(checkpoint.get('path'))}, read as {show(checkpoint.get('format'))}"
    return Origin("exact", one_line(source), one_line(evidence))


def of_measurement(tree: Tree) -> Origin:
    """Return the origin of errors and margins."""
    data = tree.get("data") or {}
    sizes = f"{plain(data.get('m'))} training and {plain(data.get('m_test'))} test samples"
    return Origin("measured", one_line(f"{show(data.get('name'))}: {sizes}"))


def of_cell(tree: Tree, slug: str, row: str, column: str) -> Origin:
    """Return the origin of a number in a table or list of a report.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.
        slug: of the section.
        row: the name of the table's row; empty in a list.
        column: the column's header, or the label in a list.

    Returns:
        Its origin.
    """
    return _BY_SECTION.get(slug, _computed)(tree, slug, row, column)


def _bounds(tree: Tree, slug: str, row: str, column: str) -> Origin:
    bounds = tree.get("bounds") or {}
    names = row or column
    name = names if names in bounds else names.partition(", ")[0]
    return of_bound(name, bounds[name]) if name in bounds else _computed(tree, slug, row, column)


def _best(tree: Tree, slug: str, row: str, column: str) -> Origin:
    return (of_bound if column == "value" else of_term)(row, tree["bounds"][row])


def _summary(tree: Tree, slug: str, row: str, column: str) -> Origin:
    """Return where a sentence of the verdict comes from; `column` is its topic."""
    bounds = tree.get("bounds") or {}
    best = proved(tree, TOPICS[column]) if column in TOPICS else []
    if best:
        return of_bound(*best[0])
    if column == "test set":
        found = (tree.get("verdict") or {}).get("test_set") or {}
        assumed = "; ".join(map(show, found.get("assumptions") or []))
        return Origin("theorem", show(found.get("source") or "boundcalc"), f"Assumes: {assumed}.")
    if column.startswith("sparse") and "peeling" in bounds:
        return of_term("peeling", bounds["peeling"])
    return of_measurement(tree) if column == "measured" else _computed(tree, slug, row, column)


def _file(tree: Tree, slug: str, row: str, column: str) -> Origin:
    return of_file(tree)


def _data(tree: Tree, slug: str, row: str, column: str) -> Origin:
    measured = of_measurement(tree)
    return (
        measured if (tree.get("data") or {}).get("m_test") is not None else Origin("given", measured.source)
    )


def _measured(tree: Tree, slug: str, row: str, column: str) -> Origin:
    return of_measurement(tree)


def _samples(tree: Tree, slug: str, row: str, column: str) -> Origin:
    part = tree.get("samples") or {}
    key = SAMPLE_KEYS.get(
        column, {"N / N dense": "ratio", "surviving hidden": "surviving"}.get(column, column)
    )
    status = (
        "exact"
        if key in EXACT_SAMPLES
        else "published"
        if key in {"ratio", "N", "radius_loss_ratio"}
        else "computed"
    )
    return Origin(status, _source(part), one_line(show((part.get("origins") or {}).get(key, ""))))


def _topology(tree: Tree, slug: str, row: str, column: str) -> Origin:
    part = tree.get("topology") or {}
    if column == "z":
        return Origin(
            "measured",
            f"against {plain(part.get('draws'))} random masks a layer",
            one_line(show(part.get("note") or "")),
        )
    if column in SCORES or column in {"coordinate", "distance"}:
        return Origin("score", _source(part))
    return Origin("computed", _source(part))


def _graphon(tree: Tree, slug: str, row: str, column: str) -> Origin:
    part = tree.get("graphon") or {}
    note = one_line(show(part.get("note") or ""))
    if column.startswith("cut norm"):
        return Origin("theorem", _source(part), "Both ends of the interval are proved. " + note)
    if column in {"bits", "at density"}:
        return Origin(
            "measured", _source(part), "Bits that an entry takes which the cells were not made from."
        )
    return Origin("exact" if column == "density" else "computed", _source(part), note)


def _gntk(tree: Tree, slug: str, row: str, column: str) -> Origin:
    part = tree.get("gntk") or {}
    note = one_line(show(part.get("note") or ""))
    if column == "kernel bound" and part.get("kernel_bound") is not None:
        of = one_line(show((part.get("bound") or {}).get("of") or ""))
        return Origin("theorem", _source(part), f"Bounds the {of}. {note}" if of else note)
    return Origin("computed", _source(part), note)


def _run(tree: Tree, slug: str, row: str, column: str) -> Origin:
    return (
        Origin("measured", "clock of this run")
        if column == "seconds"
        else Origin("given", "options of this run")
    )


def _computed(tree: Tree, slug: str, row: str, column: str) -> Origin:
    return Origin("computed", one_line(f"boundcalc {show(tree.get('version') or '')}".strip()))


def _source(part: Tree) -> str:
    return one_line(show(part.get("source") or "boundcalc"))


_BY_SECTION: dict[str, Callable[[Tree, str, str, str], Origin]] = {
    "summary": _summary,
    "read": _file,
    "layers": _file,
    "uncounted": _file,
    "data": _data,
    "empirical": _measured,
    "bounds": _bounds,
    "reasons": _bounds,
    "best": _best,
    "best-compression": _best,
    "samples": _samples,
    "topology": _topology,
    "graphon": _graphon,
    "gntk": _gntk,
    "run": _run,
}

"""The whole report as a document, built once from the tree and rendered by every view for readers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from boundcalc.parts import registry
from boundcalc.parts.layer_grid import cell
from boundcalc.report.bound_order import proved
from boundcalc.report.document import Cell, Column, Detail, Grid, Section
from boundcalc.report.layer_rows import kept as _kept
from boundcalc.report.layer_rows import layers
from boundcalc.report.numbers import given, percent, plain, show, sizes
from boundcalc.report.origin import (
    Origin,
    of_bound,
    of_data,
    of_file,
    of_measurement,
    of_program,
    of_run,
    of_term,
)

Tree = dict[str, Any]

UNCOUNTED_COLUMNS = (
    Column("layer"),
    Column("operation"),
    Column("parameters", right=True),
    Column("surviving", right=True),
    Column("density", right=True),
)


def document(tree: Tree) -> tuple[Section, ...]:
    """Build the sections of a report, in reading order.

    Args:
        tree: a tree of schema ``boundcalc.report/2``; absent parts are left out.

    Returns:
        Verdict, what looks wrong, what is proved, what was read and what was not, layers, data, the other parts, the run.

    Example:
        >>> [section.slug for section in document({"schema": "boundcalc.report/2"})]
        ['read', 'run']
    """
    own = {
        1: _summary,
        2: _warnings,
        10: _read,
        15: _skipped,
        20: layers,
        25: _uncounted,
        30: _data,
        90: _run,
    }
    placed = [(place, make(tree)) for place, make in own.items()]
    placed += [(part.place, one) for part in registry.values() for one in part.sections(tree)]
    return tuple(section for _, section in sorted(placed, key=lambda one: one[0]) if section is not None)


def title(tree: Tree) -> str:
    """Return the report's heading: the tool, its version and the file."""
    path = (tree.get("checkpoint") or {}).get("path")
    return f"boundcalc {tree.get('version') or ''}".strip() + (f": {path}" if path else "")


def _read(tree: Tree) -> Section:
    checkpoint, network = tree.get("checkpoint") or {}, tree.get("network") or {}
    reference = checkpoint.get("reference")
    facts = [
        (Detail("file"), show(checkpoint.get("path"))),
        (Detail("sha256"), show(checkpoint.get("sha256"))),
        ("format", show(checkpoint.get("format"))),
        *((Detail("evidence"), line) for line in checkpoint.get("evidence") or []),
        ("mask", show(checkpoint.get("mask"))),
        *(
            [("reference", f"{show(reference.get('path'))} ({show(reference.get('how'))})")]
            if reference
            else []
        ),
        (Detail("parameters"), plain(checkpoint.get("parameters"))),
        (Detail("surviving"), plain(checkpoint.get("surviving"))),
        *_kept(checkpoint),
        (Detail("density"), percent(checkpoint.get("density"))),
        ("biases", plain(checkpoint.get("biases"))),
        ("network", _network_line(network)),
        *(("assumed", line) for line in network.get("assumptions") or []),
    ]
    return Section("Read", "read", facts=_from(of_file(tree), facts))


def _from(origin: Origin, facts: Iterable[tuple[str, str]]) -> tuple[tuple[str, Cell], ...]:
    """Return facts whose numbers have the same origin."""
    return tuple((label, cell(text, None, origin)) for label, text in facts)


def _network_line(network: Tree) -> str:
    source = show(network.get("source")) if network.get("source") else ""
    if network.get("unplaced"):
        return source
    parts = [
        f"input {sizes(network.get('input_shape'))}",
        f"outputs {plain(network.get('outputs'))}",
        f"depth {plain(network.get('depth'))}",
    ]
    return ", ".join(parts) + (f"; {source}" if source else "")


def _skipped(tree: Tree) -> Section | None:
    ignored = (tree.get("checkpoint") or {}).get("ignored") or []
    facts = [(show(item.get("part")), show(item.get("reason"))) for item in tree.get("skipped") or []]
    if ignored:
        facts.append(("ignored keys", show(ignored)))
    facts += _set_aside((tree.get("network") or {}).get("set_aside") or [])
    return Section("Not read or not run", "skipped", facts=tuple(facts)) if facts else None


def _set_aside(entries: list[Tree]) -> list[tuple[str, str]]:
    """Return the file's tensors that are not part of the network, grouped by reason."""
    keys: dict[str, list[str]] = {}
    for entry in entries:
        keys.setdefault(show(entry.get("why")), []).append(show(entry.get("key")))
    return [("set aside", f"{', '.join(names)}: {why}") for why, names in keys.items()]


def _uncounted(tree: Tree) -> Section | None:
    weights = (tree.get("network") or {}).get("uncounted") or []
    if not weights:
        return None
    origin = of_file(tree)
    rows = tuple(
        (
            show(weight.get("layer")),
            show(weight.get("operation")),
            *_counts(origin, weight, ("parameters", "surviving")),
            _share(origin, weight["surviving"] / weight["parameters"] if weight.get("parameters") else None),
        )
        for weight in weights
    )
    note = (
        "Operations outside the theory of every bound; their weights count in parameters, density and depth."
    )
    return Section(
        "Weights that no bound covers", "uncounted", grid=Grid(UNCOUNTED_COLUMNS, rows), notes=(note,)
    )


def _counts(origin: Origin, counted: Tree, keys: Iterable[str]) -> tuple[Cell, ...]:
    return tuple(cell(plain(counted.get(key)), counted.get(key), origin) for key in keys)


def _share(origin: Origin, share: float | None) -> Cell:
    return cell(percent(share), share, origin)


def _data(tree: Tree) -> Section | None:
    data = tree.get("data")
    if not data:
        return None
    normalize, name, kind = data.get("normalize"), show(data.get("name")), show(data.get("kind"))
    line = [
        name if name.startswith(kind) else f"{name}, {kind}",
        f"m = {plain(data.get('m'))}",
        f"test {plain(data.get('m_test'))}",
        f"shape {sizes(data.get('shape'))}",
        f"normalized by {given(normalize)}" if normalize else "not normalized",
    ]
    energies = [
        f"||X|| {plain(data.get('frobenius'))}",
        f"largest coordinate energy {plain(data.get('max_coordinate_energy'))}",
        f"largest pixel energy {plain(data.get('max_pixel_energy'))}",
    ]
    facts = (("data", ", ".join(line)), ("norms", ", ".join(energies)))
    return Section("Data", "data", facts=_from(of_data(tree), facts))


def _run(tree: Tree) -> Section:
    seconds = (tree.get("seconds") or {}).items()
    facts = [
        ("delta", given(tree.get("delta"))),
        ("seed", given(tree.get("seed"))),
        *((name.replace("_", " "), given(value)) for name, value in (tree.get("options") or {}).items()),
        ("seconds", ", ".join(f"{part} {plain(time)}" for part, time in seconds) or "-"),
    ]
    shown = tuple((label, cell(text, None, of_run(label))) for label, text in facts)
    return Section("Run", "run", facts=shown, detail=True)


def _warnings(tree: Tree) -> Section | None:
    facts = tuple(("warning", show(line)) for line in (tree.get("verdict") or {}).get("warnings") or ())
    return Section("What looks wrong", "warnings", facts=facts) if facts else None


def _summary(tree: Tree) -> Section | None:
    facts = verdict_facts(tree)
    others = tuple(line for line in tree.get("summary") or () if line not in {words for _, words in facts})
    return Section("Verdict", "summary", facts, notes=others) if facts or others else None


def verdict_facts(tree: Tree) -> tuple[tuple[str, Cell], ...]:
    """Return the sentences of the verdict by topic, each with the origin of its numbers."""
    sentences = (tree.get("verdict") or {}).get("sentences") or {}
    return tuple(
        (show(topic), cell(show(words), None, _of_topic(tree, topic))) for topic, words in sentences.items()
    )


TOPICS = {"your network": "network", "its compression": "compression"}
"""Topic of a sentence of the verdict -> subject of the bound that it is made from."""


def _of_topic(tree: Tree, topic: str) -> Origin:
    """Return the origin of a sentence of the verdict."""
    bounds = tree.get("bounds") or {}
    best = proved(tree, TOPICS[topic]) if topic in TOPICS else []
    if best:
        return of_bound(*best[0])
    if topic == "test set":
        found = (tree.get("verdict") or {}).get("test_set") or {}
        assumed = tuple(map(show, found.get("assumptions") or []))
        return Origin("theorem", show(found.get("source") or "boundcalc"), assumptions=assumed)
    if topic.startswith("sparse") and "peeling" in bounds:
        return of_term("peeling", bounds["peeling"])
    return of_measurement(tree) if topic == "measured" else of_program(tree)

"""The sparsity of a network by layer: surviving weights, weights kept by the mask, dead outputs, patterns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boundcalc.parts.layer_grid import cell
from boundcalc.report.document import Cell, Column, Grid, Section
from boundcalc.report.numbers import NULL, percent, plain, show, sizes
from boundcalc.report.origin import Origin, of_file

Tree = dict[str, Any]

MOST_NAMED_LAYERS = 4
"""Largest number of layers that are all named in one line."""


@dataclass(frozen=True)
class _Field:
    """A column: header, cell, whether this report shows it, and the meaning of the header if it needs an explanation."""

    header: str
    cell: Callable[[Tree, Origin], Cell | str]
    is_shown: Callable[[list[Tree]], bool] = lambda layers: True
    means: str = ""
    right: bool = True


def _count(key: str) -> Callable[[Tree, Origin], Cell]:
    return lambda layer, origin: cell(plain(layer.get(key)), layer.get(key), origin)


def _size(key: str) -> Callable[[Tree, Origin], Cell]:
    return lambda layer, origin: cell(sizes(layer.get(key)), None, origin)


def _share(key: str) -> Callable[[Tree, Origin], Cell]:
    return lambda layer, origin: cell(percent(layer.get(key)), layer.get(key), origin)


def _length(key: str) -> Callable[[Tree, Origin], Cell]:
    def made(layer: Tree, origin: Origin) -> Cell:
        count = len(layer.get(key) or [])
        return cell(plain(count), count, origin)

    return made


def _any(key: str) -> Callable[[list[Tree]], bool]:
    return lambda layers: any(layer.get(key) for layer in layers)


FIELDS = (
    _Field("layer", lambda layer, _: show(layer.get("name")), right=False),
    _Field("kind", lambda layer, _: show(layer.get("kind")), right=False),
    _Field("shape", _size("shape")),
    _Field("stride", _size("stride"), _any("stride")),
    _Field("padding", _size("padding"), _any("padding")),
    _Field("weights", _count("parameters")),
    _Field(
        "kept",
        _count("kept"),
        lambda layers: any(layer.get("kept") not in {None, layer.get("surviving")} for layer in layers),
        "kept: weights that the mask keeps, zero or not.",
    ),
    _Field("survive", _count("surviving")),
    _Field("density", _share("density")),
    _Field("dead", _length("dead"), _any("dead"), "dead: outputs whose weights are all 0, after BatchNorm."),
    _Field("unread", _length("unread"), _any("unread"), "unread: inputs that no weight reads."),
    _Field(
        "N:M",
        lambda layer, origin: cell(pattern(layer), None, origin),
        lambda layers: any((layer.get("pattern") or {}).get("exact") for layer in layers),
        "N:M: N of every M weights in a row of inputs are kept.",
    ),
    _Field(
        "at start",
        _share("at_reference"),
        lambda layers: any(layer.get("at_reference") is not None for layer in layers),
        "at start: surviving weights that equal the reference's weights; after rewinding, all of them do.",
    ),
)


def layers(tree: Tree) -> Section | None:
    """Build the table of layers, without the columns that are uninformative for this network."""
    found = (tree.get("network") or {}).get("layers") or []
    if not found:
        return None
    origin = of_file(tree)
    fields = [field for field in FIELDS if field.is_shown(found)]
    rows = tuple(tuple(field.cell(layer, origin) for field in fields) for layer in found)
    columns = tuple(Column(field.header, field.right) for field in fields)
    notes = " ".join(field.means for field in fields if field.means)
    return Section("Layers", "layers", grid=Grid(columns, rows), notes=(notes,) if notes else ())


def kept(counted: Tree) -> list[tuple[str, str]]:
    """Return the number of weights that the masks keep, if it differs from the number of nonzero weights."""
    by_mask, nonzero = counted.get("kept"), counted.get("surviving")
    return (
        []
        if by_mask in {None, nonzero}
        else [("kept by the masks", f"{plain(by_mask)}, of which {plain(nonzero)} are not 0")]
    )


def pattern(layer: Tree) -> str:
    """Return the N:M pattern of a layer.

    Example:
        >>> pattern({"pattern": {"n": 2, "m": 4, "exact": False}}), pattern({})
        ('fits 2:4', '-')
    """
    found = layer.get("pattern")
    if not found:
        return NULL
    text = f"{found['n']}:{found['m']}"
    return text if found["exact"] else f"fits {text}"


def overview(tree: Tree) -> tuple[tuple[str, str], ...]:
    """Return what was read and how sparse it is, one line each."""
    checkpoint, network = tree.get("checkpoint") or {}, tree.get("network") or {}
    if not checkpoint.get("parameters"):
        return ()
    facts = [("read", _read(checkpoint, network)), ("sparsity", _sparsity(checkpoint, network))]
    share = checkpoint.get("at_reference")
    if share is not None:
        facts.append(("rewound", f"{percent(share)} of the surviving weights equal the reference's"))
    return tuple(facts)


def _read(checkpoint: Tree, network: Tree) -> str:
    found = [show(checkpoint.get("format"))]
    if network.get("unplaced"):
        found.append(f"{len(network.get('layers') or [])} weights, architecture not known")
    else:
        depth = network.get("depth")
        found.append(f"{plain(depth)} layer{'' if depth == 1 else 's'}")
        found.append(f"input {sizes(network.get('input_shape'))}, outputs {plain(network.get('outputs'))}")
    if network.get("inferred"):
        found.append("architecture inferred")
    mask = show(checkpoint.get("mask"))
    found.append(mask if mask.startswith("no mask") else f"mask {mask}")
    return "; ".join(found)


def _sparsity(checkpoint: Tree, network: Tree) -> str:
    every = (
        f"{plain(checkpoint.get('surviving'))} of {plain(checkpoint.get('parameters'))} weights"
        f" ({percent(checkpoint.get('density'))})"
    )
    found = [layer for layer in network.get("layers") or [] if layer.get("density") is not None]
    if len(found) < 2 or checkpoint.get("density") == 1:
        return every
    if len(found) > MOST_NAMED_LAYERS:
        found = [min(found, key=lambda one: one["density"]), max(found, key=lambda one: one["density"])]
        names = zip(("sparsest", "densest"), found, strict=True)
        return f"{every}: {', '.join(f'{which} {_named(layer)}' for which, layer in names)}"
    return f"{every}: {', '.join(map(_named, found))}"


def _named(layer: Tree) -> str:
    return f"{show(layer.get('name'))} {percent(layer['density'])}"

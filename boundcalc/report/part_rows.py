"""The parts beside the bounds as a document: sample complexity, topology, graphon, graphon NTK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boundcalc.report.document import Column, Grid, Section
from boundcalc.report.numbers import interval, percent, plain, show, upper

Tree = dict[str, Any]
Field = tuple[str, str, Callable[[Any], str]]

SAMPLE_FIELDS: tuple[Field, ...] = (
    ("K", "K", show),
    ("r_tilde", "r_tilde", show),
    ("r_tilde dense", "r_tilde_dense", show),
    ("surviving", "surviving", show),
    ("ratio", "ratio", show),
    ("radius loss ratio", "radius_loss_ratio", show),
)
TOPOLOGY_FIELDS: tuple[Field, ...] = (
    ("Dr", "delta_r", show),
    ("Dr imdb", "delta_r_imdb", show),
    ("lambda", "lambda", show),
    ("imsg", "lambda_imsg", show),
    ("narc", "narc", show),
    ("sigma1", "sigma1", show),
    ("sigma2", "sigma2", show),
    ("collapsed", "collapsed", show),
)
GRAPHON_FIELDS: tuple[Field, ...] = (
    ("density", "density", percent),
    ("cut norm from constant", "cut_from_constant", interval),
    ("L2 from constant", "l2_from_constant", show),
)


def samples(tree: Tree) -> Section | None:
    """Build the sample complexity: facts on the network and a row a layer; None where it was not run."""
    part = tree.get("samples")
    if not part:
        return None
    facts = (
        ("surviving hidden", plain(part.get("surviving_hidden"))),
        ("N / N dense", show(part.get("ratio"))),
        ("N", upper(part.get("N"))),
        ("calibration", show(part.get("calibration"))),
    )
    return Section("Sample complexity", "samples", facts=facts, grid=_layer_grid(part, SAMPLE_FIELDS))


def topology(tree: Tree) -> Section | None:
    """Build the mask topology: coordinate, distance and a row a layer; None where it was not run."""
    part = tree.get("topology")
    if not part:
        return None
    facts = (
        ("coordinate", show(part.get("coordinate"))),
        ("distance", show(part.get("distance"))),
        ("Ramanujan layers", show(part.get("ramanujan_layers"))),
    )
    return Section("Mask topology", "topology", facts=facts, grid=_layer_grid(part, TOPOLOGY_FIELDS))


def graphon(tree: Tree) -> Section | None:
    """Build the mask graphon: a row a layer, without the histograms; None where it was not run."""
    part = tree.get("graphon")
    if not part:
        return None
    facts = (("resolution", show(part.get("resolution"))),)
    return Section("Mask graphon", "graphon", facts=facts, grid=_layer_grid(part, GRAPHON_FIELDS))


def gntk(tree: Tree) -> Section | None:
    """Build the graphon neural tangent kernel: every number of it; None where it was not run."""
    part = tree.get("gntk")
    if not part:
        return None
    facts = tuple(
        (key.replace("_", " "), upper(value) if key == "kernel_bound" else show(value))
        for key, value in part.items()
    )
    return Section("Graphon NTK", "gntk", facts=facts)


def _layer_grid(part: Tree, fields: tuple[Field, ...]) -> Grid | None:
    """Build a grid with a row a layer and a column a field."""
    layers = part.get("layers") or []
    if not layers:
        return None
    columns = (Column("layer"), *(Column(header, right=True) for header, _, _ in fields))
    rows = tuple((show(layer.get("name")), *(f(layer.get(key)) for _, key, f in fields)) for layer in layers)
    return Grid(columns, rows)

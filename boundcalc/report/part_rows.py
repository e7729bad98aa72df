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
    ("r~", "r_tilde", show),
    ("r~ dense", "r_tilde_dense", show),
    ("alive", "surviving", show),
    ("ratio", "ratio", show),
    ("radius loss", "radius_loss_ratio", show),
)
FURTHER_SAMPLE_FIELDS: tuple[Field, ...] = (
    ("kappa", "kappa", show),
    ("log Gamma", "log_gamma", show),
    ("state", "state", show),
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
TOPOLOGY_COMPARED = frozenset({"delta_r", "delta_r_imdb", "lambda", "lambda_imsg", "narc"})
TOPOLOGY_FACTS = (
    ("distance from", "distance_from"),
    ("encoding", "encoding"),
    ("random masks a layer", "draws"),
)
GRAPHON_FIELDS: tuple[Field, ...] = (
    ("density", "density", percent),
    ("cut norm from constant", "cut_from_constant", interval),
    ("L2 from constant", "l2_from_constant", show),
)
GNTK_APART = frozenset({"bound", "residual", "note", "source", "extension"})
FURTHER_GRAPHON_FIELDS: tuple[Field, ...] = (
    ("cells by", "estimate", show),
    ("bits", "held_out", lambda found: _bits(found, "sorted", "spectral")),
    ("at density", "held_out", lambda found: _bits(found, "constant")),
)


def samples(tree: Tree) -> Section | None:
    """Build the sample complexity: facts on the network and a row a layer; None where it was not run."""
    part = tree.get("samples")
    if not part:
        return None
    facts = [
        ("surviving hidden", plain(part.get("surviving_hidden"))),
        ("N / N dense", show(part.get("ratio"))),
        ("N", _needed_samples(part)),
        ("calibration", _calibration(part.get("calibration"))),
    ]
    verdict = part.get("verdict")
    if verdict and part.get("calibration"):
        facts.append(("large enough?", show(verdict.get("sentence"))))
    notes = tuple(f"Violated: {line}." for line in part.get("violated") or [])
    grid = _layer_grid(part, (*SAMPLE_FIELDS, *_present(part, FURTHER_SAMPLE_FIELDS)))
    return Section("Sample complexity", "samples", facts=tuple(facts), grid=grid, notes=notes)


def _needed_samples(part: Tree) -> str:
    """Return N with its interval, as a power where it overflows a double; why there is none, if that is known."""
    if part.get("log10_N") is None:
        return show(part.get("reason") or part.get("N"))
    middle = f"10^{part['log10_N']:.1f}" if part.get("N") is None else plain(part["N"])
    ends = part.get("N_interval") or [None]
    within = "" if None in ends else f" {interval(ends)}"
    return f"{middle}{within} at eps0 = {show(part.get('eps0'))}"


def _calibration(found: Tree | None) -> str:
    if not found or "c" not in found:
        return show(found)
    return f"c = {plain(found['c'])} {interval(found.get('interval'))} from {show(found.get('path'))}"


def _present(part: Tree, fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return the fields that at least one layer has."""
    return tuple(field for field in fields if any(field[1] in layer for layer in part.get("layers") or []))


def topology(tree: Tree) -> Section | None:
    """Build the mask topology: coordinate, distance and a row a layer; None where it was not run.

    With random masks to compare with, a column of z-scores follows each score, in the place of the singular values.
    """
    part = tree.get("topology")
    if not part:
        return None
    facts = [
        ("coordinate", show(part.get("coordinate"))),
        ("distance", show(part.get("distance"))),
        ("Ramanujan layers", show(part.get("ramanujan_layers"))),
    ]
    facts += [(label, show(part[key])) for label, key in TOPOLOGY_FACTS if key in part]
    compared = [layer for layer in part.get("layers") or [] if layer.get("z")]
    if compared:
        collapsed = [show(layer.get("name")) for layer in compared if layer.get("collapsed")]
        facts.append(("collapsed layers", ", ".join(collapsed) or "none"))
    grid = _scores_and_z(part) if compared else _layer_grid(part, TOPOLOGY_FIELDS)
    notes = (part["note"],) if part.get("note") else ()
    return Section("Mask topology", "topology", tuple(facts), grid, notes)


def _scores_and_z(part: Tree) -> Grid:
    """Build a grid with a row a layer, each score followed by its z-score."""
    scores = [(header, key) for header, key, _ in TOPOLOGY_FIELDS if key in TOPOLOGY_COMPARED]
    headers = [header for score, _ in scores for header in (score, "z")]
    rows = []
    for layer in part["layers"]:
        z = layer.get("z") or {}
        cells = [text for _, key in scores for text in (show(layer.get(key)), _one_decimal(z.get(key)))]
        rows.append((show(layer.get("name")), *cells))
    return Grid((Column("layer"), *(Column(header, right=True) for header in headers)), tuple(rows))


def _one_decimal(value: float | None) -> str:
    return show(None) if value is None else f"{round(value, 1) + 0.0:.1f}"


def graphon(tree: Tree) -> Section | None:
    """Build the mask graphon: a row a layer, without the histograms; None where it was not run."""
    part = tree.get("graphon")
    if not part:
        return None
    facts = [("resolution", show(part.get("resolution")))]
    chain = part.get("chain")
    if chain:
        l2 = chain.get("l2_from_constant")
        facts.append(("ordered once", f"L2 from constant {show(l2)}" if l2 else show(chain.get("reason"))))
    grid = _layer_grid(part, (*GRAPHON_FIELDS, *_present(part, FURTHER_GRAPHON_FIELDS)))
    notes = (part["note"],) if part.get("note") else ()
    return Section("Mask graphon", "graphon", tuple(facts), grid, notes)


def _bits(found: Tree | None, *estimates: str) -> str:
    """Return the fewest bits a held-out entry takes by some estimates."""
    bits = (found or {}).get("bits") or {}
    return show(min((bits[name] for name in estimates if bits.get(name) is not None), default=None))


def gntk(tree: Tree) -> Section | None:
    """Build the graphon neural tangent kernel: every number of it; None where it was not run."""
    part = tree.get("gntk")
    if not part:
        return None
    facts = [
        (key.replace("_", " "), upper(value) if key == "kernel_bound" else show(value))
        for key, value in part.items()
        if key not in GNTK_APART
    ]
    found, curve = part.get("bound") or {}, part.get("residual") or {}
    if found:
        facts.append(("kernel bound of", show(found.get("of"))))
    if found.get("reason"):
        facts.append(("no kernel bound", show(found["reason"])))
    if curve:
        shares = zip(curve["steps"], curve["share"], strict=True)
        facts.append(("residual at step", ", ".join(f"{step:g}: {plain(share)}" for step, share in shares)))
        facts.append(("learning rate", f"{plain(curve['learning_rate'])} ({curve['chosen']})"))
        facts.append(("y^T Theta y / |y|^2", plain(curve["rate"])))
    return Section("Graphon NTK", "gntk", tuple(facts), notes=(part["note"],) if part.get("note") else ())


def _layer_grid(part: Tree, fields: tuple[Field, ...]) -> Grid | None:
    """Build a grid with a row a layer and a column a field."""
    layers = part.get("layers") or []
    if not layers:
        return None
    columns = (Column("layer"), *(Column(header, right=True) for header, _, _ in fields))
    rows = tuple((show(layer.get("name")), *(f(layer.get(key)) for _, key, f in fields)) for layer in layers)
    return Grid(columns, rows)

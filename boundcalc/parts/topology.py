"""The part "topology": Ramanujan gaps and other scores of the masks as graphs, compared with random masks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from boundcalc.parts.layer_grid import Field, cell, layer_grid, mean_over_layers
from boundcalc.parts.part import Given, Option, Part, Quantity
from boundcalc.report.document import Cell, Column, Grid, Section, Term
from boundcalc.report.numbers import plain, show
from boundcalc.report.origin import Origin, note_of, of_source

if TYPE_CHECKING:
    from boundcalc.report.part_types import TopologyLayer, TopologyTree
    from boundcalc.topology.coordinate import LayerTopology, Topology
    from boundcalc.topology.random_masks import Chance
    from boundcalc.topology.spectra import Leading

Tree = dict[str, Any]

NOTE = (
    "Scores of this kind predict accuracy no better than density does (Cunegatti et al. 2024). What a "
    "mask adds to its density is measured by z: its score minus the mean score of random masks with as "
    "many weights, in units of their standard deviation."
)
FEW_DRAWS_NOTE = " With {draws} draws, one random mask in ten has |z| > {limit:.1f}."
FOLDED = " lambda is computed from weights with BatchNorm folded in: {names}."
ROLLED = (
    " Convolutions are rolled: an input channel and an output channel share one edge if any entry of "
    "their kernel survives, and lambda weights the edge by the sum of the absolute entries."
)
SOURCE = "Hoang, Kundu, Liu & Wang 2023"


SYMBOLS = "Dr, Dr imdb, lambda, imsg and narc are defined in docs/theory/hoang2023.md."
ENCODINGS = ("unrolled", "rolled")
SCORES = ("delta_r", "delta_r_imdb", "lambda", "lambda_imsg", "narc")
COMPARED = SCORES[:-1]


def run(given: Given) -> Topology:
    """Compute the scores of every layer's mask, and of random masks of its density."""
    from boundcalc.topology.coordinate import analyze

    return analyze(given.network, given.start, given.options.encoding, given.options.seed)


def to_dict(topology: Topology) -> TopologyTree:
    """Return the report's entry for the topology.

    Args:
        topology: topology of the network's masks.

    Returns:
        The keys of the report's schema. Further keys per layer: ``z`` and ``random`` (score -> mean, sd, draws), ``residual``,
        ``method`` and ``reasons`` (score -> why it is null). Further keys for the network: ``distance_from``, ``encoding``,
        ``draws``, ``note`` and ``source``.
    """
    return {
        "layers": [_layer(layer) for layer in topology.layers],
        "coordinate": list(topology.coordinate),
        "distance": topology.distance,
        "distance_from": topology.distance_from,
        "ramanujan_layers": topology.ramanujan_layers,
        "encoding": topology.encoding,
        "draws": topology.draws,
        "note": _note(topology),
        "source": SOURCE,
    }


def _layer(layer: LayerTopology) -> TopologyLayer:
    scores, sigma = layer.scores, layer.scores.sigma
    return {
        "name": layer.name,
        "delta_r": scores.delta_r,
        "delta_r_imdb": scores.delta_r_imdb,
        "lambda": scores.lambda_,
        "lambda_imsg": scores.lambda_imsg,
        "narc": scores.narc,
        "sigma1": None if sigma is None else sigma.sigma1,
        "sigma2": None if sigma is None else sigma.sigma2,
        "collapsed": scores.collapsed,
        "delta_s": scores.delta_s,
        "degrees": list(scores.degrees),
        "edges": scores.edges,
        "subgraphs": scores.subgraphs,
        "z": {key.strip("_"): chance.z for key, chance in layer.chance.items()},
        "random": {key.strip("_"): _chance(chance) for key, chance in layer.chance.items()},
        "residual": {"sigma": _residual(sigma), "lambda": _residual(scores.weighted)},
        "method": {"sigma": _method(sigma), "lambda": _method(scores.weighted)},
        "reasons": {key.strip("_"): reason for key, reason in scores.reasons.items()},
    }


def _chance(chance: Chance) -> Tree:
    return {"mean": chance.mean, "sd": chance.sd, "draws": chance.draws}


def _residual(leading: Leading | None) -> float | None:
    return None if leading is None else leading.residual


def _method(leading: Leading | None) -> str | None:
    return None if leading is None else leading.method


def _note(topology: Topology) -> str:
    from boundcalc.topology.random_masks import one_in_ten

    folded = [layer.name for layer in topology.layers if layer.folded]
    limit = one_in_ten(topology.draws)
    names = f"{len(folded)} of {len(topology.layers)} layers"
    return "".join([
        NOTE,
        "" if limit is None else FEW_DRAWS_NOTE.format(draws=topology.draws, limit=limit),
        FOLDED.format(names=names) if folded else "",
        ROLLED if topology.encoding == "rolled" else "",
    ])  # fmt: skip


def _score(part: Tree) -> Origin:
    return of_source("score", part)


def _computed(part: Tree) -> Origin:
    return of_source("computed", part)


def of_z(part: Tree) -> Origin:
    """Return the origin of a z-score."""
    return Origin("measured", f"against {plain(part.get('draws'))} random masks per layer", note_of(part))


GAP = (
    "Ramanujan gap: sqrt(d_l - 1) + sqrt(d_r - 1) - sigma2, with the mean degrees d_l and d_r of the "
    "mask's bipartite graph; a graph is called Ramanujan if the gap is 0 or more"
)
RANDOM = (
    "normalized random coefficient: ((sigma2^2 / 4 + 1) sqrt(n_l n_r) - |2 E - d_l n_l n_r / n_out|) / "
    "(n_in n_out), with E edges and n_l, n_r vertices that have an edge; at most 0 for a graph like a "
    "random one"
)


def _term(text: str, means: str) -> Term:
    return Term(text, means, "hoang2023")


FIELDS = (
    Field(_term("Dr", GAP), "delta_r", show, _score),
    Field(
        _term("Dr imdb", "mean of Dr over subgraphs: one for each degree, made of the inputs of that degree"),
        "delta_r_imdb", show, _score,
    ),
    Field(
        _term("lambda", "weighted spectral gap: the largest singular value of |weights| minus the second"),
        "lambda", show, _score,
    ),
    Field(_term("imsg", "mean of lambda over the subgraphs of Dr imdb"), "lambda_imsg", show, _score),
    Field(_term("narc", RANDOM), "narc", show, _score),
    Field(_term("sigma1", "largest singular value of the mask"), "sigma1", show, _computed),
    Field(_term("sigma2", "second singular value of the mask"), "sigma2", show, _computed),
    Field(
        _term("collapsed", "whether a mean degree is below 3, so that the whole layer has no scores"),
        "collapsed", show, _computed,
    ),
)  # fmt: skip
Z = _term(
    "z",
    "the score minus its mean over random masks with as many weights, in units of their standard deviation",
)
MEAN_Z = {
    field.key: _term(f"z of {field.header}, mean", f"mean over layers of z: {Z.means}")
    for field in FIELDS
    if field.key in SCORES
}
FACTS = (
    (_term("coordinate", "means over layers of Dr, Dr imdb, lambda and imsg"), "coordinate", _score),
    (_term("distance", "l2 distance of the coordinate from that of the dense network"), "distance", _score),
    (_term("Ramanujan layers", "layers with Dr at least 0"), "ramanujan_layers", _computed),
)
FURTHER_FACTS = (
    ("distance from", "distance_from", _computed),
    ("encoding", "encoding", _computed),
    ("random masks per layer", "draws", _computed),
)


def sections(tree: Tree) -> tuple[Section, ...]:
    """Build facts on the coordinate and the distance, and a table with one row per layer.

    If there are random masks for comparison, each score is followed by a column of z-scores, and the singular values are left
    out.
    """
    part = tree.get("topology")
    if not part:
        return ()
    facts: list[tuple[str, Cell]] = [
        (label, cell(show(part.get(key)), None, of(part))) for label, key, of in FACTS
    ]
    facts += [
        (label, cell(show(part[key]), None, of(part))) for label, key, of in FURTHER_FACTS if key in part
    ]
    compared = [layer for layer in part.get("layers") or [] if layer.get("z")]
    if compared:
        collapsed = [show(layer.get("name")) for layer in compared if layer.get("collapsed")]
        facts.append(("collapsed layers", cell(", ".join(collapsed) or "none", None, _computed(part))))
    grid = _scores_and_z(part) if compared else layer_grid(part, FIELDS)
    notes = (f"{part['note']} {SYMBOLS}",) if part.get("note") else (SYMBOLS,)
    return (Section("Mask topology", "topology", tuple(facts), grid, notes),)


def _scores_and_z(part: Tree) -> Grid:
    """Build a grid with one row per layer, each score followed by its z-score."""
    scores = [field for field in FIELDS if field.key in SCORES]
    headers = [header for field in scores for header in (field.header, Z)]
    rows = tuple(
        (
            show(layer.get("name")),
            *(
                one
                for field in scores
                for one in (
                    cell(show(layer.get(field.key)), layer.get(field.key), _score(part)),
                    _z_cell(part, (layer.get("z") or {}).get(field.key)),
                )
            ),
        )
        for layer in part["layers"]
    )
    return Grid((Column("layer"), *(Column(header, right=True) for header in headers)), rows)


def _z_cell(part: Tree, value: float | None) -> Cell:
    text = show(None) if value is None else f"{round(value, 1) + 0.0:.1f}"
    return cell(text, value, of_z(part))


def quantities(tree: Tree) -> tuple[Quantity, ...]:
    """Return the z-scores, as means over the layers that have one, and the distance."""
    part = tree.get("topology")
    if not part:
        return ()
    z = {score: mean_over_layers(part, partial(_z, score)) for score in SCORES}
    distance = part.get("distance")
    return (
        *(Quantity(f"topology.z.{key}", MEAN_Z[key], z[key], of_z(part)) for key in COMPARED),
        Quantity("topology.z.narc", MEAN_Z["narc"], z["narc"], of_z(part), ranked=False, shown=True),
        Quantity("topology.distance", DISTANCE, distance, _score(part), shown=True),
    )


DISTANCE = _term(
    "topology distance",
    "l2 distance of the coordinate (means over layers of Dr, Dr imdb, lambda, imsg) from the dense one's",
)


def _z(score: str, layer: Tree) -> float | None:
    return (layer.get("z") or {}).get(score)


PART = Part(
    "topology", 30, "mask topology", "scores of the masks as graphs, against random masks",
    run, to_dict, sections, 65, quantities,
    options=(
        Option("encoding", "how a convolution's mask becomes a graph (unrolled)", default="unrolled", choices=ENCODINGS),
    ),
)  # fmt: skip

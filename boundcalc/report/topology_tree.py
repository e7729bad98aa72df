"""Mask topology as a part of the report's tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundcalc.topology.hoang2023 import LayerTopology, Topology
    from boundcalc.topology.random_masks import Chance
    from boundcalc.topology.spectra import Leading

NOTE = (
    "Scores of this kind predict accuracy no better than density does (Cunegatti et al. 2024). What a mask adds to its density is"
    " z: its score less the mean of random masks with as many weights, in their standard deviations."
)
ROUGH = " With {draws} draws one random mask in ten has |z| > {limit:.1f}."
FOLDED = " lambda is of weights with BatchNorm folded in: {names}."
ROLLED = (
    " Rolled: an input and an output channel are joined once, where any kernel entry survives; lambda weighs the edge"
    " by the sum of absolute entries."
)
SOURCE = "Hoang, Kundu, Liu & Wang 2023"


def tree(topology: Topology) -> dict[str, Any]:
    """Return the report's entry for the topology.

    Args:
        topology: of the network's masks.

    Returns:
        The keys of the report's schema; beside them, per layer, ``z`` and ``random`` (score -> mean, sd, draws), ``residual``,
        ``method`` and ``reasons`` (score -> why it is null), and for the network ``distance_from``, ``encoding``, ``draws``, ``note``
        and ``source``.
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


def _layer(layer: LayerTopology) -> dict[str, Any]:
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


def _chance(chance: Chance) -> dict[str, Any]:
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
        "" if limit is None else ROUGH.format(draws=topology.draws, limit=limit),
        FOLDED.format(names=names) if folded else "",
        ROLLED if topology.encoding == "rolled" else "",
    ])  # fmt: skip

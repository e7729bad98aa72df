"""Topology of a network's masks: the scores of its layers, and the coordinate of the network (docs/theory/hoang2023.md).

The mask of every layer is a bipartite graph with the scores of `boundcalc.topology.hoang2023`. The coordinate of the network
is the mean of four of the scores over the layers; its distance from the coordinate of the dense initialization is the
authors' predictor of accuracy. Cunegatti et al. 2024 (Understanding sparse neural networks from their topology via
multipartite graph representations) found that such scores predict no better than density; therefore each score is
reported with the scores of random masks of the same density. No score here is a bound.

The matrices are small and many. They are processed by one BLAS thread, because waiting for a second one costs up to a thousand
times the work on a busy machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

from boundcalc.network.network import Network
from boundcalc.network.ops import Masked
from boundcalc.norms.rounding import mean
from boundcalc.topology.bipartite import Layout, build, of_layer
from boundcalc.topology.hoang2023 import SCORES, Scores, ramanujan_gap, score
from boundcalc.topology.random_masks import Chance, baseline

COORDINATE = SCORES[:4]

Coordinate = tuple[float | None, ...]
TABLE_NAMES = {"delta_r": "Dr", "delta_r_imdb": "Dr imdb", "lambda": "lambda", "lambda_imsg": "imsg"}
"""Entry of the coordinate -> its name in tables."""


@dataclass(frozen=True)
class LayerTopology:
    """The scores of a layer, compared with those of random masks.

    Attributes:
        name: name of the layer.
        scores: scores of its mask and weights.
        chance: score -> comparison with random masks; empty without draws.
        folded: whether a BatchNorm is folded into the weights that determine `lambda_` and `lambda_imsg`.
    """

    name: str
    scores: Scores
    chance: Mapping[str, Chance]
    folded: bool


@dataclass(frozen=True)
class Topology:
    """The topology of a network's masks.

    Attributes:
        layers: results of the layers in execution order.
        coordinate: means of (delta_r, delta_r_imdb, lambda, lambda_imsg), each over the layers that have the score;
            None if none has it.
        distance: l2 distance of the coordinate from that of the dense network, each entry averaged over the layers that
            have it in both; entries without such a layer are left out. None if no entry is left.
        distance_from: what the distance is measured from, and the entries included.
        encoding: ``"unrolled"`` or ``"rolled"``.
        draws: number of random masks per layer.
    """

    layers: tuple[LayerTopology, ...]
    coordinate: Coordinate
    distance: float | None
    distance_from: str
    encoding: str
    draws: int

    @property
    def ramanujan_layers(self) -> int:
        """Number of layers whose graph is Ramanujan."""
        return sum(layer.scores.ramanujan for layer in self.layers)


def analyze(
    network: Network,
    reference: Mapping[str, torch.Tensor],
    encoding: str = "unrolled",
    seed: int = 0,
    draws: int = 5,
) -> Topology:
    """Score the masks of a network.

    Args:
        network: network whose layers have masks (`mask`) and weights (`weight`, BatchNorm folded).
        reference: dense initialization, ``"fc1.weight"`` -> (out, in / groups, kh, kw) float64; may be empty. For a layer
            with a folded BatchNorm it is ignored, because its weights have another scale.
        encoding: ``"unrolled"``: one left vertex per kernel entry of an input channel; ``"rolled"``: one per input channel.
        seed: seed of the random masks; each layer and draw derives its own.
        draws: number of random masks per layer.

    Returns:
        The scores, the coordinate and the distance.

    Raises:
        ValueError: the encoding is unknown, or the number of draws is negative.

    Source: Hoang, Kundu, Liu & Wang 2023; random masks after Cunegatti et al. 2024.
    """
    if draws < 0:
        raise ValueError(f"{draws} draws: at least 0 are needed")
    with threadpool_limits(limits=1, user_api="blas"):
        layers = tuple(
            _layer(layer, encoding, [[seed, number, index] for index in range(draws)])
            for number, layer in enumerate(network.masked())
        )
        dense = [_dense(layer, encoding, reference) for layer in network.masked()]
    own = [layer.scores for layer in layers]
    distance, entries = _distance(own, dense)
    weighted = sum(one.lambda_ is not None for one in dense)
    origin = _origin(bool(reference), weighted, len(dense), entries)
    coordinate = tuple(_mean(own, key) for key in COORDINATE)
    return Topology(layers, coordinate, distance, origin, encoding, draws)


def _layer(layer: Masked, encoding: str, seeds: list[list[int]]) -> LayerTopology:
    layout = Layout.of(layer, encoding)
    scores = score(of_layer(layer, layout))
    sizes = layer.weight[layer.mask].abs().numpy()
    return LayerTopology(layer.name, scores, baseline(scores, layout, sizes, seeds), layer.folded)


def _dense(layer: Masked, encoding: str, reference: Mapping[str, torch.Tensor]) -> Scores:
    """Return the scores of the layer's complete graph, with the weights of the reference if it has them."""
    layout = Layout.of(layer, encoding)
    weight = None if layer.folded else reference.get(f"{layer.name}.weight")
    if weight is None:
        return _complete(layout)
    return score(
        build(layout, np.arange(layout.positions), layout.by_position(weight.numpy()).astype(np.float64))
    )


def _complete(layout: Layout) -> Scores:
    """Return the structural scores of one complete graph per group, in closed form: sigma_2 = sigma_1 if there are
    two or more groups.
    """
    left, right = layout.left / layout.groups, layout.right / layout.groups
    if min(left, right) < 3:
        return Scores(layout.positions, (right, left), True)
    sigma2 = math.sqrt(left * right) if layout.groups > 1 else 0.0
    gap = ramanujan_gap(right, left, sigma2)
    return Scores(layout.positions, (right, left), False, delta_r=gap, delta_r_imdb=gap)


def _mean(layers: list[Scores], key: str) -> float | None:
    values = [value for one in layers if (value := getattr(one, key)) is not None]
    return mean(values) if values else None


def _distance(own: list[Scores], dense: list[Scores]) -> tuple[float | None, list[str]]:
    """Return the distance, and the entries of the coordinate that it includes."""
    steps: dict[str, float] = {}
    for key in COORDINATE:
        pairs = [(getattr(a, key), getattr(b, key)) for a, b in zip(own, dense, strict=True)]
        both = [a - b for a, b in pairs if a is not None and b is not None]
        if both:
            steps[key.strip("_")] = mean(both)
    whole = math.hypot(*steps.values())
    return (whole if steps and math.isfinite(whole) else None), list(steps)


def _origin(given: bool, weighted: int, layers: int, entries: list[str]) -> str:
    if not entries:
        return "no layer is scored both here and in the dense graph"
    over = f"over {', '.join(TABLE_NAMES[entry] for entry in entries)}"
    if not given:
        return f"the dense graph, structure alone, {over}: no reference was given"
    if weighted == layers:
        return f"the reference's weights on the dense graph, {over}"
    return f"the reference's weights on the dense graph ({weighted} of {layers} layers, structure alone for the others), {over}"

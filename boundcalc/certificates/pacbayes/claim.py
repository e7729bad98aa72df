"""What a saved certificate claims, decoded and computed afresh; the search has no part in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.certificates.file import Item
from boundcalc.certificates.pacbayes import theorem
from boundcalc.certificates.pacbayes.draws import PRIOR_BITS, Oracle, Prior, SavedLayer, log2_ratio
from boundcalc.certificates.pacbayes.symmetry import order_bits
from boundcalc.certificates.pacbayes.tables import Law
from boundcalc.empirical import behind_stage
from boundcalc.empirical.behind_stage import without_stage
from boundcalc.empirical.split import Split
from boundcalc.errors import NotCovered
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, FirstStage
from boundcalc.occam.axes import Axes, axes_of
from boundcalc.occam.coder import log2_binomial
from boundcalc.occam.skeleton import compacted, flattened, simplified, with_weights


@dataclass(frozen=True, eq=False)
class Frame:
    """The part of an architecture that is drawn: some pixels, some of the units of each hidden layer.

    Attributes:
        stage: a fixed first stage in front of it, or None.
        whole: the network behind the first stage, flattened; its weights do not count.
        small: the network of what is kept; its weights do not count.
        kept: for each axis the units that are kept.
        tree: what is kept, as plain JSON: a number of hidden units, a list of pixels, or null where all are.
        bits: of the code for what is kept.
    """

    stage: FirstStage | None
    whole: Network
    small: Network
    kept: tuple[torch.Tensor, ...]
    tree: list[int | list[int] | None]
    bits: float

    @property
    def layers(self) -> list[Affine]:
        """The layers that are drawn, in order."""
        return list(self.small.stored())

    def sizes(self) -> list[int]:
        """Return how many numbers each layer has: weights, then biases."""
        return [_size(layer) for layer in self.layers]

    def filled(self, numbers: Sequence[NDArray[np.floating[Any]]]) -> tuple[Network, Network]:
        """Return the small network with numbers in place of its own, and the whole one, zero outside of what is kept."""
        weights, biases, large, wide = {}, {}, {}, {}
        for layer, own in zip(self.layers, numbers, strict=True):
            values = torch.from_numpy(own)
            weights[layer.name] = values[: layer.weight.numel()].reshape(layer.weight.shape)
            biases[layer.name] = values[layer.weight.numel() :]
        axes = axes_of(self.whole)
        for layer in self.whole.stored():
            rows, columns = self.kept[axes.rows[layer.name]], self.kept[axes.columns[layer.name]]
            large[layer.name] = torch.zeros_like(layer.weight)
            large[layer.name][rows[:, None], columns] = weights[layer.name]
            wide[layer.name] = torch.zeros(layer.weight.shape[0], dtype=torch.float64)
            if layer.bias is not None:
                wide[layer.name][rows] = biases[layer.name]
        return with_weights(self.small, weights, biases), with_weights(self.whole, large, wide)

    def batches(self, split: Split) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Stream samples as the small network reads them, see `boundcalc.empirical.behind_stage.batches`."""
        pixels = self.kept[axes_of(self.whole).nodes[0]]
        return ((x[:, pixels], y) for x, y in behind_stage.batches(self.stage, self.whole, split))


def _size(layer: Affine) -> int:
    return layer.weight.numel() + (0 if layer.bias is None else layer.bias.numel())


def frame_of(network: Network, given: Sequence[Any] | None = None) -> Frame:
    """Return the part of a network that a certificate draws.

    Args:
        network: of the architecture; its weights do not count unless `given` is None.
        given: as `Frame.tree`; None for the units that a nonzero weight of the network touches.

    Raises:
        NotCovered: the network is no chain of layers, or has weights outside them.
        ValueError: `given` does not fit the network.
    """
    stage, rest = without_stage(network)
    whole = flattened(rest)
    axes = axes_of(whole)
    layers = list(whole.layers())
    if any(node.inputs != (index,) for index, node in enumerate(whole.nodes[1:])):
        raise NotCovered("layers are drawn one after another: only a chain of layers is covered")
    if len({layer.name for layer in layers}) < len(layers) or not layers:
        raise NotCovered("layers are drawn one after another: each must have weights of its own")
    if given is not None:
        if len(given) != len(axes.axes):
            raise ValueError("what is kept is not of this architecture")
        places = [_places(one, axis.size) for one, axis in zip(given, axes.axes, strict=True)]
        whole = _of_ones(whole, axes, places)
    else:
        whole = simplified(whole)
    small, kept = compacted(whole)
    pairs = list(zip(axes.axes, kept, strict=True))
    tree = [
        len(some) if axis.free else None if len(some) == axis.size else some.tolist() for axis, some in pairs
    ]
    if given is not None and tree != list(given):
        raise ValueError("what is kept is not of this architecture")
    bits = [math.log2(axis.size) for axis, _ in pairs if axis.free]
    bits += [1 + math.log2(axis.size) + log2_binomial(axis.size, len(some)) for axis, some in pairs
             if not axis.free and len(some) < axis.size]  # fmt: skip
    bits += [1.0] if tree[axes.nodes[0]] is None else []
    return Frame(stage, whole, small, kept, tree, math.fsum(bits))


def _places(given: Any, size: int) -> NDArray[np.int64]:
    """Return the units that an entry of `Frame.tree` keeps.

    Raises:
        ValueError: it is none of an axis of this size.
    """
    places = list(range(size)) if given is None else list(range(given)) if type(given) is int else given
    whole = isinstance(places, list) and all(type(one) is int and 0 <= one < size for one in places)
    if not whole or not places or sorted(set(places)) != places:
        raise ValueError(f"{ascii(given)[:60]} keeps no part of {size} units")
    return np.array(places, dtype=np.int64)


def _of_ones(network: Network, axes: Axes, places: Sequence[NDArray[np.int64]]) -> Network:
    weights, biases = {}, {}
    for layer in network.stored():
        weights[layer.name] = torch.zeros_like(layer.weight)
        weights[layer.name][places[axes.rows[layer.name]][:, None], places[axes.columns[layer.name]]] = 1.0
        biases[layer.name] = torch.zeros(layer.weight.shape[0], dtype=torch.float64)
    return with_weights(network, weights, biases)


def facts(frame: Frame, data_sha256: str, normalize: Sequence[float] | None, delta: float) -> dict[str, Any]:
    """Return what the oracle is told before the first layer."""
    nodes = [[type(node).__name__, list(node.shape)] for node in frame.small.nodes]
    nodes += [["FirstStage", [frame.stage.cells]]] if frame.stage is not None else []
    return {
        "architecture": nodes,
        "kept": frame.tree,
        "data": data_sha256,
        "normalize": None if normalize is None else list(normalize),
        "delta": delta,
    }


@dataclass(frozen=True, eq=False)
class DrawnNetwork:
    """A network that was drawn.

    Attributes:
        small: on what is kept.
        whole: as the architecture has it, zero outside.
        frame: what is kept.
        items: of the ledger: what the layers' draws, priors and orders cost.
    """

    small: Network
    whole: Network
    frame: Frame
    items: tuple[Item, ...]


def drawn(frame: Frame, stages: Sequence[SavedLayer], known: Mapping[str, Any]) -> DrawnNetwork:
    """Draw a network again from its saved layers.

    Args:
        frame: what is kept.
        stages: one a layer.
        known: as `facts`.
    """
    oracle, numbers, items = Oracle(known), [], []
    for layer, stage in zip(frame.layers, stages, strict=True):
        law, prior = stage.posterior.law(), stage.prior.law(_size(layer))
        values = law.draw(oracle.uniform(stage.prior, stage.posterior, stage.draw))
        oracle.go_on(stage.prior, stage.posterior, stage.draw)
        numbers.append(values * stage.prior.delta)
        items += layer_items(frame, layer, stage.prior, values, law, prior)
    small, whole = frame.filled(numbers)
    return DrawnNetwork(small, whole, frame, tuple(items))


def layer_items(
    frame: Frame, layer: Affine, grid: Prior, values: NDArray[np.int64], posterior: Law, prior: Law
) -> list[Item]:
    """Return the lines of the ledger of one layer.

    Args:
        frame: what is kept.
        layer: of its small network.
        grid: which prior was chosen.
        values: lattice points that were drawn.
        posterior: Q.
        prior: P.
    """
    told = f"spacing 2^-{grid.scale}, {grid.keep} of 256 not 0, deviation {grid.deviation:.4g}"
    alive = int(np.count_nonzero(values))
    found = [
        Item(f"{layer.name}: its prior among 2,048: {told}", PRIOR_BITS),
        Item(f"{layer.name}: log2 Q/P of the draw, {alive} of {values.size} numbers not 0", log2_ratio(values, posterior, prior)),
    ]  # fmt: skip
    axes = axes_of(frame.small)
    if axes.axes[axes.rows[layer.name]].free:
        count = layer.weight.shape[0]
        bits = order_bits(values, posterior, units_of(layer), count)
        found.append(Item(f"{layer.name}: the order of its {count} units does not matter", bits))
    return found


def units_of(layer: Affine) -> NDArray[np.int64]:
    """Return the places of each unit's numbers among the layer's, (units, numbers a unit) int64."""
    weights = np.arange(layer.weight.numel()).reshape(layer.weight.shape[0], -1)
    if layer.bias is None:
        return weights
    return np.column_stack([weights, layer.weight.numel() + np.arange(layer.weight.shape[0])])


def ledger(found: DrawnNetwork, common: Sequence[Item]) -> tuple[Item, ...]:
    """Return all lines: what every certificate pays for, then this one's.

    Args:
        found: the network.
        common: lines of normalization and setting.
    """
    layers = len(found.frame.layers)
    questions = (
        f"draws: hash of all that was chosen, at most 2^{theorem.QUESTIONS} questions in {layers} layers"
    )
    kept = ", ".join(_shown(one) for one in found.frame.tree)
    return (
        *common,
        Item(f"units kept: {kept}", found.frame.bits),
        *found.items,
        Item(questions, theorem.question_bits(layers)),
    )


def _shown(kept: int | list[int] | None) -> str:
    return "all" if kept is None else f"{len(kept)} inputs" if isinstance(kept, list) else str(kept)

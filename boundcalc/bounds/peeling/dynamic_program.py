"""One walk over the node graph computes scales, fan-ins, energies and path counts of the nodes; a beam search chooses splits.

Logarithms and powers of two keep products over layers within range. The rules of a walk (`boundcalc.bounds.peeling.rules`) determine
what it may choose and which walks look promising.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property, lru_cache

import torch

from boundcalc.bounds.peeling.fixed_maps import averaged, joined, pooled, rearranged, relative_paths, scaled
from boundcalc.bounds.peeling.influence import influences
from boundcalc.bounds.peeling.kernels import Choice, Chosen, Kernels, group_sizes
from boundcalc.bounds.peeling.norms import NORMS
from boundcalc.bounds.peeling.predecessors import Predecessors
from boundcalc.bounds.peeling.rules import Biases, Rules, Setting
from boundcalc.bounds.peeling.state import InputField, PartialWalk, PreActivation, Value, most_promising
from boundcalc.bounds.peeling.theorem import PeelingResult
from boundcalc.errors import NotCovered
from boundcalc.network.coverage import operation_name, operation_name_by_size, place_of, require
from boundcalc.network.network import Network
from boundcalc.network.nodes import NeuronGroups, group_sum
from boundcalc.network.ops import (
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    LeakyReLU,
    MaxPool,
    Node,
    Rearrange,
    ReLU,
)
from boundcalc.norms.rounding import LOG2, log_error, log_product, log_up, slack, unit_sized
from boundcalc.norms.rounding import squared as squares_of

SHARED = 4
"""Number of sources whose connections are cached: both norms of a choice have the same connections."""
KEPT = 64
"""Number of influences, by node size, that are cached."""


class PeelingProgram:
    """Walks over one network with one value t of the constant unit.

    Args:
        network: the network.
        setting: structure, positions and energies.
        kernels: grouped kernels, shared by the walks of a search.
        constant: value t of the constant unit.
        rules: what a walk may choose, and which walks are promising.
    """

    def __init__(
        self, network: Network, setting: Setting, kernels: Kernels, constant: float, rules: Rules
    ) -> None:
        self.network = network
        self.rules = rules
        self.setting = setting
        self.kernels = kernels
        self.constant = constant
        self.constant_energy = setting.energies.m * constant**2
        self._beam = 1 if any(map(kernels.large, network.layers())) else rules.beam
        self._connected = lru_cache(SHARED)(self._connected_nodes)
        self._reach = lru_cache(KEPT)(self._reach_of)

    @cached_property
    def influences(self) -> list[torch.Tensor]:
        """Influence of each channel of each node of the network on the output."""
        return influences(self.network)

    def walks(self, fixed: dict[str, Choice] | None = None) -> list[PeelingResult]:
        """Return the most promising walks, each with every norm of the output that the rules allow.

        Args:
            fixed: node sizes and norms to use instead of searching.

        Raises:
            NotCovered: the theorem does not cover an operation of the network.
        """
        require(self.network, self.rules.covered, operation_name_by_size)
        states = [PartialWalk({0: InputField()}, None)]
        needed = self._last_uses()
        for index, node in enumerate(self.network.nodes[1:], start=1):
            states = [self._forget(state, index, needed) for state in self._step(states, index, node, fixed)]
        return [walk for state in states for walk in self._finish(state, fixed)]

    def best(self, fixed: dict[str, Choice] | None = None) -> PeelingResult:
        """Return the walk with the smallest published bound.

        Args:
            fixed: node sizes and norms to use instead of searching.

        Raises:
            NotCovered: the theorem does not cover an operation of the network.
        """
        return min(self.walks(fixed), key=lambda walk: walk.log_complexity(self.setting.energies.m))

    def _last_uses(self) -> dict[int, int]:
        return {source: index for index, node in enumerate(self.network.nodes) for source in node.inputs}

    @staticmethod
    def _forget(state: PartialWalk, index: int, last_use: dict[int, int]) -> PartialWalk:
        kept = {i: value for i, value in state.values.items() if last_use.get(i, math.inf) > index}
        return replace(state, values=kept)

    def _step(
        self, states: list[PartialWalk], index: int, node: Node, fixed: dict[str, Choice] | None
    ) -> list[PartialWalk]:
        reached: list[PartialWalk] = []
        refused: NotCovered | None = None
        for state in states:
            try:
                # what came before a refusal is kept
                reached.extend(self._successors(state, index, node, fixed))
            except NotCovered as error:
                refused = error
        if not reached:
            assert refused is not None
            raise refused
        return most_promising(reached, self._beam)

    def _successors(
        self, state: PartialWalk, index: int, node: Node, fixed: dict[str, Choice] | None
    ) -> Iterator[PartialWalk]:
        if isinstance(node, ReLU | LeakyReLU):
            rectified = isinstance(node, ReLU)
            if isinstance(node, LeakyReLU) and node.weights:
                raise NotCovered("a trained slope of a leaky ReLU", place_of(self.network, index))
            yield from self._activated(state, node.inputs[0], index, fixed, rectified=rectified)
            return
        if isinstance(node, Concat):
            for ready in self._all_realised(state, node, fixed):
                parts = [ready.values[i] for i in node.inputs]
                yield ready.with_value(index, joined(parts, place_of(self.network, index)))
            return
        if isinstance(node, Add):
            yield state.with_value(index, self._added(state, node, index))
            return
        for ready in self._realised(state, node.inputs[0], fixed):
            yield ready.with_value(index, self._value(ready, node, index))

    def _added(self, state: PartialWalk, node: Add, index: int) -> PreActivation:
        parts = [state.values[i] for i in node.inputs]
        place = place_of(self.network, index)
        if any(isinstance(part, InputField) for part in parts):
            raise NotCovered("residual sum with the input", place)
        signed = any(isinstance(part, NeuronGroups) and not part.rectified for part in parts)
        if signed and self.rules.counts_paths:
            raise NotCovered("residual sum of a value that is not a ReLU's", place)
        layers = tuple(pair for part in parts if isinstance(part, PreActivation) for pair in part.layers)
        skips = tuple(
            skip
            for part in parts
            for skip in (part.skips if isinstance(part, PreActivation) else (part,))
            if isinstance(skip, NeuronGroups)
        )
        return PreActivation(layers, skips, place)

    def _realised(
        self, state: PartialWalk, source: int, fixed: dict[str, Choice] | None
    ) -> Iterator[PartialWalk]:
        if isinstance(state.values[source], PreActivation):
            yield from self._activated(state, source, source, fixed, rectified=False)
        else:
            yield state

    def _all_realised(
        self, state: PartialWalk, node: Node, fixed: dict[str, Choice] | None
    ) -> Iterable[PartialWalk]:
        ready: Iterable[PartialWalk] = [state]
        for source in node.inputs:
            ready = [after for before in ready for after in self._realised(before, source, fixed)]
        return ready

    def _value(self, state: PartialWalk, node: Node, index: int) -> Value:
        source = state.values[node.inputs[0]]
        place = place_of(self.network, index)
        if isinstance(node, Affine):
            assert not isinstance(source, PreActivation)
            return PreActivation(((node, source),), (), node.name)
        if not isinstance(source, NeuronGroups):
            raise NotCovered(f"{operation_name(node)} of the input", place)
        positions = self.setting.positions
        match node:
            case AvgPool():
                return averaged(source, node, positions)
            case MaxPool():
                if not source.rectified and not self.rules.signed_pools:
                    raise NotCovered("max pooling of a value that is not a ReLU's", place)
                return pooled(source, node, positions)
            case ChannelAffine():
                return scaled(source, node, self.constant, self.constant_energy, place)
            case Rearrange():
                return rearranged(source, node, self.network.nodes[node.inputs[0]], positions, place)
            case _:
                raise NotCovered(operation_name(node), place)

    def _activated(
        self,
        state: PartialWalk,
        source: int,
        target: int,
        fixed: dict[str, Choice] | None,
        *,
        rectified: bool,
    ) -> Iterator[PartialWalk]:
        value = state.values[source]
        if isinstance(value, InputField):
            raise NotCovered("ReLU of the input", place_of(self.network, target))
        if isinstance(value, NeuronGroups):
            apart = value.group == 1 and not self.rules.counts_paths
            if not value.rectified and not apart:
                raise NotCovered("ReLU after average pooling", place_of(self.network, target))
            yield state.with_value(target, replace(value, rectified=rectified or value.rectified))
            return
        if not rectified and value.skips and self.rules.counts_paths:
            raise NotCovered("residual sum without ReLU", value.place)
        for choice in self._options(value, fixed):
            field = self._field(value, choice, rectified)
            chosen = Chosen(tuple(layer for layer, _ in value.layers), choice, state.chosen)
            score = 0.0
            if fixed is None:
                score = self.rules.promise(field, self._reach(target, choice.group), self.setting.energies)
            yield PartialWalk({**state.values, target: field}, chosen, score)

    def _options(self, value: PreActivation, fixed: dict[str, Choice] | None) -> list[Choice]:
        forced = {skip.group for skip in value.skips}
        if len(forced) > 1:
            raise NotCovered("residual sum of values split differently", value.place)
        if not value.layers:
            return [Choice(forced.pop(), self.rules.of_copies)]
        layer = value.layers[0][0]
        if fixed is not None:
            return [Choice(forced.pop() if forced else fixed[layer.name].group, fixed[layer.name].norm)]
        whole = [1, layer.shape[0]] if self.kernels.large(layer) else group_sizes(layer.shape[0])
        sizes = list(forced) or self.rules.sizes(value, whole)
        return [Choice(size, norm) for size in sizes for norm in self.rules.norms(value)]

    def _field(self, value: PreActivation, choice: Choice, rectified: bool) -> NeuronGroups:
        channels = value.layers[0][0].shape[0] if value.layers else value.skips[0].channels
        sums = [self._through(layer, source, choice) for layer, source in value.layers]
        sums += [Predecessors.of(skip, choice.norm) for skip in value.skips]
        feed = Predecessors.joined(sums)
        squares, exponent = feed.squares()
        energy, paths, dead = feed.energy(), feed.log_paths, feed.fan_in == 0
        if bool(dead.any()):
            squares = squares.masked_fill(dead, 0.0)
            energy, paths = (each.masked_fill(dead, -math.inf) for each in (energy, paths))
        log_factor = feed.log_factor + (LOG2 if rectified else 0.0)
        return NeuronGroups(choice.group, channels, rectified, exponent, squares, energy, paths, log_factor)

    def _through(self, layer: Affine, source: NeuronGroups | InputField, choice: Choice) -> Predecessors:
        feed = (
            self._from_input(layer, choice)
            if isinstance(source, InputField)
            else self._from_nodes(layer, source, choice)
        )
        bias = self._biases(layer, choice.group)
        return feed if bias is None else feed.with_constant(*bias, self.constant_energy)

    def _from_nodes(self, layer: Affine, source: NeuronGroups, choice: Choice) -> Predecessors:
        norm = choice.norm
        positions, scales = self.setting.positions, norm.scales(source.squares)
        parts = self.kernels.weights(layer, choice.group, source.group, norm)
        fan_in, log_energy, log_paths = self._connected(layer, source, choice.group)
        return Predecessors(
            norm=norm,
            exponent=source.exponent + self.kernels.exponent(layer),
            sizes=torch.cat([positions.total(scales, weights, layer) for weights in parts]),
            fan_in=fan_in,
            log_energy=log_energy,
            log_paths=log_paths,
            log_factor=source.log_factor,
        )

    def _connected_nodes(self, layer: Affine, source: NeuronGroups, group: int) -> tuple[torch.Tensor, ...]:
        """Return fan-in, largest log energy and log of the number of paths; they do not depend on the norm."""
        if not self.rules.counts_paths:
            fan_in = self.kernels.fan_in(layer, group, source)
            living = torch.zeros_like(fan_in).masked_fill(fan_in == 0, -math.inf)
            return fan_in, living + source.log_energy.max(), living
        positions = self.setting.positions
        relative, top = relative_paths(source)
        alive = source.alive.double()
        taps = self.kernels.taps_of_all(layer)
        if taps:
            nodes = -(-layer.shape[0] // group)
            same = (alive.sum() * taps, source.log_energy.max(), (relative.sum() * taps).log() + top)
            return tuple(value.expand(nodes, 1, 1) for value in same)
        found = [
            (
                positions.total(alive, links, layer),
                positions.largest(source.log_energy, links, layer),
                positions.total(relative, links, layer).log() + top,
            )
            for links in self.kernels.links(layer, group, source.group)
        ]
        return tuple(torch.cat([each[k] for each in found]) for k in range(3))

    def _from_input(self, layer: Affine, choice: Choice) -> Predecessors:
        key = layer, choice.group, choice.norm.name, self.rules.counts_paths
        if key not in self.setting.inputs:
            self.setting.inputs[key] = self._read_input(layer, choice)
        return self.setting.inputs[key]

    def _read_input(self, layer: Affine, choice: Choice) -> Predecessors:
        norm, positions, energies = choice.norm, self.setting.positions, self.setting.energies.coordinate
        weights, links = self.kernels.from_inputs(layer, choice.group, norm)
        degree, sizes = positions.taps(links, layer), positions.taps(weights, layer)
        if norm.name == "l2":
            parts = (degree > 0).double(), positions.read(energies, links, layer).log()
            paths = (degree > 0).double().log()
        else:
            strongest = degree.log().clamp(max=0.0) + energies.max().log()
            if self.rules.counts_paths:
                strongest = positions.read_max(energies.log(), links, layer)
            parts, paths = (degree, strongest), degree.log()
        exponent = self.kernels.exponent(layer)
        return Predecessors(norm, exponent, sizes, *parts, paths, 0.0, joint=norm.name == "l2")

    def _biases(self, layer: Affine, group: int) -> Biases:
        key, known = (layer, group, self.constant), self.setting.biases
        if key not in known:
            known[key] = self._biases_of(layer, group)
        return known[key]

    def _biases_of(self, layer: Affine, group: int) -> Biases:
        fed = self.setting.structure.biases(layer)
        if layer.bias is None or fed is None:
            return None
        unit, exponent = unit_sized(layer.bias / self.constant)
        squared = group_sum(squares_of(unit), group, 0)
        log_feeds = (group_sum(fed.double(), group, 0) > 0).double().log()
        spread = self.setting.positions.spread
        return spread(squared, layer), exponent, spread(log_feeds, layer)

    def _reach_of(self, target: int, group: int) -> torch.Tensor:
        return group_sum(self.influences[target].square(), group, 0).sqrt()[:, None, None]

    def _finish(self, state: PartialWalk, fixed: dict[str, Choice] | None) -> Iterator[PeelingResult]:
        value = state.values[len(self.network.nodes) - 1]
        if not isinstance(value, PreActivation):
            place = place_of(self.network, len(self.network.nodes) - 1)
            raise NotCovered("an output that is not a layer's", place)
        if value.skips:
            raise NotCovered("residual sum on the outputs", value.place)
        for choice in self.rules.last(value, fixed):
            last = Chosen(tuple(layer for layer, _ in value.layers), choice, state.chosen)
            yield self._output(value, choice, last.split())

    def _output(self, value: PreActivation, choice: Choice, split: dict[str, Choice]) -> PeelingResult:
        norm = choice.norm
        feed = Predecessors.joined([self._through(layer, source, choice) for layer, source in value.layers])
        outputs = math.prod(self.network.nodes[-1].shape)
        if self.setting.positions.name != "exact":
            feed = feed.repeated(outputs // feed.sizes.numel())
        total = norm.squared(feed.sizes.sum())
        pairs = float(norm.log_fan_in(feed.fan_in.sum()))
        energy = float(feed.log_energy.max())
        single = feed.joint
        if single:
            pairs, energy = math.log(outputs), self._union_energy(value)
        summed, steps, largest = self._work(outputs)
        paths = float(feed.log_paths.flatten().logsumexp(0))
        return PeelingResult(
            log_rho=log_product([0.5 * log_up(float(total), summed), feed.exponent * LOG2]),
            log_output_pairs=pairs,
            log_energy=energy + log_error(summed, steps, largest),
            log_paths=paths + log_error(summed, steps, largest),
            log_factor=feed.log_factor * (1 + slack(steps)),
            split=split,
            single_layer=single,
            fan_ins=tuple(feed.fan_in.flatten().tolist()),
        )

    def _work(self, outputs: int) -> tuple[int, int, float]:
        """Return the number of terms summed on the way to an output, the number of steps, and the largest logarithm.

        The relative error of a scale, or of a path count, grows with the sum over its predecessors and their rows, and by a few
        operations per node. Logarithms of energies are at first between -745 and 710 + log m. They and the logarithms of path counts
        grow in each step by at most the log of the number of a layer's connections.
        """
        layers = list(self.network.layers())
        summed = outputs + sum(layer.weight[0].numel() + layer.weight.shape[0] + 8 for layer in layers)
        summed += sum(sum(node.shape) + 8 for node in self.network.nodes)
        grown = sum(math.log(2 + math.prod(node.shape)) for node in self.network.nodes)
        largest = 745.0 + math.log(self.setting.energies.m) + grown
        return summed, 4 * len(self.network.nodes), largest

    def _union_energy(self, value: PreActivation) -> float:
        layer = value.layers[0][0]
        feed = self._through(layer, InputField(), Choice(layer.shape[0], NORMS[0]))
        return float(feed.log_energy.max())

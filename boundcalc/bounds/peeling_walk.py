"""One walk over the node graph of theory section 1: scales, fan-ins, energies and path counts, splits searched by a beam."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from boundcalc.bounds.peeling_feed import Feed
from boundcalc.empirical.energies import Energies
from boundcalc.errors import NotCovered
from boundcalc.network.chain import operation_name, place_of
from boundcalc.network.network import Network
from boundcalc.network.nodes import ExactPositions, Field, Positions, group_sum, ungrouped
from boundcalc.network.ops import Add, Affine, AvgPool, MaxPool, Node, Rearrange, ReLU

BEAM = 12
LOG2 = math.log(2.0)


@dataclass(frozen=True)
class Structure:
    """Who may feed whom.

    Attributes:
        name: ``"masked"`` or ``"dense"``.
        connections: layer -> (out, in / groups, kh, kw) bool.
        biases: layer -> (out,) bool, which outputs the constant feeds; None for a layer without bias.
    """

    name: str
    connections: Callable[[Affine], torch.Tensor]
    biases: Callable[[Affine], torch.Tensor | None]


@dataclass(frozen=True)
class Setting:
    """What all walks of a search share.

    Attributes:
        structure: which connections exist.
        positions: exact positions or one general position.
        energies: of the sample.
    """

    structure: Structure
    positions: Positions
    energies: Energies


class Kernels:
    """Squared weights and connections of each layer, grouped into nodes; each grouping is made once for a search."""

    def __init__(self, structure: Structure, positions: Positions) -> None:
        self._structure = structure
        self._positions = positions
        self._made: dict[tuple[str, int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def between_nodes(self, layer: Affine, group: int, below: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (squared weights, connections), (nodes, nodes below, taps...), as the positions use them."""
        squares, links = self.from_inputs(layer, group)
        key = (layer.name, group, below)
        if key not in self._made:
            kernel = self._positions.kernel
            connected = (group_sum(links, below, 1) > 0).double()
            self._made[key] = kernel(group_sum(squares, below, 1)), kernel(connected)
        return self._made[key]

    def from_inputs(self, layer: Affine, group: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (squared weights, connections), (nodes, channels below, kernel height, kernel width)."""
        key = (layer.name, group, 0)
        if key not in self._made:
            squares = group_sum(ungrouped(layer.weight.square(), layer.groups), group, 0)
            links = group_sum(ungrouped(self._structure.connections(layer).double(), layer.groups), group, 0)
            self._made[key] = squares, (links > 0).double()
        return self._made[key]


@dataclass(frozen=True, eq=False)
class InputField:
    """The raw input: not a node, restricted anew by every node that reads it."""


@dataclass(frozen=True, eq=False)
class Sum:
    """A value before its ReLU: layers applied to fields, plus fields added as they are."""

    layers: tuple[tuple[Affine, Field | InputField], ...]
    skips: tuple[Field, ...]
    place: str


@dataclass(frozen=True, eq=False)
class State:
    """A partial walk: the values still needed and the node sizes chosen."""

    values: dict[int, Field | InputField | Sum]
    split: dict[str, int]
    score: float = 0.0


@dataclass(frozen=True)
class Walk:
    """The ingredients of the theorem for one split, all from above, natural logs.

    Attributes:
        log_rho: scale of the output.
        log_output_pairs: log A_L.
        log_energy: largest log of prod |pred| * E over paths, without A_L.
        log_paths: log N.
        log_factor: (L - 1) log 2 and the poolings' share.
        split: layer -> channels in a node.
        single_layer: whether there is no hidden layer, where the theorem has its own form.
    """

    log_rho: float
    log_output_pairs: float
    log_energy: float
    log_paths: float
    log_factor: float
    split: dict[str, int]
    single_layer: bool

    @property
    def log_b(self) -> float:
        """Log B."""
        return 0.5 * (self.log_output_pairs + self.log_energy)

    def log_unit(self, m: int) -> float:
        """Return the log of R_S at rho = 1 for m samples."""
        if self.log_energy == -math.inf:
            return -math.inf
        spread = 0.0 if self.single_layer else math.sqrt(max(0.0, 2 * (self.log_factor + self.log_paths)))
        return self.log_b + math.log1p(spread) - math.log(m) + 1e-13

    def log_complexity(self, m: int) -> float:
        """Return the log of R_S at the network's own rho; -inf for a network that is 0."""
        return self.log_rho + self.log_unit(m) if self.log_rho > -math.inf else -math.inf


def group_sizes(channels: int) -> list[int]:
    """Return the fixed options for the node size of a layer: 1, 2, 4, ..., all.

    Example:
        >>> group_sizes(10)
        [1, 2, 4, 8, 10]
    """
    return [2**k for k in range(channels.bit_length()) if 2**k < channels] + [channels]


class Walker:
    """Walks one network with one value t of the constant unit.

    Args:
        network: the network.
        setting: structure, positions and energies.
        kernels: grouped kernels, shared by the walks of a search.
        constant: t.
    """

    def __init__(self, network: Network, setting: Setting, kernels: Kernels, constant: float) -> None:
        self.network = network
        self.setting = setting
        self.kernels = kernels
        self.constant = constant
        self.constant_energy = setting.energies.m * constant**2

    def best(self, fixed: dict[str, int] | None = None) -> Walk:
        """Return the walk with the smallest bound.

        Args:
            fixed: node sizes to use instead of searching.

        Raises:
            NotCovered: the network holds an operation outside the theorem.
        """
        states = [State({0: InputField()}, {})]
        needed = self._last_uses()
        for index, node in enumerate(self.network.nodes[1:], start=1):
            states = self._step(states, index, node, fixed)
            states = [self._forget(state, index, needed) for state in states]
        last = len(self.network.nodes) - 1
        walks = [self._finish(state.values[last], state.split) for state in states]
        return min(walks, key=lambda walk: walk.log_complexity(self.setting.energies.m))

    def _last_uses(self) -> dict[int, int]:
        return {source: index for index, node in enumerate(self.network.nodes) for source in node.inputs}

    @staticmethod
    def _forget(state: State, index: int, last_use: dict[int, int]) -> State:
        kept = {i: value for i, value in state.values.items() if last_use.get(i, math.inf) > index}
        return replace(state, values=kept)

    def _step(self, states: list[State], index: int, node: Node, fixed: dict[str, int] | None) -> list[State]:
        reached: list[State] = []
        refused: NotCovered | None = None
        for state in states:
            try:
                reached += list(self._successors(state, index, node, fixed))
            except NotCovered as error:
                refused = error
        if not reached:
            assert refused is not None
            raise refused
        return sorted(reached, key=lambda state: state.score)[:BEAM]

    def _successors(
        self, state: State, index: int, node: Node, fixed: dict[str, int] | None
    ) -> Iterator[State]:
        if isinstance(node, ReLU):
            yield from self._activated(state, node.inputs[0], index, fixed, rectified=True)
            return
        if isinstance(node, Add):
            yield self._with(state, index, self._added(state, node, index))
            return
        for ready in self._realised(state, node.inputs[0], fixed):
            yield self._with(ready, index, self._value(ready, node, index))

    @staticmethod
    def _with(state: State, index: int, value: Field | InputField | Sum, score: float | None = None) -> State:
        return State({**state.values, index: value}, state.split, state.score if score is None else score)

    def _added(self, state: State, node: Add, index: int) -> Sum:
        parts = [state.values[i] for i in node.inputs]
        place = place_of(self.network, index)
        if any(isinstance(part, InputField) for part in parts):
            raise NotCovered("residual sum with the input", place)
        if any(isinstance(part, Field) and not part.rectified for part in parts):
            raise NotCovered("residual sum of a value that is not a ReLU's", place)
        layers = tuple(pair for part in parts if isinstance(part, Sum) for pair in part.layers)
        skips = tuple(
            skip
            for part in parts
            for skip in (part.skips if isinstance(part, Sum) else (part,))
            if isinstance(skip, Field)
        )
        return Sum(layers, skips, place)

    def _realised(self, state: State, source: int, fixed: dict[str, int] | None) -> Iterator[State]:
        if isinstance(state.values[source], Sum):
            yield from self._activated(state, source, source, fixed, rectified=False)
        else:
            yield state

    def _value(self, state: State, node: Node, index: int) -> Field | InputField | Sum:
        source = state.values[node.inputs[0]]
        place = place_of(self.network, index)
        if isinstance(node, Affine):
            assert not isinstance(source, Sum)
            return Sum(((node, source),), (), node.name)
        if not isinstance(source, Field):
            raise NotCovered(f"{operation_name(node)} of the input", place)
        match node:
            case AvgPool():
                return self._averaged(source, node)
            case MaxPool():
                if not source.rectified:
                    raise NotCovered("max pooling of a value that is not a ReLU's", place)
                return self._pooled(source, node)
            case Rearrange():
                return self._rearranged(source, node, place)
            case _:
                raise NotCovered(operation_name(node), place)

    def _activated(
        self, state: State, source: int, target: int, fixed: dict[str, int] | None, *, rectified: bool
    ) -> Iterator[State]:
        value = state.values[source]
        if isinstance(value, InputField):
            raise NotCovered("ReLU of the input", place_of(self.network, target))
        if isinstance(value, Field):
            if not value.rectified:
                raise NotCovered("ReLU after average pooling", place_of(self.network, target))
            yield self._with(state, target, value)
            return
        if not rectified and value.skips:
            raise NotCovered("residual sum without ReLU", value.place)
        for group in self._options(value, fixed):
            field = self._field(value, group, rectified)
            split = {**state.split, **{layer.name: group for layer, _ in value.layers}}
            yield State({**state.values, target: field}, split, _potential(field))

    @staticmethod
    def _options(value: Sum, fixed: dict[str, int] | None) -> list[int]:
        forced = {skip.group for skip in value.skips}
        if len(forced) > 1:
            raise NotCovered("residual sum of values split differently", value.place)
        if forced:
            return list(forced)
        layer = value.layers[0][0]
        return group_sizes(layer.shape[0]) if fixed is None else [fixed[layer.name]]

    def _field(self, value: Sum, group: int, rectified: bool) -> Field:
        channels = value.layers[0][0].shape[0] if value.layers else value.skips[0].channels
        sums = [self._through(layer, source, group) for layer, source in value.layers]
        sums += [Feed.of(skip) for skip in value.skips]
        feed = Feed.joined(sums).normalised()
        energy = feed.log_energy if feed.concatenated else feed.log_energy + feed.fan_in.clamp(min=1).log()
        dead = feed.fan_in == 0
        return Field(
            group, channels, rectified, feed.log_scale, feed.squares.masked_fill(dead, 0.0),
            energy.masked_fill(dead, -math.inf), feed.log_paths.masked_fill(dead, -math.inf),
            feed.log_factor + (LOG2 if rectified else 0.0),
        )  # fmt: skip

    def _through(self, layer: Affine, source: Field | InputField, group: int) -> Feed:
        if isinstance(source, InputField):
            return self._from_input(layer, group)
        squares, links = self.kernels.between_nodes(layer, group, source.group)
        positions = self.setting.positions
        alive = source.alive.double()
        relative, top = _relative_paths(source)
        paths = positions.total(relative, links, layer)
        feed = Feed(
            log_scale=source.log_scale,
            squares=positions.total(source.squares, squares, layer),
            fan_in=positions.total(alive, links, layer),
            log_energy=positions.largest(source.log_energy, links, layer),
            log_paths=paths.log() + top,
            log_factor=source.log_factor,
            concatenated=False,
        )
        return self._with_constant(feed, layer, group)

    def _from_input(self, layer: Affine, group: int) -> Feed:
        exact = self.setting.energies.coordinate
        squares, links = self.kernels.from_inputs(layer, group)
        energy = ExactPositions.total(exact, links, layer)
        degree = ExactPositions.total(torch.ones_like(exact), links, layer)
        norms = ExactPositions.total(torch.ones_like(exact), squares, layer)
        if self.setting.positions.name != "exact":
            energy, degree, norms = (v.flatten(1).amax(1)[:, None, None] for v in (energy, degree, norms))
        reached = (degree > 0).double()
        bias = self._bias(layer, group)
        if bias is not None:
            squared, fed = bias
            spread = self.setting.positions.spread
            norms = norms + spread(squared, layer)
            energy = energy + spread(fed * self.constant_energy, layer)
            reached = torch.maximum(reached, spread(fed, layer))
        paths = torch.zeros_like(energy)
        return Feed(0.0, norms, reached, energy.log(), paths, 0.0, concatenated=True)

    def _bias(self, layer: Affine, group: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        fed = self.setting.structure.biases(layer)
        if layer.bias is None or fed is None:
            return None
        squared = group_sum((layer.bias / self.constant).square(), group, 0)
        return squared, (group_sum(fed.double(), group, 0) > 0).double()

    def _with_constant(self, feed: Feed, layer: Affine, group: int) -> Feed:
        bias = self._bias(layer, group)
        if bias is None:
            return feed
        squared, fed = (self.setting.positions.spread(part, layer) for part in bias)
        log_fed = fed.log()
        return replace(
            feed,
            squares=feed.squares + squared * math.exp(-2 * feed.log_scale),
            fan_in=feed.fan_in + fed,
            log_energy=torch.maximum(feed.log_energy, log_fed + math.log(self.constant_energy)),
            log_paths=torch.logaddexp(feed.log_paths, log_fed),
        )

    def _averaged(self, source: Field, node: AvgPool) -> Field:
        positions = self.setting.positions
        reads = (node.rows_h != 0).double(), (node.rows_w != 0).double()
        scale = positions.averaged(source.squares.sqrt(), node.rows_h.abs(), node.rows_w.abs())
        relative, top = _relative_paths(source)
        paths = positions.averaged(relative, *reads)
        return replace(
            source,
            squares=scale.square(),
            log_energy=positions.averaged_max(source.log_energy, *reads),
            log_paths=paths.log() + top,
        )

    def _pooled(self, source: Field, node: MaxPool) -> Field:
        positions, size = self.setting.positions, math.prod(node.window.kernel)
        relative, top = _relative_paths(source)
        paths = positions.window_sum(relative, node.window)
        return replace(
            source,
            squares=positions.window_sum(source.squares.sqrt(), node.window).square(),
            log_energy=positions.window_max(source.log_energy, node.window),
            log_paths=paths.log() + top,
            log_factor=source.log_factor + math.ceil(math.log2(size)) * math.log(1.5),
        )

    def _rearranged(self, source: Field, node: Rearrange, place: str) -> Field:
        if source.group != 1:
            raise NotCovered("cropping or padding of nodes of several channels", place)
        before = self.network.nodes[node.inputs[0]].shape
        area = before[1] * before[2]

        def pick(values: torch.Tensor, empty: float) -> torch.Tensor:
            return self.setting.positions.picked(values, node.source, area, empty)

        return replace(
            source,
            channels=node.shape[0],
            squares=pick(source.squares, 0.0),
            log_energy=pick(source.log_energy, -math.inf),
            log_paths=pick(source.log_paths, -math.inf),
        )

    def _finish(self, value: Field | InputField | Sum, split: dict[str, int]) -> Walk:
        last = place_of(self.network, len(self.network.nodes) - 1)
        if not isinstance(value, Sum):
            raise NotCovered("an output that is no layer's", last)
        if value.skips:
            raise NotCovered("residual sum on the outputs", value.place)
        feed = Feed.joined([self._through(layer, source, 1) for layer, source in value.layers])
        outputs = math.prod(self.network.nodes[-1].shape)
        if self.setting.positions.name != "exact":
            feed = feed.repeated(outputs // feed.squares.numel())
        total = float(feed.squares.sum())
        pairs = float(feed.fan_in.sum())
        single = all(isinstance(source, InputField) for _, source in value.layers)
        energy = float(feed.log_energy.max())
        if single:
            pairs, energy = float(outputs), self._union_energy(value)
        terms = sum(layer.weight[0].numel() for layer in self.network.layers()) + outputs
        rounding = 1e-15 * (terms + 64)
        return Walk(
            log_rho=_log(total) / 2 + feed.log_scale + rounding,
            log_output_pairs=_log(pairs),
            log_energy=energy + rounding,
            log_paths=float(feed.log_paths.flatten().logsumexp(0)) + rounding,
            log_factor=feed.log_factor,
            split=split,
            single_layer=single,
        )

    def _union_energy(self, value: Sum) -> float:
        layer = value.layers[0][0]
        feed = self._from_input(layer, layer.shape[0])
        return float(feed.log_energy.max())


def _relative_paths(field: Field) -> tuple[torch.Tensor, float]:
    top = float(field.log_paths.max())
    if top == -math.inf:
        return torch.zeros_like(field.log_paths), 0.0
    return (field.log_paths - top).clamp(min=-700.0).exp() * field.alive, top


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _potential(field: Field) -> float:
    size = 0.5 * _log(float(field.squares.sum())) + field.log_scale
    return size + 0.5 * float(field.log_energy.max()) + 0.5 * _log(float(field.alive.sum()))


def split_options(network: Network) -> int:
    """Return the size of the whole fixed grid of splits: the product over hidden layers of their options."""
    layers = list(network.layers())
    return math.prod(len(group_sizes(layer.shape[0])) for layer in layers[:-1])

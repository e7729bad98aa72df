"""The effect of each operation of a network on norms, in the order of execution.

A step reads earlier steps. Steps with weights are `LayerStep` (a matrix, with the average poolings before it multiplied in),
`Diagonal` (one factor per channel) and `Slopes` (a trained leaky ReLU); all others are fixed before the sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from boundcalc.network.chain import ToeplitzLayer
from boundcalc.network.coverage import KNOWN_NODES, require
from boundcalc.network.ops import (
    Activation,
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    Input,
    LeakyReLU,
    MaxPool,
    Node,
    Rearrange,
    ReLU,
)
from boundcalc.norms.rounding import LOG2, log_up
from boundcalc.norms.spectral import pool_norm
from boundcalc.rademacher.relu_cost import (
    LOG_STEP,
    contraction_log_cost,
    leaky_log_cost,
    maximum_steps,
    rectified_maximum_steps,
)

if TYPE_CHECKING:
    import torch

    from boundcalc.network.geometry import Axis
    from boundcalc.network.network import Network


@dataclass(frozen=True, eq=False)
class ToeplitzStep:
    """One value of the network.

    Attributes:
        inputs: indices of the steps that it reads, all smaller than its own.
        signed: whether its entries may be negative.
    """

    inputs: tuple[int, ...]
    signed: bool


@dataclass(frozen=True, eq=False)
class InputStep(ToeplitzStep):
    """The network's input."""


@dataclass(frozen=True, eq=False)
class LayerStep(ToeplitzStep):
    """A linear or convolution layer, ``A v + b``.

    Attributes:
        place: index of the layer among the layers of the network.
        link: the layer and the average poolings that are multiplied into A.
    """

    place: int
    link: ToeplitzLayer

    @property
    def name(self) -> str:
        """The layer's name in the checkpoint."""
        return self.link.layer.name

    @property
    def bias(self) -> torch.Tensor | None:
        """Bias, (channels,) float64; None if there is none or all entries are 0."""
        return _nonzero(self.link.layer.bias)

    @property
    def positions(self) -> int:
        """Number of output positions O."""
        return math.prod(self.link.layer.window.out)


@dataclass(frozen=True, eq=False)
class Diagonal(ToeplitzStep):
    """``scale * v + shift`` in every channel.

    Attributes:
        name: name of the module.
        scale: factor of each channel, (channels,) float64.
        shift: shift of each channel, (channels,) float64; None if all are 0.
        positions: number of positions of the image.
        trained: whether scale and shift may depend on the sample.
    """

    name: str
    scale: torch.Tensor
    shift: torch.Tensor | None
    positions: int
    trained: bool = True

    @property
    def bias(self) -> torch.Tensor | None:
        """The shift, as a bias."""
        return self.shift


@dataclass(frozen=True, eq=False)
class Fixed(ToeplitzStep):
    """An operation without weights that maps 0 to 0.

    Attributes:
        log_l2: log of its Lipschitz constant in the Euclidean norm.
        log_units: log of the factor by which the Euclidean norm of single units' scales grows.
        log_row: log of the factor by which the largest scale of a unit grows.
        levels: number of contractions that it takes one after another; 0 for a linear map.
        log_cost: log of the product of their factors.
        window: number of entries of which a maximum is taken; 1 for any other operation.
        patient: whether values >= 0 pass its contractions unchanged (ReLU, maxima of values >= 0).
        homogeneous: whether it is positively homogeneous and fixed, which bounds of kind F require.
        common: whether it is one fixed function of every entry that is not homogeneous. Kind F takes it in the form 1inf, with the
            norm of every layer on a grid of its own.
    """

    log_l2: float = 0.0
    log_units: float = 0.0
    log_row: float = 0.0
    levels: int = 0
    log_cost: float = 0.0
    window: int = 1
    patient: bool = True
    homogeneous: bool = True
    common: bool = False


def _no_slopes() -> torch.Tensor:
    import torch as t

    return t.zeros(1, dtype=t.float64)


@dataclass(frozen=True, eq=False)
class Slopes(Fixed):
    """A leaky ReLU whose negative slopes were trained.

    Attributes:
        name: name of the module.
        scale: slope of each channel for negative values, (channels,) float64.
    """

    name: str = ""
    scale: torch.Tensor = field(default_factory=_no_slopes)
    trained: ClassVar[bool] = True
    bias: ClassVar[None] = None
    positions: ClassVar[int] = 1


@dataclass(frozen=True, eq=False)
class SumStep(ToeplitzStep):
    """The sum of its inputs."""


@dataclass(frozen=True, eq=False)
class Stack(ToeplitzStep):
    """The concatenation of its inputs along the channels."""


Block = LayerStep | Diagonal | Slopes


def never_biased(step: Block) -> bool:
    """Return whether the architecture gives the layer no bias; a bias that exists and is 0 is a choice, which is paid for."""
    if isinstance(step, LayerStep):
        return step.link.layer.bias is None
    return isinstance(step, Slopes) or not step.trained


def steps_of(network: Network) -> tuple[ToeplitzStep, ...]:
    """Return one step for every node.

    Raises:
        NotCovered: some operations have no step; the message names all of them.
    """
    require(network, KNOWN_NODES)
    steps: list[ToeplitzStep] = []
    places = 0
    for node in network.nodes:
        if isinstance(node, Affine):
            steps.append(_layer(network, node, places))
            places += 1
        else:
            steps.append(_step(network, node, steps))
    return tuple(steps)


def _layer(network: Network, node: Affine, place: int) -> LayerStep:
    """Return the step of a layer; it reads the value before the average poolings in front of it, unless the layer is circular."""
    pools: list[AvgPool] = []
    (source,) = node.inputs
    while not node.circular and isinstance(before := network.nodes[source], AvgPool):
        pools.insert(0, before)
        (source,) = before.inputs
    return LayerStep((source,), True, place, ToeplitzLayer(node, tuple(pools)))


def _step(network: Network, node: Node, steps: list[ToeplitzStep]) -> ToeplitzStep:
    signed = any(steps[i].signed for i in node.inputs)
    match node:
        case Input():
            return InputStep((), True)
        case Add():
            return SumStep(node.inputs, signed)
        case Concat():
            return Stack(node.inputs, signed)
        case ChannelAffine():
            shift, positions = _nonzero(node.shift), node.shape[1] * node.shape[2]
            return Diagonal(node.inputs, True, node.name, node.scale, shift, positions, node.trained)
        case MaxPool():
            return _maximum(node, signed, isinstance(network.nodes[node.inputs[0]], ReLU))
        case _:
            return _fixed(node, signed)


def _fixed(node: Node, signed: bool) -> Fixed:
    match node:
        case ReLU():
            return Fixed(node.inputs, False, levels=1, log_cost=LOG_STEP)
        case AvgPool():
            return _average(node, signed)
        case Rearrange():
            root = 0.5 * math.log(max(1, node.copies))
            return Fixed(node.inputs, signed, root, root)
        case LeakyReLU():
            return _leaky(node)
        case Activation():
            steepest, cost = log_up(node.lipschitz, 1), contraction_log_cost(node.even, node.lipschitz)
            return Fixed(
                node.inputs, True, steepest, steepest, steepest, 1, cost, patient=False, homogeneous=False, common=True
            )  # fmt: skip
    raise AssertionError(f"{type(node).__name__} has no step")


def _average(node: AvgPool, signed: bool) -> Fixed:
    norm = log_up(pool_norm(ToeplitzLayer(None, (node,))).upper, 1)  # type: ignore[arg-type]
    rows = float(node.rows_h.abs().sum(1).max() * node.rows_w.abs().sum(1).max())
    return Fixed(node.inputs, signed, norm, norm, log_up(rows, node.rows_h.numel() + node.rows_w.numel()))


def _maximum(node: MaxPool, signed: bool, rectified: bool) -> Fixed:
    """Return the step of a max pooling; a ReLU before it and the pooling together are one maximum over its window and 0."""
    axes = node.window.height, node.window.width
    taken = math.prod(int(axis.taps().sum(1).max()) for axis in axes)
    overlap = math.prod(_readers(axis) for axis in axes)
    levels = rectified_maximum_steps(taken) - 1 if rectified else maximum_steps(taken)
    cost = levels * LOG_STEP
    if signed and taken != 2**levels:
        cost += LOG2 - LOG_STEP
    return Fixed(
        node.inputs, signed, 0.5 * math.log(overlap), 0.5 * math.log(taken * overlap), math.log(taken), levels, cost, taken,
        not signed,
    )  # fmt: skip


def _readers(axis: Axis) -> int:
    """Return the largest number of windows that contain the same position."""
    return int(axis.positions()[axis.taps()].bincount().max())


def _leaky(node: LeakyReLU) -> Fixed:
    steepest = log_up(node.lipschitz, 1)
    if node.weights:
        return Slopes(
            node.inputs, True, steepest, levels=1, homogeneous=False, name=node.name, scale=node.slopes
        )
    slope = float(node.slopes[0])
    cost = _leaky_cost(slope)
    return Fixed(node.inputs, True, steepest, steepest, steepest, 1, cost, patient=False)


def _leaky_cost(slope: float) -> float:
    """Return the log of the cost of a leaky ReLU of slope a, divided by its largest slope: |1 + a| / 2 (linear part) plus |1 - a|."""
    if slope >= 0:
        return leaky_log_cost(min(1.0, slope), max(1.0, slope))
    return log_up((abs(1 + slope) / 2 + 1 - slope) / max(1.0, -slope), 4)


def _nonzero(bias: torch.Tensor | None) -> torch.Tensor | None:
    return bias if bias is not None and bool((bias != 0).any()) else None

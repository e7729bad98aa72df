"""The operations a network is made of. Values are images (channels, height, width); a vector is (n, 1, 1).

Flattening and reshaping never appear: a linear layer on a flattened image is a convolution whose kernel
covers the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from boundcalc.network.geometry import Window

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Node:
    """One operation.

    Attributes:
        name: the module it belongs to, or the operation's own name.
        inputs: indices of the nodes it reads, each smaller than its own.
        shape: (channels, height, width) of its value.
    """

    name: str
    inputs: tuple[int, ...]
    shape: Shape


@dataclass(frozen=True, eq=False)
class Input(Node):
    """The network's input."""


@dataclass(frozen=True, eq=False)
class Affine(Node):
    """A linear or convolution layer with bias, BatchNorm folded in.

    Attributes:
        kind: ``"linear"`` or ``"conv2d"``.
        weight: (out, in / groups, kernel height, kernel width) float64, 0 where pruned.
        bias: (out,) float64, or None.
        support: bool, as `weight`: nonzero weights of the file (before folding), within the declared mask.
        declared: bool, as `weight`: the mask that the file declares, or None where it declares none.
        stored_shape: the weight's shape in the file.
        window: how the kernel moves over its input.
        groups: groups of channels.
        circular: whether padding wraps around instead of adding zeros.
        folded: whether a BatchNorm was folded into `weight` and `bias`.
        norms: the BatchNorms that were, in order: module and eps.
    """

    kind: str
    weight: torch.Tensor
    bias: torch.Tensor | None
    support: torch.Tensor
    declared: torch.Tensor | None
    stored_shape: tuple[int, ...]
    window: Window
    groups: int = 1
    circular: bool = False
    folded: bool = False
    norms: tuple[tuple[str, float], ...] = ()

    @property
    def parameters(self) -> int:
        """Number of weights, pruned ones included."""
        return self.weight.numel()

    @property
    def surviving(self) -> int:
        """Number of nonzero weights after masking."""
        return int(self.support.sum())


@dataclass(frozen=True, eq=False)
class ReLU(Node):
    """max(x, 0) in every entry."""


@dataclass(frozen=True, eq=False)
class AvgPool(Node):
    """Average pooling as one matrix per axis: value = rows_h @ x @ rows_w^T in every channel.

    Attributes:
        rows_h: (output height, input height) float64.
        rows_w: (output width, input width) float64.
    """

    rows_h: torch.Tensor
    rows_w: torch.Tensor


@dataclass(frozen=True, eq=False)
class MaxPool(Node):
    """Maximum over windows; padding never wins."""

    window: Window


@dataclass(frozen=True, eq=False)
class Add(Node):
    """Sum of two values of one shape."""


@dataclass(frozen=True, eq=False)
class Rearrange(Node):
    """Cropping, strided slicing or zero padding: every output entry copies one input entry or is 0.

    Attributes:
        source: (channels, height, width) int64, flat index into the input value, -1 for a zero.
    """

    source: torch.Tensor


@dataclass(frozen=True, eq=False)
class ChannelAffine(Node):
    """A BatchNorm in evaluation mode that could not be folded into the layer before it.

    Attributes:
        scale: (channels,) float64.
        shift: (channels,) float64.
        eps: what the BatchNorm adds to its variances.
    """

    scale: torch.Tensor
    shift: torch.Tensor
    eps: float = 0.0


@dataclass(frozen=True, eq=False)
class Unknown(Node):
    """An operation that no bound covers.

    Attributes:
        op: its aten name.
        args: its arguments; a tensor argument is an index into `inputs` wrapped in `Slot`.
        read_as: the shapes, without the batch, in which it reads its inputs.
    """

    op: str
    args: dict[str, Any]
    read_as: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Slot:
    """The place of a tensor argument of an `Unknown` operation among its inputs."""

    index: int

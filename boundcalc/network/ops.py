"""The operations a network is made of. Values are images (channels, height, width); a vector is (n, 1, 1).

Flattening and reshaping never appear: a linear layer on a flattened image is a convolution whose kernel
covers the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch

from boundcalc.checkpoint.program import packet_of
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


class Pruned:
    """Counts of a weight, its nonzero entries and its mask; mixed into whatever has the three tensors.

    Attributes:
        weight: float64, 0 where pruned.
        support: bool, as `weight`: nonzero entries within the declared mask.
        declared: bool, as `weight`: the mask that the file declares, or None where it declares none.
    """

    weight: torch.Tensor
    support: torch.Tensor
    declared: torch.Tensor | None

    @property
    def parameters(self) -> int:
        """Number of weights, pruned ones included."""
        return self.weight.numel()

    @cached_property
    def surviving(self) -> int:
        """Number of nonzero weights after masking."""
        return int(self.support.count_nonzero())

    @property
    def mask(self) -> torch.Tensor:
        """What the file's mask keeps; where it declares none, what is not 0."""
        return self.support if self.declared is None else self.declared

    @cached_property
    def kept(self) -> int:
        """Number of weights that the mask keeps, whether they are 0 or not."""
        return int(self.mask.count_nonzero())


@dataclass(frozen=True, eq=False)
class Affine(Pruned, Node):
    """A linear or convolution layer with bias, BatchNorm folded in.

    Attributes:
        kind: ``"linear"``, ``"conv2d"``, or ``"conv1d"`` with kernels of height 1.
        weight: (out, in / groups, kernel height, kernel width) float64, 0 where pruned.
        bias: (out,) float64, or None.
        support: bool, as `weight`: nonzero weights of the file (before folding), within the declared mask.
        declared: bool, as `weight`: the mask that the file declares, or None where it declares none.
        stored_shape: the weight's shape in the file.
        window: how the kernel moves over its input.
        groups: groups of channels.
        circular: whether padding wraps around instead of adding zeros.
        folded: whether a diagonal layer was folded into `weight` and `bias`.
        norms: the BatchNorms after it that were, in order: module and eps.
        norms_before: the BatchNorms before it that were, in order.
        diagonals: names of what else was folded.
        key: of the weight in the file; layers that share one count its entries once. Empty for a tensor without a name.
        scales: weights of scales that were folded into it, such as a LayerScale's; they are counted beside its own.
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
    norms_before: tuple[tuple[str, float], ...] = ()
    diagonals: tuple[str, ...] = ()
    key: str = ""
    scales: tuple[Weight, ...] = ()


@dataclass(frozen=True, eq=False)
class ReLU(Node):
    """max(x, 0) in every entry."""


@dataclass(frozen=True, eq=False)
class LeakyReLU(Node):
    """x where x >= 0, slope * x elsewhere; one slope a channel (LeakyReLU, PReLU).

    Attributes:
        slopes: (channels,) float64, of any sign.
        weights: the slopes as a weight of the file, where they are trained.
    """

    slopes: torch.Tensor
    weights: tuple[Weight, ...] = ()

    @property
    def lipschitz(self) -> float:
        """The largest of 1 and the sizes of the slopes."""
        return max(1.0, float(self.slopes.abs().max()))


@dataclass(frozen=True, eq=False)
class Activation(Node):
    """A function of single entries with value 0 at 0 that is not positively homogeneous, e.g. GELU.

    Attributes:
        op: its aten name.
        args: its arguments beside the tensor.
        lipschitz: its Lipschitz constant, from above.
    """

    op: str
    args: dict[str, Any]
    lipschitz: float

    @property
    def packet(self) -> str:
        """The operation without overload and without the mark of an operation in place."""
        return packet_of(self.op).rstrip("_")


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
class Concat(Node):
    """Values of the same height and width, one after another along the channels."""


@dataclass(frozen=True, eq=False)
class Rearrange(Node):
    """Every output entry copies one input entry or is 0.

    This is cropping, splitting, slicing, a permutation of channels or positions, and padding with zeros, by reflection or
    by repetition.

    Attributes:
        source: (channels, height, width) int64, flat index into the input value, -1 for a zero.
    """

    source: torch.Tensor

    @property
    def copies(self) -> int:
        """The largest number of output entries that copy one input entry; its root is the spectral norm."""
        read = self.source[self.source >= 0]
        return int(read.bincount().max()) if read.numel() else 0

    def channels(self, before: Node) -> torch.Tensor | None:
        """Return which channel of its input each output channel copies as a whole, or None where it copies entries otherwise.

        Args:
            before: the node that it reads.

        Returns:
            (channels,) int64, -1 for a channel that is 0 everywhere.
        """
        if self.shape[1:] != before.shape[1:]:
            return None
        area = self.shape[1] * self.shape[2]
        source = self.source.flatten(1)
        zero = (source < 0).all(1)
        whole = (source == source[:, :1] + torch.arange(area)).all(1) & (source[:, 0] % area == 0)
        if not bool((zero | whole).all()):
            return None
        return torch.where(zero, -1, torch.div(source[:, 0], area, rounding_mode="floor"))


@dataclass(frozen=True, eq=False)
class ChannelAffine(Node):
    """A diagonal affine layer, ``scale * x + shift`` in every channel, that is not part of a layer beside it.

    It is a BatchNorm in evaluation mode after a ReLU, a sum or a concatenation, (x - mean) / std or 2 x - 1 inside the model, a
    LayerScale, or a constant factor of a branch.

    Attributes:
        scale: (channels,) float64.
        shift: (channels,) float64.
        eps: what the BatchNorm adds to its variances; 0 where it is none.
        trained: whether tensors of the file enter it, which may have seen the sample; else it is fixed by the architecture.
        weights: those of its tensors that count as weights.
        biases: key and number of entries of what counts as a bias.
    """

    scale: torch.Tensor
    shift: torch.Tensor
    eps: float = 0.0
    trained: bool = True
    weights: tuple[Weight, ...] = ()
    biases: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, eq=False)
class FirstStage(Node):
    """Histograms of gradient orientations, a function without parameters that was fixed before any sample (`boundcalc.features`).

    Attributes:
        cells: of its grid, along each side.
    """

    cells: int


@dataclass(frozen=True, eq=False)
class Weight(Pruned):
    """A weight of an operation that no bound covers.

    Attributes:
        key: of the tensor in the file.
        kind: the operation that reads it, e.g. ``"conv_transpose2d"``.
        weight: float64, 0 where pruned: (out, in / groups, 1, taps) of a convolution (`KERNELS`), else as it is read.
        support: bool, as `weight`: nonzero entries within the declared mask.
        declared: bool, as `weight`: the mask that the file declares, or None where it declares none.
        stored_shape: the tensor's shape in the file.
        groups: groups of channels.
    """

    key: str
    kind: str
    weight: torch.Tensor
    support: torch.Tensor
    declared: torch.Tensor | None
    stored_shape: tuple[int, ...]
    groups: int = 1
    folded: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The layer: the key without ``.weight``."""
        return self.key.removesuffix(".weight")


KERNELS = frozenset({"conv1d", "conv3d"})
"""Kinds of `Weight` whose mask is that of a kernel, which topology, samples and graphons take as a `conv2d`'s."""

UNPLACED = "an unknown architecture"
"""The operation that stands for a whole network whose architecture is not known."""

Masked = Affine | Weight
"""A layer with a mask, whether bounds cover it or not."""

_AXES = 4
"""Of a weight as masks are taken: outputs, inputs, height, width."""

_ENTRYWISE = frozenset({"add", "cat", "copy", "div", "lerp", "mul", "prelu", "rsub", "stack", "sub", "where"})
"""Operations whose weights act on single entries; they are no layer of a network's depth."""


@dataclass(frozen=True, eq=False)
class Unknown(Node):
    """An operation that no bound covers.

    Attributes:
        op: its aten name.
        args: its arguments; a tensor argument is an index into `inputs` wrapped in `Slot`, `UNREADABLE` a tensor that could
            not be computed.
        read_as: the shapes, without the batch, in which it reads its inputs.
        weights: those that it reads from the file.
        biases: key and number of entries of what it adds.
        module: whose tensors it reads, or "".
    """

    op: str
    args: dict[str, Any]
    read_as: tuple[tuple[int, ...], ...]
    weights: tuple[Weight, ...] = ()
    biases: tuple[tuple[str, int], ...] = ()
    module: str = ""

    @property
    def packet(self) -> str:
        """The operation without overload and without the mark of an operation in place."""
        return packet_of(self.op).rstrip("_")

    @property
    def is_layer(self) -> bool:
        """Whether it counts as a layer of weights."""
        return bool(self.weights) and self.packet not in _ENTRYWISE


def weights_beside(node: Node) -> tuple[Weight, ...]:
    """Return the weights of a node that are no matrix or kernel of an `Affine`."""
    if isinstance(node, Affine):
        return node.scales
    return node.weights if isinstance(node, Unknown | ChannelAffine | LeakyReLU) else ()


def masked_of(node: Node) -> tuple[Masked, ...]:
    """Return the layers of a node whose masks are matrices or kernels."""
    if isinstance(node, Affine):
        return (node,)
    if not isinstance(node, Unknown):
        return ()
    every = node.op == UNPLACED
    return tuple(w for w in node.weights if w.kind in KERNELS or (every and w.weight.ndim == _AXES))


def is_layer(node: Node) -> bool:
    """Return whether a node counts as a layer of weights, covered by bounds or not."""
    return isinstance(node, Affine) or (isinstance(node, Unknown) and node.is_layer)


@dataclass(frozen=True)
class Slot:
    """The place of a tensor argument of an `Unknown` operation among its inputs."""

    index: int


UNREADABLE = "a tensor that is computed in a way that is not understood"
"""Stands for such a tensor among the arguments of an `Unknown` operation."""

"""The operations of a network. Values are images (channels, height, width); a vector is (n, 1, 1).

Flattening and reshaping do not appear: a linear layer on a flattened image is a convolution whose kernel covers the image.
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
        inputs: indices of the nodes that it reads, each smaller than its own.
        shape: (channels, height, width) of its value.
    """

    name: str
    inputs: tuple[int, ...]
    shape: Shape


@dataclass(frozen=True, eq=False)
class Input(Node):
    """The network's input."""


class Pruned:
    """Mixin that counts the entries of a weight, its nonzero entries and those of its mask.

    Attributes:
        weight: the weight, float64, 0 where pruned.
        support: bool, of the shape of `weight`: nonzero entries within the declared mask.
        declared: bool, of the shape of `weight`: the mask that the file declares, or None.
    """

    weight: torch.Tensor
    support: torch.Tensor
    declared: torch.Tensor | None

    @property
    def parameters(self) -> int:
        """Number of weights, including pruned ones."""
        return self.weight.numel()

    @cached_property
    def surviving(self) -> int:
        """Number of nonzero weights after masking."""
        return int(self.support.count_nonzero())

    @property
    def mask(self) -> torch.Tensor:
        """The mask that the file declares or, if it declares none, the nonzero entries."""
        return self.support if self.declared is None else self.declared

    @cached_property
    def kept(self) -> int:
        """Number of weights that the mask keeps, whether they are 0 or not."""
        return int(self.mask.count_nonzero())


@dataclass(frozen=True, eq=False)
class Affine(Pruned, Node):
    """A linear or convolution layer with bias, with BatchNorm folded in.

    Attributes:
        kind: ``"linear"``, ``"conv2d"``, or ``"conv1d"`` with kernels of height 1.
        weight: (out, in / groups, kernel height, kernel width) float64, 0 where pruned.
        bias: (out,) float64, or None.
        support: bool, of the shape of `weight`: nonzero weights of the file (before folding), within the declared mask.
        declared: bool, of the shape of `weight`: the mask that the file declares, or None.
        stored_shape: the weight's shape in the file.
        window: how the kernel moves over its input.
        groups: number of groups of channels.
        circular: whether padding wraps around instead of adding zeros.
        folded: whether a diagonal layer was folded into `weight` and `bias`.
        norms: the folded BatchNorms after it, in order: module and eps.
        norms_before: the folded BatchNorms before it, in order.
        diagonals: names of the other diagonal layers that were folded.
        key: key of the weight in the file; its entries count once if several layers share it. Empty for a tensor without a
            name.
        scales: weights of folded scales, such as a LayerScale's; they are counted in addition to its own.
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
    """x where x >= 0, slope * x elsewhere, with one slope per channel (LeakyReLU, PReLU).

    Attributes:
        slopes: (channels,) float64, of any sign.
        weights: the slopes as a weight of the file, if they are trained.
    """

    slopes: torch.Tensor
    weights: tuple[Weight, ...] = ()

    @property
    def lipschitz(self) -> float:
        """The maximum of 1 and the absolute values of the slopes."""
        return max(1.0, float(self.slopes.abs().max()))


EVEN_PARTS = {"gelu": 0.62905, "hardswish": 1.0, "silu": 0.59984, "softsign": 0.0, "tanh": 0.0}
"""Lipschitz constants of (phi(t) + phi(-t)) / 2, from above; the odd parts are t / 2 (gelu, hardswish, silu) or all there is."""


@dataclass(frozen=True, eq=False)
class Activation(Node):
    """An entrywise function with value 0 at 0 that is not positively homogeneous, e.g. GELU.

    Attributes:
        op: aten name of the function.
        args: its arguments other than the tensor.
        lipschitz: upper bound on its Lipschitz constant.
    """

    op: str
    args: dict[str, Any]
    lipschitz: float

    @property
    def even(self) -> float:
        """Upper bound on the Lipschitz constant of the even part; that of the odd part is at most `lipschitz` less it, or both
        parts have none known and this is `lipschitz`.
        """
        return EVEN_PARTS.get(self.packet, self.lipschitz)

    @property
    def packet(self) -> str:
        """The operation's name without overload and without the trailing underscore of an in-place operation."""
        return packet_of(self.op).rstrip("_")


@dataclass(frozen=True, eq=False)
class AvgPool(Node):
    """Average pooling as one matrix per axis: value = rows_h @ x @ rows_w^T in every channel.

    Attributes:
        rows_h: matrix for the height, (output height, input height) float64.
        rows_w: matrix for the width, (output width, input width) float64.
    """

    rows_h: torch.Tensor
    rows_w: torch.Tensor


@dataclass(frozen=True, eq=False)
class MaxPool(Node):
    """Maximum over windows; padding is never the maximum."""

    window: Window


@dataclass(frozen=True, eq=False)
class Add(Node):
    """Sum of two values of the same shape."""


@dataclass(frozen=True, eq=False)
class Concat(Node):
    """Concatenation of values of the same height and width along the channels."""


@dataclass(frozen=True, eq=False)
class Rearrange(Node):
    """A rearrangement: every output entry copies one input entry or is 0.

    Examples are cropping, splitting, slicing, permuting channels or positions, and padding with zeros, by reflection or by
    repetition.

    Attributes:
        source: (channels, height, width) int64, flat index into the input value, -1 for a zero.
    """

    source: torch.Tensor

    @property
    def copies(self) -> int:
        """The largest number of output entries that copy the same input entry; its square root is the spectral norm."""
        read = self.source[self.source >= 0]
        return int(read.bincount().max()) if read.numel() else 0

    def channels(self, before: Node) -> torch.Tensor | None:
        """Return which input channel each output channel copies as a whole, or None if it does not copy whole channels.

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
    """A diagonal affine layer, ``scale * x + shift`` in every channel, that is not folded into another layer.

    Examples are a BatchNorm in evaluation mode after a ReLU, a sum or a concatenation, (x - mean) / std or 2 x - 1 inside
    the model, a LayerScale, and a constant factor of a branch.

    Attributes:
        scale: scale of each channel, (channels,) float64.
        shift: shift of each channel, (channels,) float64.
        eps: number that a BatchNorm adds to its variances; 0 if this is no BatchNorm.
        trained: whether it is computed from tensors of the file, which may depend on the sample; otherwise the architecture
            fixes it.
        weights: its tensors that count as weights.
        biases: key and number of entries of each tensor that counts as a bias.
    """

    scale: torch.Tensor
    shift: torch.Tensor
    eps: float = 0.0
    trained: bool = True
    weights: tuple[Weight, ...] = ()
    biases: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, eq=False)
class FirstStage(Node):
    """Histograms of gradient orientations, a function without parameters that was fixed before any sample was drawn
    (`boundcalc.features`).

    Attributes:
        cells: number of cells of its grid along each side.
    """

    cells: int


@dataclass(frozen=True, eq=False)
class Weight(Pruned):
    """A weight of an operation that no bound covers.

    Attributes:
        key: key of the tensor in the file.
        kind: the operation that reads it, e.g. ``"conv_transpose2d"``.
        weight: the weight, float64, 0 where pruned; (out, in / groups, 1, taps) for a convolution (`KERNELS`), else in the
            shape in which it is read.
        support: bool, of the shape of `weight`: nonzero entries within the declared mask.
        declared: bool, of the shape of `weight`: the mask that the file declares, or None.
        stored_shape: the tensor's shape in the file.
        groups: number of groups of channels.
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
        """The layer's name: the key without ``.weight``."""
        return self.key.removesuffix(".weight")


KERNELS = frozenset({"conv1d", "conv3d"})
"""Kinds of `Weight` whose mask is that of a kernel; topology, samples and graphons treat it like the mask of a `conv2d`."""

UNPLACED = "an unknown architecture"
"""The operation that stands for a whole network whose architecture is not known."""

Masked = Affine | Weight
"""A layer with a mask, whether bounds cover it or not."""

_AXES = 4
"""Number of axes of a weight in the form used for masks: outputs, inputs, height, width."""

_ENTRYWISE = frozenset({"add", "cat", "copy", "div", "lerp", "mul", "prelu", "rsub", "stack", "sub", "where"})
"""Operations whose weights act on single entries; they are no layer of a network's depth."""


@dataclass(frozen=True, eq=False)
class Unknown(Node):
    """An operation that no bound covers.

    Attributes:
        op: aten name of the operation.
        args: its arguments; a `Slot` is a tensor argument, given by its index in `inputs`; `UNREADABLE` is a tensor that
            could not be computed.
        read_as: shapes, without the batch, in which it reads its inputs.
        weights: the weights that it reads from the file.
        biases: key and number of entries of each bias that it reads.
        module: the module whose tensors it reads, or "".
    """

    op: str
    args: dict[str, Any]
    read_as: tuple[tuple[int, ...], ...]
    weights: tuple[Weight, ...] = ()
    biases: tuple[tuple[str, int], ...] = ()
    module: str = ""

    @property
    def packet(self) -> str:
        """The operation's name without overload and without the trailing underscore of an in-place operation."""
        return packet_of(self.op).rstrip("_")

    @property
    def is_layer(self) -> bool:
        """Whether it counts as a layer with weights."""
        return bool(self.weights) and self.packet not in _ENTRYWISE


def weights_beside(node: Node) -> tuple[Weight, ...]:
    """Return the weights of a node other than the matrix or kernel of an `Affine`."""
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
    """Return whether a node counts as a layer with weights, whether bounds cover it or not."""
    return isinstance(node, Affine) or (isinstance(node, Unknown) and node.is_layer)


@dataclass(frozen=True)
class Slot:
    """The index of a tensor argument of an `Unknown` operation among its inputs."""

    index: int


UNREADABLE = "a tensor whose computation is not understood"
"""Stands for such a tensor among the arguments of an `Unknown` operation."""

"""The network: validated, frozen, in topological order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from boundcalc.network.ops import (
    Affine,
    ChannelAffine,
    Input,
    Masked,
    Node,
    Unknown,
    Weight,
    is_layer,
    masked_of,
    weights_beside,
)


@dataclass(frozen=True)
class Uncounted:
    """A weight that no bound covers, since its operation is outside them; it counts in density and depth all the same.

    Attributes:
        operation: that reads it, e.g. ``"conv_transpose2d"``.
        layer: its key without ``.weight``.
        parameters: entries, pruned ones included.
        surviving: nonzero entries after masking.
    """

    operation: str
    layer: str
    parameters: int
    surviving: int


@dataclass(frozen=True, eq=False)
class Network:
    """A feed-forward network with one input and one output.

    What counts as a weight: every tensor of the file that the forward pass reads, except biases, scales and shifts of
    normalisations, and buffers. A bias is what an operation takes as its bias, has ``bias`` in its name and at most one
    dimension, or is added with at most one dimension. A weight that is computed from several tensors, such as
    those of weight_norm, is the one that they make. Each counts once, however often and under however many names it is read.

    Attributes:
        nodes: topological order; the first is the input, the last the output.
        source: where the architecture came from, for the report.
        assumptions: what had to be assumed to read it.
        input_shape: the sample's shape as the model takes it, e.g. (784,) or (1, 28, 28).
        roles: key and role of every tensor that is read: ``"weight"``, ``"bias"``, ``"normalisation"`` (its scale and shift)
            or ``"buffer"``. Empty where the architecture was inferred.
        set_aside: key of every other tensor of the file, and why it is not part of this network.
        unplaced: why the architecture is not known, and what to do; empty where it is. Such a network is its weights and no more:
            input, outputs and depth say nothing.
        inferred: whether the architecture was inferred from shapes and keys, as the assumptions say.

    Raises:
        ValueError: nodes out of order, no input, or no weights.
    """

    nodes: tuple[Node, ...]
    source: str
    input_shape: tuple[int, ...]
    assumptions: tuple[str, ...] = field(default=())
    roles: tuple[tuple[str, str], ...] = field(default=())
    set_aside: tuple[tuple[str, str], ...] = field(default=())
    unplaced: str = ""
    inferred: bool = False

    def __post_init__(self) -> None:
        if not self.nodes or not isinstance(self.nodes[0], Input):
            raise ValueError("a network starts with its input")
        for index, node in enumerate(self.nodes):
            if any(source >= index for source in node.inputs):
                raise ValueError(f"{node.name} reads a value that is computed later")
        if not self.parameters:
            raise ValueError(
                "a network needs at least one linear or convolution layer, or another operation with weights"
            )

    def layers(self) -> Iterator[Affine]:
        """Yield the layers that bounds speak of in execution order."""
        return (node for node in self.nodes if isinstance(node, Affine))

    def stored(self) -> Iterator[Affine]:
        """Yield these layers once each, also where a module is used several times."""
        return iter({layer.name: layer for layer in self.layers()}.values())

    def masked(self) -> Iterator[Masked]:
        """Yield the layers whose masks are matrices or kernels, covered by bounds or not, in execution order."""
        return (layer for node in self.nodes for layer in masked_of(node))

    def counted(self) -> Iterator[Masked]:
        """Yield every weight once: those of the layers that bounds speak of, then those of other operations."""
        yield from {layer.key or layer.name: layer for layer in self.layers()}.values()
        yield from self._uncounted()

    def _uncounted(self) -> list[Weight]:
        seen = {layer.key for layer in self.layers()}
        found = []
        for node in self.nodes:
            for weight in weights_beside(node):
                if weight.key not in seen:
                    found.append(weight)
                seen.add(weight.key)
        return found

    @property
    def uncounted(self) -> tuple[Uncounted, ...]:
        """The weights of operations that no bound covers, once each, in execution order."""
        return tuple(
            Uncounted(weight.kind, weight.name, weight.parameters, weight.surviving)
            for weight in self._uncounted()
        )

    @property
    def depth(self) -> int:
        """L: the largest number of layers with weights on a path from input to output, covered by bounds or not."""
        lengths: list[int] = []
        for node in self.nodes:
            before = max((lengths[i] for i in node.inputs), default=0)
            lengths.append(before + is_layer(node))
        return lengths[-1]

    @property
    def outputs(self) -> int:
        """C: number of output units."""
        channels, height, width = self.nodes[-1].shape
        return channels * height * width

    @property
    def inputs(self) -> int:
        """Number of input units."""
        channels, height, width = self.nodes[0].shape
        return channels * height * width

    @property
    def parameters(self) -> int:
        """Weights, pruned ones and those of operations that no bound covers included."""
        return sum(weight.parameters for weight in self.counted())

    @property
    def surviving(self) -> int:
        """Nonzero weights after masking, those of operations that no bound covers included."""
        return sum(weight.surviving for weight in self.counted())

    @property
    def kept(self) -> int:
        """Weights that the masks keep, whether they are 0 or not; counted as `surviving`."""
        return sum(weight.kept for weight in self.counted())

    @property
    def biases(self) -> int:
        """Number of bias entries, those of folded BatchNorms and of operations that no bound covers included."""
        others = {
            key: count
            for node in self.nodes
            if isinstance(node, Unknown | ChannelAffine)
            for key, count in node.biases
        }
        own = sum(layer.bias.numel() for layer in self.stored() if layer.bias is not None)
        return own + sum(others.values())

    def consumers(self) -> list[list[int]]:
        """Return for every node the indices of the nodes that read it."""
        readers: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for source in node.inputs:
                readers[source].append(index)
        return readers

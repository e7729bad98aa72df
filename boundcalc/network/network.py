"""The network: a validated, frozen list of nodes in topological order."""

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
    """A weight that no bound covers because its operation is not covered; it still counts in density and depth.

    Attributes:
        operation: the operation that reads it, e.g. ``"conv_transpose2d"``.
        layer: its key without ``.weight``.
        parameters: number of entries, including pruned ones.
        surviving: number of nonzero entries after masking.
    """

    operation: str
    layer: str
    parameters: int
    surviving: int


@dataclass(frozen=True, eq=False)
class Network:
    """A feed-forward network with one input and one output.

    Every tensor of the file that the forward pass reads counts as a weight, except biases, scales and shifts of
    normalizations, and buffers. A bias is a tensor that an operation takes as its bias argument, that has ``bias`` in its
    name and at most one dimension, or that is added and has at most one dimension. Several tensors from which a weight is
    computed, such as those of weight_norm, count as that one weight. A weight counts once, no matter how often and under
    how many names it is read.

    Attributes:
        nodes: the nodes in topological order; the first is the input, the last the output.
        source: where the architecture came from, for the report.
        assumptions: assumptions made in reading it.
        input_shape: shape of one sample as the model takes it, e.g. (784,) or (1, 28, 28).
        roles: key and role of every tensor that is read: ``"weight"``, ``"bias"``, ``"normalisation"`` (its scale and
            shift) or ``"buffer"``. Empty if the architecture was inferred.
        set_aside: key of every other tensor of the file, and why it is not part of this network.
        unplaced: why the architecture is unknown, and what to do; empty if it is known. A network of unknown architecture
            only lists its weights: its input, outputs and depth are meaningless.
        inferred: whether the architecture was inferred from shapes and keys, as the assumptions say.

    Raises:
        ValueError: when nodes are out of order, or there is no input or no weight.
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
            raise ValueError("the first node of a network must be its input")
        for index, node in enumerate(self.nodes):
            if any(source >= index for source in node.inputs):
                raise ValueError(f"{node.name} reads a value that is computed later")
        if not self.parameters:
            raise ValueError(
                "a network needs at least one linear or convolution layer, or another operation with weights"
            )

    def layers(self) -> Iterator[Affine]:
        """Yield the layers that bounds cover, in execution order."""
        return (node for node in self.nodes if isinstance(node, Affine))

    def stored(self) -> Iterator[Affine]:
        """Yield these layers once each, even if a module is used several times."""
        return iter({layer.name: layer for layer in self.layers()}.values())

    def masked(self) -> Iterator[Masked]:
        """Yield the layers whose masks are matrices or kernels, whether bounds cover them or not, in execution order."""
        return (layer for node in self.nodes for layer in masked_of(node))

    def counted(self) -> Iterator[Masked]:
        """Yield every weight once: those of the layers that bounds cover, then those of other operations."""
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
        """The weights of operations that no bound covers, each once, in execution order."""
        return tuple(
            Uncounted(weight.kind, weight.name, weight.parameters, weight.surviving)
            for weight in self._uncounted()
        )

    @property
    def depth(self) -> int:
        """L: the largest number of layers with weights on a path from input to output, whether bounds cover them or not."""
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
        """Number of weights, including pruned ones and those of operations that no bound covers."""
        return sum(weight.parameters for weight in self.counted())

    @property
    def surviving(self) -> int:
        """Number of nonzero weights after masking, including those of operations that no bound covers."""
        return sum(weight.surviving for weight in self.counted())

    @property
    def kept(self) -> int:
        """Number of weights that the masks keep, whether they are 0 or not, over the same operations as `surviving`."""
        return sum(weight.kept for weight in self.counted())

    @property
    def biases(self) -> int:
        """Number of bias entries, including those of folded BatchNorms and of operations that no bound covers."""
        others = {
            key: count
            for node in self.nodes
            if isinstance(node, Unknown | ChannelAffine)
            for key, count in node.biases
        }
        own = sum(layer.bias.numel() for layer in self.stored() if layer.bias is not None)
        return own + sum(others.values())

    def consumers(self) -> list[list[int]]:
        """Return for each node the indices of the nodes that read it."""
        readers: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for source in node.inputs:
                readers[source].append(index)
        return readers

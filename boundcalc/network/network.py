"""The network: validated, frozen, in topological order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from boundcalc.network.ops import Affine, Input, Node


@dataclass(frozen=True, eq=False)
class Network:
    """A feed-forward network with one input and one output.

    Attributes:
        nodes: topological order; the first is the input, the last the output.
        source: where the architecture came from, for the report.
        assumptions: what had to be assumed to read it.
        input_shape: the sample's shape as the model takes it, e.g. (784,) or (1, 28, 28).

    Raises:
        ValueError: nodes out of order, no input, or no layer with weights.
    """

    nodes: tuple[Node, ...]
    source: str
    input_shape: tuple[int, ...]
    assumptions: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.nodes or not isinstance(self.nodes[0], Input):
            raise ValueError("a network starts with its input")
        for index, node in enumerate(self.nodes):
            if any(source >= index for source in node.inputs):
                raise ValueError(f"{node.name} reads a value that is computed later")
        if not any(True for _ in self.layers()):
            raise ValueError("a network needs at least one linear or convolution layer")

    def layers(self) -> Iterator[Affine]:
        """Yield the layers with weights in execution order."""
        return (node for node in self.nodes if isinstance(node, Affine))

    def stored(self) -> Iterator[Affine]:
        """Yield the layers with weights once each, also where a module is used several times."""
        return iter({layer.name: layer for layer in self.layers()}.values())

    @property
    def depth(self) -> int:
        """L: the largest number of weight layers on a path from input to output."""
        lengths: list[int] = []
        for node in self.nodes:
            before = max((lengths[i] for i in node.inputs), default=0)
            lengths.append(before + isinstance(node, Affine))
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
        """Weights of linear and convolution layers, pruned ones included."""
        return sum(layer.parameters for layer in self.stored())

    @property
    def surviving(self) -> int:
        """Nonzero weights of linear and convolution layers after masking."""
        return sum(layer.surviving for layer in self.stored())

    @property
    def biases(self) -> int:
        """Number of bias entries, those of folded BatchNorms included."""
        return sum(layer.bias.numel() for layer in self.stored() if layer.bias is not None)

    def consumers(self) -> list[list[int]]:
        """Return for every node the indices of the nodes that read it."""
        readers: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for source in node.inputs:
                readers[source].append(index)
        return readers

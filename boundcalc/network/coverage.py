"""Report all operations that prevent a bound from applying at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from boundcalc.errors import NotCovered
from boundcalc.network.network import Network
from boundcalc.network.ops import (
    Activation,
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    FirstStage,
    Input,
    LeakyReLU,
    MaxPool,
    Node,
    Rearrange,
    ReLU,
    Unknown,
    weights_beside,
)

RELU_NETWORK = (Input, Affine, ReLU, AvgPool, MaxPool, Add, Rearrange)
"""Nodes of ReLU networks with pooling, sums of branches and cropping."""

KNOWN_NODES = (*RELU_NETWORK, Concat, ChannelAffine, LeakyReLU, Activation)
"""Every node but `Unknown` and `FirstStage`."""

_MOST = 4


@dataclass(frozen=True)
class Blocker:
    """An operation that prevents a bound from applying.

    Attributes:
        operation: name of the operation in reports.
        place: its place in the network.
        layer: the layer whose tensors it reads, or "".
        after: the layer before it, or "".
        weights: number of entries of the weights that it reads.
    """

    operation: str
    place: str
    layer: str = ""
    after: str = ""
    weights: int = 0


def operation_name(node: Node) -> str:
    """Return the name by which a report refers to an operation that a bound does not cover."""
    match node:
        case Unknown():
            return _unknown_name(node)
        case MaxPool():
            return "max pooling"
        case Add():
            return "residual sum"
        case ChannelAffine():
            return _diagonal_name(node)
        case Concat():
            return "concatenation"
        case LeakyReLU():
            return "prelu" if node.weights else "leaky_relu"
        case Activation():
            return node.packet
        case FirstStage():
            return "a fixed first stage (orientations)"
        case Rearrange():
            return "cropping or padding of values"
        case _:
            return type(node).__name__


def operation_name_by_size(node: Node) -> str:
    """Return the word of `operation_name`, with the reason where sizes of weights are multiplied along paths (kind F)."""
    name = operation_name(node)
    return f"{name} (not positively homogeneous)" if isinstance(node, Activation) else name


def _diagonal_name(node: ChannelAffine) -> str:
    if node.eps:
        return "BatchNorm that follows no layer"
    kinds = sorted({weight.kind for weight in node.weights})
    return f"{' and '.join(kinds)} by a trained scale" if kinds else "scale or shift of every channel"


def _unknown_name(node: Unknown) -> str:
    sizes = len(node.read_as[0]) if node.read_as else 1
    if node.packet == "mul" and len(node.inputs) == 2:
        return "product of two branches (mul)"
    if node.packet in {"linear", "matmul"} and node.weights and sizes > 1:
        return f"{node.packet} over the last of {sizes} axes"
    return node.packet


def place_of(network: Network, index: int) -> str:
    """Return where a node is, for messages: its own layer, ``NODE after LAYER``, or ``the input of NODE``."""
    node = network.nodes[index]
    after = _layer_before(network, index)
    return _own_layer(node) or (f"{node.name} after {after}" if after else f"the input of {node.name}")


def _own_layer(node: Node) -> str:
    if isinstance(node, Affine | ChannelAffine):
        return node.name
    return node.module if isinstance(node, Unknown) else ""


def _layer_before(network: Network, index: int) -> str:
    return next((n.name for n in reversed(network.nodes[:index]) if isinstance(n, Affine)), "")


def blocker(network: Network, index: int, operation: str = "") -> Blocker:
    """Return the `Blocker` for a node; ``operation`` replaces its usual name."""
    node = network.nodes[index]
    own = () if isinstance(node, Affine) else weights_beside(node)
    weights = sum(weight.parameters for weight in own)
    return Blocker(
        operation or operation_name(node), place_of(network, index), _own_layer(node), _layer_before(network, index), weights
    )  # fmt: skip


def refuse(blockers: list[Blocker]) -> None:
    """Refuse a network if any operation prevents a bound from applying; operations with weights are named first.

    Raises:
        NotCovered: when there is one; the message names every operation, its layers and its number of weights.

    Example:
        >>> try:
        ...     refuse([Blocker("gelu", "gelu after fc1", "", "fc1"), Blocker("conv_transpose2d", "up", "up", "fc1", 1200)])
        ... except NotCovered as error:
        ...     print(error)
        conv_transpose2d at up (1,200 weights); gelu after fc1
    """
    if not blockers:
        return
    first = max(blockers, key=lambda one: one.weights > 0)
    named: dict[str, list[Blocker]] = {}
    for one in blockers:
        named.setdefault(one.operation, []).append(one)
    ordered = sorted(named.values(), key=lambda found: not any(one.weights for one in found))
    every = "; ".join(_listed(found) for found in ordered) if len(blockers) > 1 or first.weights else ""
    named_places = tuple((one.operation, one.place) for one in blockers)
    raise NotCovered(first.operation, first.place, every, named_places)


def _listed(found: list[Blocker]) -> str:
    operation, layers = found[0].operation, list(dict.fromkeys(one.layer for one in found if one.layer))
    weights = sum({one.layer: one.weights for one in found}.values())
    held = f" ({weights:,} weights)" if weights else ""
    if layers:
        more = f" and {len(layers) - _MOST} more" if len(layers) > _MOST else ""
        return f"{operation} at {', '.join(layers[:_MOST])}{more}{held}"
    if not found[0].after:
        return operation if len(found) == 1 else f"{operation}, {len(found)} times"
    place = found[0].place
    first = place if place.startswith(f"{operation} ") else f"{operation} at {place}"
    return first if len(found) == 1 else f"{first} and {len(found) - 1} more"


Words = Callable[[Node], str]


def require(
    network: Network, covered: tuple[type, ...] = RELU_NETWORK, words: Words = operation_name
) -> None:
    """Refuse a network that has any operation other than the covered ones.

    Args:
        network: the network.
        covered: kinds of nodes; by default those of ReLU networks with pooling, sums and cropping.
        words: how an operation is called.

    Raises:
        NotCovered: when it has; the message names every such operation.
    """
    refuse(blockers(network, covered, words))


def blockers(
    network: Network, covered: tuple[type, ...] = RELU_NETWORK, words: Words = operation_name
) -> list[Blocker]:
    """Return a `Blocker` for every node that is of none of the covered kinds, in execution order.

    Args:
        network: the network.
        covered: kinds of nodes.
        words: how an operation is called.
    """
    return [
        blocker(network, index, words(node))
        for index, node in enumerate(network.nodes)
        if not isinstance(node, covered)
    ]

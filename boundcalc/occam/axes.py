"""Which channels of a network are the same units: rows of one layer, columns of the next.

The units of an axis can be reordered without changing the function, unless the input, the output or a fixed arrangement of
channels touches the axis; a code need not specify their order.
"""

from __future__ import annotations

from dataclasses import dataclass

from boundcalc.network.coverage import require
from boundcalc.network.network import Network
from boundcalc.network.ops import Add, Affine, AvgPool, Input, MaxPool, ReLU


@dataclass(frozen=True)
class UnitSet:
    """The units of one axis.

    Attributes:
        size: number of units.
        free: whether their order is irrelevant.
    """

    size: int
    free: bool


@dataclass(frozen=True)
class Axes:
    """The axes of a network.

    Attributes:
        axes: the axes, each once.
        rows: layer name -> index of its output axis.
        columns: layer name -> index of its input axis.
        nodes: index of the axis of each node's channels.
    """

    axes: tuple[UnitSet, ...]
    rows: dict[str, int]
    columns: dict[str, int]
    nodes: tuple[int, ...]


class _UnionFind:
    def __init__(self) -> None:
        self.parent: list[int] = []
        self.size: list[int] = []
        self.free: list[bool] = []

    def new(self, size: int, *, free: bool = True) -> int:
        self.parent.append(len(self.parent))
        self.size.append(size)
        self.free.append(free)
        return len(self.parent) - 1

    def find(self, index: int) -> int:
        while self.parent[index] != index:
            index = self.parent[index]
        return index

    def join(self, first: int, second: int) -> int:
        a, b = self.find(first), self.find(second)
        self.free[a] = self.free[a] and self.free[b]
        self.parent[b] = a
        return a

    def fix(self, index: int) -> None:
        self.free[self.find(index)] = False


def axes_of(network: Network) -> Axes:
    """Find the axes of a network.

    Raises:
        NotCovered: when an operation has parameters of its own, or is not understood.
    """
    require(network)
    classes = _UnionFind()
    nodes: list[int] = []
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    for node in network.nodes:
        sources = [nodes[i] for i in node.inputs]
        match node:
            case Input():
                nodes.append(classes.new(node.shape[0], free=False))
            case Affine():
                nodes.append(_layer(classes, node, sources[0], rows, columns))
            case ReLU() | AvgPool() | MaxPool():
                nodes.append(sources[0])
            case Add():
                nodes.append(classes.join(*sources))
            case _:
                classes.fix(sources[0])
                nodes.append(classes.new(node.shape[0], free=False))
    classes.fix(nodes[-1])
    return _numbered(classes, nodes, rows, columns)


def _layer(
    classes: _UnionFind, node: Affine, source: int, rows: dict[str, int], columns: dict[str, int]
) -> int:
    own = classes.new(node.shape[0], free=node.groups == 1)
    if node.groups > 1:
        classes.fix(source)
        source = classes.new(node.weight.shape[1], free=False)
    for known, axis in ((rows, own), (columns, source)):
        known[node.name] = classes.join(known[node.name], axis) if node.name in known else axis
    return own


def _numbered(classes: _UnionFind, nodes: list[int], rows: dict[str, int], columns: dict[str, int]) -> Axes:
    roots = sorted({classes.find(i) for i in range(len(classes.parent))})
    place = {root: number for number, root in enumerate(roots)}

    def number(index: int) -> int:
        return place[classes.find(index)]

    return Axes(
        tuple(UnitSet(classes.size[root], classes.free[root]) for root in roots),
        {name: number(i) for name, i in rows.items()},
        {name: number(i) for name, i in columns.items()},
        tuple(number(i) for i in nodes),
    )

"""The mask of a layer as a bipartite graph, inputs left and outputs right, and its subgraphs of constant left degree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from boundcalc.network.ops import Masked
from boundcalc.topology.spectra import EPS, Leading, leading_two, two_values

ENCODINGS = ("unrolled", "rolled")
LEAST_DEGREE = 3
"""Smallest number of left vertices with which a degree has its own subgraph, and the mean degree below which a graph is collapsed."""

DENSE_SHARE = 0.25
"""Share of edges from which on a dense array takes less time than a sparse one, and at most three times its memory."""

SMALL_WORK = 2**22
"""Multiplications of a dense Gram matrix up to which it takes less time than a sparse one."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Entry = TypeVar("Entry", bound=np.generic)


@dataclass(frozen=True)
class Layout:
    """Positions of a layer's weights in its graph.

    A position enumerates group, input channel, kernel entry and output of the group, the last one fastest.

    Attributes:
        groups: number of groups of channels; edges stay within a group.
        inputs: input channels per group, or input units of a linear layer.
        taps: kernel entries; 1 for a linear layer.
        outputs: output channels per group.
        rolled: whether the kernel entries of an input channel form one vertex.
    """

    groups: int
    inputs: int
    taps: int
    outputs: int
    rolled: bool

    @classmethod
    def of(cls, layer: Masked, encoding: str = "unrolled") -> Layout:
        """Return the layout of a layer; a linear layer has no kernel, whatever the shape of its input.

        Raises:
            ValueError: the encoding is unknown.
        """
        if encoding not in ENCODINGS:
            raise ValueError(f"encoding {encoding!r} is none of {', '.join(ENCODINGS)}")
        out, inputs, height, width = layer.weight.shape
        taps = height * width if layer.kind != "linear" else 1
        return cls(
            layer.groups, inputs * height * width // taps, taps, out // layer.groups, encoding == "rolled"
        )

    @property
    def positions(self) -> int:
        """Number of weights."""
        return self.groups * self.inputs * self.taps * self.outputs

    @property
    def left(self) -> int:
        """Number of left vertices, isolated ones included."""
        return self.groups * self.inputs * (1 if self.rolled else self.taps)

    @property
    def right(self) -> int:
        """Number of right vertices, isolated ones included."""
        return self.groups * self.outputs

    def by_position(self, weight: NDArray[Entry]) -> NDArray[Entry]:
        """Return a (out, in / groups, kh, kw) array in the order of positions, as (positions,)."""
        grouped = weight.reshape(self.groups, self.outputs, self.inputs * self.taps)
        return np.ascontiguousarray(grouped.transpose(0, 2, 1)).reshape(-1)


@dataclass(frozen=True, eq=False)
class Bipartite:
    """A bipartite graph without multiple edges, with one nonnegative weight per edge.

    Attributes:
        shape: numbers of left and right vertices.
        starts: index of each left vertex's first edge, (left + 1,).
        ends: right vertex of each edge, (edges,).
        weights: weight of each edge, (edges,) float64.
    """

    shape: tuple[int, int]
    starts: Ints
    ends: Ints
    weights: Floats

    @property
    def edges(self) -> int:
        """Number of edges."""
        return len(self.ends)

    @property
    def degrees(self) -> tuple[float, float]:
        """Mean degrees of the two sides; 0 for a side without vertices."""
        left, right = self.shape
        return self.edges / max(left, 1), self.edges / max(right, 1)

    @property
    def collapsed(self) -> bool:
        """Whether a mean degree is below 3."""
        return min(self.degrees) < LEAST_DEGREE

    def connected_only(self) -> Bipartite:
        """Return the graph without isolated vertices."""
        counts = np.diff(self.starts)
        starts = np.concatenate([[0], np.cumsum(counts[counts > 0])])
        right, ends = _numbered(self.ends, self.shape[1])
        return Bipartite((len(starts) - 1, right), starts, ends, self.weights)

    def regular_subgraphs(self) -> Iterator[Bipartite]:
        """Yield the subgraph of each left degree d > 0 that at least 3 left vertices have: these vertices and the
        right ones they reach.

        The left vertices are sorted by degree once, so that each subgraph is a slice of the edges.

        Yields:
            Graphs without isolated vertices, in the order of d.
        """
        counts = np.diff(self.starts)
        order = np.argsort(counts, kind="stable")
        counts = counts[order]
        starts = np.concatenate([[0], np.cumsum(counts)])
        edge = np.repeat(self.starts[order] - starts[:-1], counts) + np.arange(self.edges)
        ends, weights = self.ends[edge], self.weights[edge]
        for degree in np.unique(counts[counts > 0]):
            low, high = np.searchsorted(counts, [degree, degree + 1])
            if high - low >= LEAST_DEGREE:
                part = slice(starts[low], starts[high])
                local = np.arange(high - low + 1) * degree
                right, reached = _numbered(ends[part], self.shape[1])
                yield Bipartite((int(high - low), right), local, reached, weights[part])

    def spectrum(self, weighted: bool = False) -> Leading:
        """Return the two leading singular values of the biadjacency matrix, or of the weighted one.

        Raises:
            ValueError: there are no edges, or a weight is not finite.
        """
        left, right = self.shape
        if not weighted and self.edges == left * right > 0:
            sigma1 = float(np.sqrt(self.edges))
            return Leading(sigma1, 0.0, EPS * sigma1, 0.0, "closed form")
        if self.edges >= DENSE_SHARE * left * right or self._is_small:
            return leading_two(self._dense((weighted,))[0])
        data = self.weights if weighted else np.ones(self.edges)
        return leading_two(sparse.csr_array((data, self.ends, self.starts), shape=self.shape))

    def two_values(self, weighted: bool) -> list[tuple[float, float]]:
        """Return the two values of `spectrum`, and then those of the weighted one, in less time where the graph is small.

        Args:
            weighted: whether those of the weighted one are wanted.

        Raises:
            ValueError: as `spectrum`.
        """
        both = (False, True)[: 1 + weighted]
        if self._is_small and self.edges < math.prod(self.shape):
            return two_values(self._dense(both))
        return [(found.sigma1, found.sigma2) for found in map(self.spectrum, both)]

    @property
    def _is_small(self) -> bool:
        return math.prod(self.shape) * min(self.shape) <= SMALL_WORK

    def _dense(self, weighted: tuple[bool, ...]) -> Floats:
        """Return the biadjacency matrix, or the weighted one, for each entry of `weighted`, (count, left, right)."""
        matrices = np.zeros((len(weighted), *self.shape))
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.starts))
        for matrix, with_weights in zip(matrices, weighted, strict=True):
            matrix[rows, self.ends] = self.weights if with_weights else 1.0
        return matrices


def _numbered(ends: Ints, count: int) -> tuple[int, Ints]:
    """Return how many of `count` vertices occur, and the vertices numbered without gaps."""
    used = np.zeros(count, dtype=bool)
    used[ends] = True
    numbers = np.cumsum(used)
    return int(numbers[-1]) if count else 0, (numbers - 1)[ends]


def build(layout: Layout, positions: Ints, weights: Floats) -> Bipartite:
    """Return the graph of a mask.

    In the rolled encoding, an input channel and an output are joined if any kernel entry between them survives, and the
    edge weight is the sum of the absolute values of the entries. The graph has no multiple edges, because the Ramanujan
    bound ``sqrt(d_l - 1) + sqrt(d_r - 1)`` holds for simple graphs; absolute values are summed so that no edge cancels.

    Args:
        layout: layout of the layer.
        positions: positions of the surviving weights, (n,) int64, ascending.
        weights: values of the surviving weights, (n,).

    Returns:
        The graph with all vertices, isolated ones included.
    """
    vertex, end = np.divmod(positions, layout.outputs)
    group = vertex // (layout.inputs * layout.taps)
    right, sizes = group * layout.outputs + end, np.abs(weights)
    left = vertex // layout.taps if layout.rolled else vertex
    if layout.rolled:
        pairs, place = np.unique(left * layout.right + right, return_inverse=True)
        left, right = np.divmod(pairs, layout.right)
        sizes = np.bincount(place, weights=sizes, minlength=len(pairs))
    starts = np.concatenate([[0], np.cumsum(np.bincount(left, minlength=layout.left))])
    return Bipartite((layout.left, layout.right), starts, right, sizes)


def of_layer(layer: Masked, layout: Layout) -> Bipartite:
    """Return the graph of a layer's surviving weights.

    Args:
        layer: layer whose `mask` marks the kept weights and whose `weight` holds their values, with BatchNorm folded.
        layout: layout of the layer.

    Returns:
        The graph with all vertices, isolated ones included.
    """
    positions = np.flatnonzero(layout.by_position(layer.mask.numpy()))
    return build(layout, positions, layout.by_position(layer.weight.numpy())[positions])

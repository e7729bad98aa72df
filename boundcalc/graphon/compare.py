"""Distances between the masks of two networks, layer by layer, of equal or different widths.

Both masks of a layer become step graphons with units sorted by degree, and their difference is taken on the common
refinement of the cells. Its L2 norm is the source's proxy; its cut norm is an upper bound of the cut distance of the two
step graphons, because the cut distance is the minimum over all ways to match them.

Source: Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025; Lovasz 2012, Large Networks and Graph Limits, chapter 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

from boundcalc.graphon.cut import cut_norm
from boundcalc.graphon.estimate import by_sorting
from boundcalc.graphon.ordering import layer_counts
from boundcalc.graphon.refine import difference
from boundcalc.network.network import Network


@dataclass(frozen=True)
class LayerDistance:
    """Distance between the masks of two layers.

    Attributes:
        names: names of the layers.
        shapes: (outputs, inputs) of both layers, in channels for a convolution.
        densities: densities of both masks.
        l2: L2 distance of the sorted step graphons.
        cut: interval (low, high) of the cut norm of their difference.
    """

    names: tuple[str, str]
    shapes: tuple[tuple[int, int], tuple[int, int]]
    densities: tuple[float, float]
    l2: float
    cut: tuple[float, float]


def matched(first: Sequence[str], second: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Pair the layers of two networks: by name if the names agree, otherwise in order.

    Args:
        first: names of the layers of one network.
        second: names of the layers of the other network.

    Returns:
        Pairs of indices, in the order of the first.

    Raises:
        ValueError: both the names and the numbers of layers differ.

    Example:
        >>> matched(["a", "b"], ["b", "a"]), matched(["a", "b"], ["fc1", "fc2"])
        (((0, 1), (1, 0)), ((0, 0), (1, 1)))
    """
    unique = len(set(first)) == len(first) and len(set(second)) == len(second)
    if unique and set(first) == set(second):
        return tuple((index, list(second).index(name)) for index, name in enumerate(first))
    if len(first) != len(second):
        raise ValueError(
            f"{len(first)} layers ({_listed(first)}) do not match {len(second)} ({_listed(second)})"
        )
    return tuple((index, index) for index in range(len(first)))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def distances(a: Network, b: Network, cells: int = 64, seed: int = 0) -> tuple[LayerDistance, ...]:
    """Return the distance between the masks of two networks for every layer.

    Args:
        a: a network.
        b: another network, with layers of any width.
        cells: largest number of cells per side.
        seed: seed of the search for a cut.

    Returns:
        One entry per layer, in the order of `a`.

    Raises:
        ValueError: the layers cannot be matched.
    """
    names = tuple([layer.name for layer in network.masked()] for network in (a, b))
    counts = layer_counts(a), layer_counts(b)
    found = []
    with threadpool_limits(limits=1, user_api="blas"):
        for index, (i, j) in enumerate(matched(*names)):
            pair = counts[0][i], counts[1][j]
            step = difference(by_sorting(pair[0], cells), by_sorting(pair[1], cells))
            found.append(
                LayerDistance(
                    (names[0][i], names[1][j]),
                    (pair[0].shape, pair[1].shape),
                    (pair[0].density, pair[1].density),
                    step.l2,
                    cut_norm(step, [seed, index]),
                )
            )
    return tuple(found)

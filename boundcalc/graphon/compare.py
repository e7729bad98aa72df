"""How far the masks of two networks are apart, layer by layer, of equal or different widths.

Both masks of a layer become step graphons with units sorted by degree, and their difference is taken on the common
refinement of the cells. Its L2 norm is the source's proxy; its cut norm bounds the cut distance of the two step graphons
from above, as that is the smallest over all ways to match them.

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
        names: of the layers.
        shapes: (outputs, inputs) of both; convolutions rolled.
        densities: of both.
        l2: L2 distance of the sorted step graphons.
        cut: (low, high) of the cut norm of their difference.
    """

    names: tuple[str, str]
    shapes: tuple[tuple[int, int], tuple[int, int]]
    densities: tuple[float, float]
    l2: float
    cut: tuple[float, float]


def matched(first: Sequence[str], second: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return which layers stand beside each other: those of one name, or by order where names differ.

    Args:
        first: names of one network's layers.
        second: of the other's.

    Returns:
        Pairs of indices, in the order of the first.

    Raises:
        ValueError: names differ, and so do the numbers of layers.

    Example:
        >>> matched(["a", "b"], ["b", "a"]), matched(["a", "b"], ["fc1", "fc2"])
        (((0, 1), (1, 0)), ((0, 0), (1, 1)))
    """
    unique = len(set(first)) == len(first) and len(set(second)) == len(second)
    if unique and set(first) == set(second):
        return tuple((index, list(second).index(name)) for index, name in enumerate(first))
    if len(first) != len(second):
        raise ValueError(f"{len(first)} layers ({_some(first)}) do not match {len(second)} ({_some(second)})")
    return tuple((index, index) for index in range(len(first)))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def distances(a: Network, b: Network, cells: int = 64, seed: int = 0) -> tuple[LayerDistance, ...]:
    """Return the distance of every layer's mask in one network from that in another.

    Args:
        a: a network.
        b: another, its layers of any width.
        cells: most cells a side.
        seed: of the search for a cut.

    Returns:
        One entry a layer, in the order of `a`.

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

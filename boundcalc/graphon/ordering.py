"""Decide which units share a cell: order the units, then cut the order into cells of equal size, up to one unit.

A partition of n units into K cells is an array (n,) int64 with the cell of each unit; no cell 0 .. K - 1 is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boundcalc.errors import NotCovered
from boundcalc.graphon.counts import EntryCounts, count
from boundcalc.network.coverage import place_of, require
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, AvgPool, ChannelAffine, Input, MaxPool, ReLU

Ints = NDArray[np.int64]

CHAIN = (Input, ReLU, AvgPool, MaxPool, ChannelAffine)
"""Operations between layers that keep every channel in its place."""


def cut(order: Ints, cells: int) -> Ints:
    """Cut units in a given order into at most `cells` cells, and return the partition; there are never more cells than units.

    Args:
        order: permutation of the units, (n,) int64, starting with the first unit.
        cells: largest number of cells, at least 1.

    Returns:
        The partition, (n,) int64; sizes of cells differ by at most one.

    Example:
        >>> cut(np.array([2, 0, 1, 3]), 2).tolist()
        [0, 1, 0, 1]
    """
    units = len(order)
    partition = np.empty(units, dtype=np.int64)
    partition[order] = np.arange(units) * min(cells, units) // units
    return partition


def by_degree(degrees: NDArray[Any]) -> Ints:
    """Return the units in order of descending degree; units of equal degree keep their order.

    Example:
        >>> by_degree(np.array([1, 3, 3, 2])).tolist()
        [1, 2, 3, 0]
    """
    return np.argsort(-degrees, kind="stable")


def not_a_chain(network: Network) -> str | None:
    """Return why the layers of the network do not form a chain, or None if they do."""
    try:
        require(network, (*CHAIN, Affine))
    except NotCovered as error:
        return str(error)
    for index, node in enumerate(network.nodes):
        if node.inputs not in {(), (index - 1,)}:
            return f"a skip connection at {place_of(network, index)}"
    return None


def layer_counts(network: Network) -> tuple[EntryCounts, ...]:
    """Return the counts of every layer with a mask in execution order.

    The inputs of a linear layer are pixels if it reads the network's input, and channels elsewhere, so that they are the
    outputs of the layer before.
    """
    reads_input = {0}
    for index, node in enumerate(network.nodes):
        if isinstance(node, CHAIN) and set(node.inputs) <= reads_input:
            reads_input.add(index)
    return tuple(
        count(layer, pixels=isinstance(layer, Affine) and set(layer.inputs) <= reads_input)
        for layer in network.masked()
    )


def chain_orders(counts: Sequence[EntryCounts]) -> tuple[Ints, ...]:
    """Return an order for each of the input, the hidden layers and the output of a chain.

    The degree of a hidden unit is the sum of two shares: of its inputs and of its outputs that survive.

    Args:
        counts: counts of the layers, each of which reads the one before.

    Returns:
        One order more than there are layers: of the columns of the first layer, then of the rows of each layer.

    Raises:
        ValueError: a layer does not have as many columns as the one before has rows.
    """
    for before, after in zip(counts, counts[1:], strict=False):
        if before.shape[0] != after.shape[1]:
            raise ValueError(f"a layer of {after.shape[1]} inputs follows one of {before.shape[0]} outputs")
    incoming = [layer.row_sums / (layer.shape[1] * layer.taps) for layer in counts]
    outgoing = [layer.column_sums / (layer.shape[0] * layer.taps) for layer in counts]
    hidden = [own + later for own, later in zip(incoming, outgoing[1:], strict=False)]
    return tuple(by_degree(degrees) for degrees in (outgoing[0], *hidden, incoming[-1]))

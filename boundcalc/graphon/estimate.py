"""Sort and smooth (Chan & Airoldi 2014): average a mask over a grid of cells whose units are sorted by degree.

For a single layer, rows and columns are sorted by their own degrees. Along a chain every hidden layer is ordered only once,
so that the rows of one graphon are the columns of the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boundcalc.graphon.counts import EntryCounts
from boundcalc.graphon.ordering import by_degree, chain_orders, cut, layer_counts, not_a_chain
from boundcalc.graphon.step import StepGraphon
from boundcalc.network.network import Network

Ints = NDArray[np.int64]

EXACT_SINGLE = 2**24
"""Up to here every integer is a float32."""


@dataclass(frozen=True, eq=False)
class GraphonChain:
    """Step graphons of a chain of layers in a consistent order.

    Attributes:
        graphons: graphons of the layers in execution order; the column cells of each are the row cells of the one before.
        partitions: cells of the input units, then of the outputs of each layer, each (units,) int64; one more than layers.
    """

    graphons: tuple[StepGraphon, ...]
    partitions: tuple[Ints, ...]


def estimate(counts: EntryCounts, rows: Ints, columns: Ints) -> StepGraphon:
    """Return the averages of a mask over the products of row and column cells.

    Args:
        counts: counts of a layer.
        rows: cell of each output, (outputs,) int64; no cell is empty.
        columns: cell of each input, (inputs,) int64; no cell is empty.

    Returns:
        The step graphon; the weight of a cell is its share of the units.

    Source: Chan & Airoldi 2014, A consistent histogram estimator for exchangeable graph models.
    """
    sizes = [np.bincount(rows), np.bincount(columns)]
    sums = block_sums(counts, rows, columns)
    values = sums / (np.multiply.outer(*sizes) * counts.taps)
    return StepGraphon(values, sizes[0] / len(rows), sizes[1] / len(columns))


def block_sums(counts: EntryCounts, rows: Ints, columns: Ints) -> Ints:
    """Return the exact number of surviving entries in every product of cells, (K1, K2) int64."""
    largest = int(np.bincount(rows).max()) * counts.taps
    kind = np.float32 if largest <= EXACT_SINGLE else np.float64
    by_row = (_indicators(rows).astype(kind) @ counts.counts.astype(kind)).astype(np.int64)
    return by_row @ _indicators(columns).T


def _indicators(partition: Ints) -> Ints:
    """Return the indicators of the cells, (cells, units): 1 if a unit is in a cell."""
    cells = np.arange(partition.max() + 1)
    return np.equal.outer(cells, partition).astype(np.int64)


def by_sorting(counts: EntryCounts, cells: int) -> StepGraphon:
    """Return a layer's estimate with rows and columns sorted by descending degree, with at most `cells` cells per side."""
    return estimate(counts, cut(by_degree(counts.row_sums), cells), cut(by_degree(counts.column_sums), cells))


def chain(network: Network, cells: int = 64) -> GraphonChain:
    """Return the graphons of a network whose layers form a chain.

    Args:
        network: a chain; outputs and inputs of convolutions are channels, and a linear layer after them reads channels.
        cells: largest number of cells per side; a layer with fewer units has one cell per unit.

    Returns:
        The graphons and the cell of every unit.

    Raises:
        ValueError: the network is not a chain; the message says where.
    """
    reason = not_a_chain(network)
    if reason is not None:
        raise ValueError(f"hidden layers cannot be ordered once: {reason}")
    counts = layer_counts(network)
    partitions = tuple(cut(order, cells) for order in chain_orders(counts))
    graphons = tuple(
        estimate(layer, partitions[index + 1], partitions[index]) for index, layer in enumerate(counts)
    )
    return GraphonChain(graphons, partitions)

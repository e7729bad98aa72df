"""Sort and smooth (Chan & Airoldi 2014): a mask averaged over a grid of cells, its units sorted by degree.

Per layer rows and columns are sorted by their own degrees. Along a chain every hidden layer is ordered once, so that the
rows of one graphon are the columns of the next.
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
    """Step graphons of a chain of layers, consistently ordered.

    Attributes:
        graphons: of the layers in execution order; the column cells of one are the row cells of the one before.
        partitions: one more than layers: the cell of each input unit, then of each layer's outputs, (units,) int64.
    """

    graphons: tuple[StepGraphon, ...]
    partitions: tuple[Ints, ...]


def estimate(counts: EntryCounts, rows: Ints, columns: Ints) -> StepGraphon:
    """Return the averages over the products of row and column cells.

    Args:
        counts: of a layer.
        rows: (outputs,) int64, the cell of each output; every cell has one.
        columns: (inputs,) int64, likewise.

    Returns:
        The step graphon; a cell weighs its share of the units.

    Source: Chan & Airoldi 2014, A consistent histogram estimator for exchangeable graph models.
    """
    sizes = [np.bincount(rows), np.bincount(columns)]
    sums = block_sums(counts, rows, columns)
    values = sums / (np.multiply.outer(*sizes) * counts.taps)
    return StepGraphon(values, sizes[0] / len(rows), sizes[1] / len(columns))


def block_sums(counts: EntryCounts, rows: Ints, columns: Ints) -> Ints:
    """Return the surviving entries of every product of cells, (K1, K2) int64, exactly."""
    largest = int(np.bincount(rows).max()) * counts.taps
    kind = np.float32 if largest <= EXACT_SINGLE else np.float64
    by_row = (_indicators(rows).astype(kind) @ counts.counts.astype(kind)).astype(np.int64)
    return by_row @ _indicators(columns).T


def _indicators(partition: Ints) -> Ints:
    """Return (cells, units): 1 where a unit lies in a cell."""
    cells = np.arange(partition.max() + 1)
    return np.equal.outer(cells, partition).astype(np.int64)


def by_sorting(counts: EntryCounts, cells: int) -> StepGraphon:
    """Return a layer's estimate with rows and columns sorted by falling degree, at most `cells` cells a side."""
    return estimate(counts, cut(by_degree(counts.row_sums), cells), cut(by_degree(counts.column_sums), cells))


def chain(network: Network, cells: int = 64) -> GraphonChain:
    """Return the graphons of a network whose layers follow one upon the other.

    Args:
        network: a chain; convolutions are rolled, and a linear layer after them reads channels.
        cells: at most as many a side; a layer with fewer units has a cell for each.

    Returns:
        The graphons and the cell of every unit.

    Raises:
        ValueError: no chain; says where.
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

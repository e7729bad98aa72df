"""The matrices of a network's masks: the first layer exact and hidden layers as graphons, or every mask exact."""

from __future__ import annotations

import numpy as np

from boundcalc.errors import NotCovered
from boundcalc.graphon.counts import EntryCounts
from boundcalc.graphon.estimate import chain, estimate
from boundcalc.graphon.ntk_maps import Floats, Maps
from boundcalc.graphon.ordering import layer_counts, not_a_chain
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, ReLU


def maps_of(network: Network, cells: int = 64, sigma_w2: float = 1.0) -> Maps:
    """Return the matrices of a network, with the first layer exact and the later hidden layers as step graphons.

    The cells of the first layer are its units, and those of the output layer are the outputs; the layers between use the graphons of
    the ordered chain, with at most `cells` cells per side. A convolution enters by the share of kernel entries that survive
    between two channels.

    Args:
        network: a chain of layers with a ReLU between consecutive layers.
        cells: largest number of cells per side of the hidden layers, at least 1.
        sigma_w2: weight variance sigma_w^2.

    Raises:
        NotCovered: the network is not such a chain; the exception names the operation.
    """
    _check(network)
    counts = layer_counts(network)
    found = chain(network, cells)
    matrices = [_first(network, counts[0], sigma_w2)]
    partition = np.arange(counts[0].shape[0])
    for layer in range(1, len(counts) - 1):
        columns = found.partitions[layer][partition] if layer == 1 else partition
        weights = (
            np.full(len(columns), 1 / len(columns)) if layer == 1 else found.graphons[layer - 1].row_weights
        )
        matrices.append(sigma_w2 * found.graphons[layer].values[:, columns] * weights)
        partition = np.arange(found.graphons[layer].values.shape[0])
    return Maps(tuple(matrices), _output(counts[-1], found.partitions[-2], len(counts) == 2, sigma_w2))


def exact_maps(network: Network, sigma_w2: float = 1.0) -> Maps:
    """Return the matrices of the exact masks, with one cell per unit (per channel for a convolution).

    Args:
        network: as in `maps_of`.
        sigma_w2: weight variance sigma_w^2.

    Raises:
        NotCovered: the network is not such a chain; the exception names the operation.
    """
    _check(network)
    first, *later = layer_counts(network)
    matrices = [_first(network, first, sigma_w2)]
    matrices += [sigma_w2 * _shares(counts) / counts.shape[1] for counts in later]
    return Maps(tuple(matrices[:-1]), matrices[-1])


def is_extension(network: Network) -> bool:
    """Return whether the kernel is the extension to channels, because some layer is a convolution."""
    return any(layer.kind != "linear" for layer in network.layers())


def _output(counts: EntryCounts, partition: np.ndarray, exact: bool, sigma_w2: float) -> Floats:
    """Return the output layer's matrix with one row per output; the columns are exact if they are units of the first layer."""
    if exact:
        return sigma_w2 * _shares(counts) / counts.shape[1]
    graphon = estimate(counts, np.arange(counts.shape[0]), partition)
    return sigma_w2 * graphon.values * graphon.column_weights


def _first(network: Network, counts: EntryCounts, sigma_w2: float) -> Floats:
    """Return the first layer's matrix over the input coordinates; all pixels of a channel get the same column."""
    shares = np.repeat(_shares(counts), network.inputs // counts.shape[1], axis=1)
    return sigma_w2 * shares / network.inputs


def _shares(counts: EntryCounts) -> Floats:
    return counts.counts / float(counts.taps)


def _check(network: Network) -> None:
    reason = not_a_chain(network)
    if reason is not None:
        raise NotCovered(reason)
    relus = 1
    for node in network.nodes:
        if isinstance(node, Affine):
            if relus != 1:
                raise NotCovered(f"{relus} ReLUs before a layer", node.name)
            relus = 0
        relus += isinstance(node, ReLU)
    if relus:
        raise NotCovered("ReLU on the outputs")
    if sum(1 for _ in network.layers()) < 2:
        raise NotCovered("a network without hidden layers")

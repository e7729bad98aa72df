"""The effective number of weights r~ of a mask, exactly, through the mask's own sparsity.

      r~ = (1/(8 K^4)) * ( sum_j sum_k (1 + delta_jk) sqrt(r_j + r_k) )^2,

r_j >= 1 the surviving weights of neuron j, delta_jk = 1 iff the supports of j and k meet (delta_jj = 1). Every input keeps a
row of K bits, one for each neuron that reads it; the neurons that meet j are the union of the rows of j's inputs. That is
at most (surviving weights) * K / 64 word operations, and a union is cut short once it holds all neurons.

Source: Zhang, Wang, Liu, Chen & Xiong 2021, Why Lottery Ticket Wins?
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
Words = NDArray[np.uint64]

WORD = 64
INPUTS_AT_ONCE = 64
"""Rows that are united before looking whether all neurons are in."""


def r_tilde(support: Mask) -> float | None:
    """Return r~ in weights.

    Args:
        support: (groups, neurons, fan_in) bool; neurons of different groups read different inputs. Dead neurons are dropped.

    Returns:
        Between min r_j / 4 and max r_j; None where no weight survives. It never falls as weights are added to neurons that
        live, but may when a dead neuron comes to life, since K grows then.

    Source:
        Zhang, Wang, Liu, Chen & Xiong 2021; docs/theory/zhang2021.md.

    Example:
        >>> both_read_everything = np.ones((1, 2, 5), bool)
        >>> disjoint = np.eye(2, dtype=bool)[None].repeat(4, axis=2)
        >>> round(r_tilde(both_read_everything), 12), round(r_tilde(disjoint), 12)
        (5.0, 2.25)
    """
    alive = [group[group.any(1)] for group in support]
    fan_ins = [group.sum(1) for group in alive]
    neurons = sum(map(len, alive))
    if not neurons:
        return None
    pairs = _all_pairs(np.concatenate(fan_ins))
    pairs += math.fsum(_meeting_pairs(*group) for group in zip(alive, fan_ins, strict=True))
    return (pairs / neurons**2) ** 2 / 8


def r_tilde_dense(neurons_by_group: Counts, fan_in: int) -> float | None:
    """Return r~ of the same neurons with every weight of their patch: they meet within a group, never across.

    Args:
        neurons_by_group: (groups,) living neurons.
        fan_in: weights of a neuron, pruned ones included.

    Returns:
        `fan_in` where there is one group; None without neurons.

    Example:
        >>> r_tilde_dense(np.array([300]), 784)
        784.0
    """
    counts = [int(count) for count in neurons_by_group]
    neurons = sum(counts)
    if not neurons:
        return None
    meeting = sum(count**2 for count in counts)
    return fan_in * ((neurons**2 + meeting) / (2 * neurons**2)) ** 2


def _all_pairs(fan_ins: Counts) -> float:
    """Return sum_jk sqrt(r_j + r_k) over all ordered pairs, from the (K,) fan-ins."""
    values, counts = np.unique(fan_ins, return_counts=True)
    rows = zip(values, counts, strict=True)
    return math.fsum(count * float(counts @ np.sqrt(value + values)) for value, count in rows)


def _meeting_pairs(support: Mask, fan_ins: Counts) -> float:
    """Return sum_jk delta_jk sqrt(r_j + r_k) of one group: (K, d) bool without empty rows, and its (K,) row sums."""
    if not len(support):
        return 0.0
    readers = _packed(np.ascontiguousarray(support.T))
    everyone = _packed(np.ones((1, len(support)), bool))[0]
    sums = []
    for row, fan_in in zip(support, fan_ins, strict=True):
        meets = _unpacked(_union(readers, np.flatnonzero(row), everyone), len(support))
        sums.append(float(np.sqrt(fan_in + fan_ins[meets]).sum()))
    return math.fsum(sums)


def _packed(rows: Mask) -> Words:
    """Return (n, K) bool as (n, ceil(K / 64)) words of bits."""
    padded = np.zeros((len(rows), -(-rows.shape[1] // WORD) * WORD // 8), np.uint8)
    bits = np.packbits(rows, axis=1)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)


def _unpacked(words: Words, neurons: int) -> Mask:
    return np.unpackbits(words.view(np.uint8), count=neurons).view(np.bool_)


def _union(readers: Words, inputs: NDArray[np.intp], everyone: Words) -> Words:
    """Return the (words,) union of the given rows of `readers`, `everyone` being the largest it can be."""
    union = np.zeros_like(everyone)
    for start in range(0, len(inputs), INPUTS_AT_ONCE):
        union |= np.bitwise_or.reduce(readers[inputs[start : start + INPUTS_AT_ONCE]], axis=0)
        if np.array_equal(union, everyone):
            break
    return union

"""The two sums over pairs of neurons of which r~ is made (`boundcalc.samples.zhang2021`), through the mask's own sparsity.

Every input keeps a row of K bits, one for each neuron that reads it; the neurons that meet neuron j are the union of the
rows of j's inputs. That is at most (surviving weights) * K / 64 word operations, and a union is cut short once it holds
all neurons.
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


def sum_over_pairs(fan_ins: Counts) -> float:
    """Return sum_jk sqrt(r_j + r_k) over all ordered pairs, from the (K,) fan-ins."""
    values, counts = np.unique(fan_ins, return_counts=True)
    rows = zip(values, counts, strict=True)
    return math.fsum(count * float(counts @ np.sqrt(value + values)) for value, count in rows)


def sum_over_meeting_pairs(support: Mask, fan_ins: Counts) -> float:
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

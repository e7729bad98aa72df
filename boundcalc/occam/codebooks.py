"""Codebooks: one-dimensional k-means (Lloyd 1982), with the result rounded to float16."""

from __future__ import annotations

import numpy as np

from boundcalc.occam.codeword import MAX_VALUES, Values

ROUNDS = 100


def nearest(numbers: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Return the index of the nearest value for each number, int64; `codebook` is in increasing order."""
    middles = (codebook[1:].astype(np.float64) + codebook[:-1].astype(np.float64)) / 2
    return np.searchsorted(middles, numbers).astype(np.int64)


def codebook_of(numbers: np.ndarray, size: int) -> np.ndarray:
    """Return at most `size` distinct values near the numbers, in increasing order.

    Args:
        numbers: the numbers, (s,) float64, s >= 1.
        size: largest number of values, 1..64.

    Returns:
        The values, (K,) float16, K <= size; never 0, which would be a pruned weight.
    """
    levels = np.unique(np.quantile(numbers, (np.arange(size) + 0.5) / size))
    for _ in range(ROUNDS):
        index = nearest(numbers, levels)
        counts = np.bincount(index, minlength=levels.size)
        means = np.bincount(index, weights=numbers, minlength=levels.size) / np.maximum(counts, 1)
        moved = np.unique(means[counts > 0])
        if moved.size == levels.size and np.array_equal(moved, levels):
            break
        levels = moved
    return halves(levels)


def nearest_half(numbers: np.ndarray) -> np.ndarray:
    """Return the nearest finite float16 of each number."""
    limit = float(np.finfo(np.float16).max)
    return np.clip(numbers, -limit, limit).astype(np.float16)


def halves(levels: np.ndarray) -> np.ndarray:
    """Return the values rounded to distinct finite float16 numbers in increasing order, none of them 0."""
    rounded = np.unique(nearest_half(levels[~np.isnan(levels)]))
    rounded = rounded[rounded != 0]
    return rounded if rounded.size else np.array([np.finfo(np.float16).tiny], dtype=np.float16)


def quantized(numbers: np.ndarray, size: int) -> Values:
    """Quantize numbers to a codebook of at most `size` values, made for them.

    Args:
        numbers: the numbers, (s,) float64.
        size: largest number of values, 1..64.
    """
    assert 1 <= size <= MAX_VALUES
    if numbers.size == 0:
        return Values(np.zeros(0, dtype=np.float16), np.zeros(0, dtype=np.int64))
    codebook = codebook_of(numbers, size)
    return assigned(numbers, codebook)


def assigned(numbers: np.ndarray, codebook: np.ndarray) -> Values:
    """Round numbers to the nearest value of a codebook; unused values are left out."""
    index = nearest(numbers, codebook)
    used, index = np.unique(index, return_inverse=True)
    return Values(codebook[used], index.astype(np.int64))

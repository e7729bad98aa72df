"""A batch of the training split: as many samples of each class as its share, drawn by a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boundcalc.empirical.split import Split


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples with labels.

    Attributes:
        x: (m, d) float64.
        y: (m,) int64.
        whole: whether it is the whole split.
    """

    x: NDArray[np.float64]
    y: NDArray[np.int64]
    whole: bool


def draw(split: Split, size: int, seed: int = 0) -> Batch:
    """Return a batch stratified by class; the split is streamed twice, and never held.

    Args:
        split: samples and labels.
        size: at least 1; the whole split where that is smaller.
        seed: of the draw.

    Returns:
        Samples in the order of the split, class c as often as its share, rounded by largest remainders.
    """
    labels = np.concatenate([y for _, y in split.batches()])
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[_choose(labels, min(size, len(labels)), np.random.default_rng(seed))] = True
    rows, kept, start = [], [], 0
    for x, y in split.batches():
        part = chosen[start : start + len(y)]
        rows.append(x[part].reshape(int(part.sum()), -1))
        kept.append(y[part])
        start += len(y)
    return Batch(np.concatenate(rows), np.concatenate(kept), bool(chosen.all()))


def _choose(labels: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    counts = np.bincount(labels)
    exact = counts * (size / len(labels))
    take = np.floor(exact).astype(np.int64)
    left = size - int(take.sum())
    take[np.argsort(-(exact - take), kind="stable")[:left]] += 1
    found = [rng.choice(np.flatnonzero(labels == c), n, replace=False) for c, n in enumerate(take) if n]
    return np.concatenate(found)

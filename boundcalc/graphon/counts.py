"""A layer's mask as counts: how many kernel entries survive between an output and an input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.network.ops import Masked

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EntryCounts:
    """Surviving kernel entries between outputs and inputs.

    Attributes:
        counts: (outputs, inputs) unsigned integers, 0 to `taps`.
        taps: kernel entries between an output and an input; 1 for units.
    """

    counts: NDArray[np.unsignedinteger[Any]]
    taps: int

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs)."""
        rows, columns = self.counts.shape
        return rows, columns

    @property
    def entries(self) -> int:
        """Number of places a weight could have."""
        return self.counts.size * self.taps

    @property
    def row_sums(self) -> Ints:
        """(outputs,) int64, surviving entries of each output."""
        return self.counts.sum(axis=1, dtype=np.int64)

    @property
    def column_sums(self) -> Ints:
        """(inputs,) int64, surviving entries of each input."""
        return self.counts.sum(axis=0, dtype=np.int64)

    @property
    def surviving(self) -> int:
        """Number of surviving entries."""
        return int(self.row_sums.sum())

    @property
    def density(self) -> float:
        """Share of surviving entries."""
        return self.surviving / self.entries


def count(layer: Masked, pixels: bool) -> EntryCounts:
    """Return the counts of a layer.

    A kernel is rolled: an output and an input channel meet once, with the number of kernel entries that survive. A linear
    layer on an image is a convolution whose kernel covers it. Between groups of channels nothing survives.

    Args:
        layer: a linear or convolution layer.
        pixels: whether every position of a linear layer's image is an input of its own, as in a first layer.

    Returns:
        The counts of its `mask`.
    """
    support = layer.mask.flatten(2)
    if layer.kind == "linear" and pixels:
        support = support.flatten(1)[:, :, None]
    taps = support.shape[2]
    counts = support.sum(2, dtype=torch.int64).numpy().astype(np.min_scalar_type(taps))
    return EntryCounts(_between_groups(counts, layer.groups), taps)


def _between_groups(counts: NDArray[Any], groups: int) -> NDArray[Any]:
    if groups == 1:
        return counts
    rows, width = counts.shape[0] // groups, counts.shape[1]
    full = np.zeros((counts.shape[0], width * groups), dtype=counts.dtype)
    for group in range(groups):
        own = slice(group * rows, (group + 1) * rows)
        full[own, group * width : (group + 1) * width] = counts[own]
    return full

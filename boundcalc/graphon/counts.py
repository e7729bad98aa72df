"""The mask of a layer as counts: the number of kernel entries that survive between an output and an input."""

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
        counts: unsigned integers from 0 to `taps`, (outputs, inputs).
        taps: number of kernel entries between an output and an input; 1 between units.
    """

    counts: NDArray[np.unsignedinteger[Any]]
    taps: int

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (outputs, inputs)."""
        rows, columns = self.counts.shape
        return rows, columns

    @property
    def entries(self) -> int:
        """Number of possible weights."""
        return self.counts.size * self.taps

    @property
    def row_sums(self) -> Ints:
        """Number of surviving entries of each output, (outputs,) int64."""
        return self.counts.sum(axis=1, dtype=np.int64)

    @property
    def column_sums(self) -> Ints:
        """Number of surviving entries of each input, (inputs,) int64."""
        return self.counts.sum(axis=0, dtype=np.int64)

    @property
    def surviving(self) -> int:
        """Number of surviving entries."""
        return int(self.row_sums.sum())

    @property
    def density(self) -> float:
        """Share of entries that survive."""
        return self.surviving / self.entries


def count(layer: Masked, pixels: bool) -> EntryCounts:
    """Return the counts of a layer.

    The outputs and inputs of a convolution are channels, and each pair of them has the number of its surviving kernel entries. A
    linear layer on an image is a convolution whose kernel covers the image. No entry survives between groups of channels.

    Args:
        layer: a linear or convolution layer.
        pixels: whether every position of a linear layer's image is a separate input, as in a first layer.

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

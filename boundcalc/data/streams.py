"""A split whose samples are read from files piece by piece, and a split that is held out of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from boundcalc.empirical.split import Split, SplitSource
from boundcalc.errors import DataError

Pieces = Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]]
"""Batch size -> (samples uint8, labels int64), piece by piece, from the start."""


@dataclass(frozen=True)
class Stream:
    """Samples of one shape that are read when they are requested.

    Attributes:
        label: the file or folder, used in messages.
        shape: shape of one sample.
        m: number of samples.
        pieces: function that starts a new pass.
    """

    label: str
    shape: tuple[int, ...]
    m: int
    pieces: Pieces = field(repr=False)
    dtype: np.dtype[Any] = field(default=np.dtype(np.uint8), repr=False)

    @property
    def x_label(self) -> str:
        """Name of the samples in messages."""
        return f"{self.label}: images"

    @property
    def y_label(self) -> str:
        """Name of the labels in messages."""
        return f"{self.label}: labels"

    def raw(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield samples and labels, at most `batch_size` at a time."""
        yield from self.pieces(batch_size)

    def split(self) -> Split:
        """Return the split of these samples.

        Raises:
            DataError: there are no samples.
        """
        if not self.m:
            raise DataError(f"{self.label}: no samples")
        return Split(self.shape, self.m, self)


@dataclass(frozen=True)
class Subset:
    """Some samples of a source.

    Attributes:
        source: all samples.
        chosen: which samples belong to the subset, (m,) bool.
    """

    source: SplitSource
    chosen: np.ndarray = field(repr=False)

    @property
    def label(self) -> str:
        """Label of the source."""
        return self.source.label

    @property
    def x_label(self) -> str:
        """Name of the source's samples in messages."""
        return self.source.x_label

    @property
    def y_label(self) -> str:
        """Name of the source's labels in messages."""
        return self.source.y_label

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the samples."""
        return self.source.dtype

    @property
    def m(self) -> int:
        """Number of the chosen samples."""
        return int(self.chosen.sum())

    def raw(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the chosen samples of every piece that contains any."""
        start = 0
        for x, y in self.source.raw(batch_size):
            here = self.chosen[start : start + len(y)]
            start += len(y)
            if here.any():
                yield x[here], y[here]


def held_out(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Draw a test split from a split, all of its samples with equal probability.

    Args:
        split: all samples; their number is known.
        share: share of the samples to draw, rounded to whole samples.
        seed: seed of the draw.

    Returns:
        The remaining samples and the drawn samples, both in their original order.

    Raises:
        DataError: the number of samples is not known, or one of the splits would be empty.
    """
    if split.m is None:
        raise DataError(
            f"{split.source.label}: --holdout needs a known number of samples, and this data does not "
            "state one"
        )
    count = round(share * split.m)
    if not 0 < count < split.m:
        raise DataError(
            f"{split.source.label}: --holdout {share:g} of {split.m} samples leaves one split empty"
        )
    drawn = np.zeros(split.m, dtype=bool)
    random = np.random.RandomState(seed % (1 << 32))  # its stream never changes between versions of numpy
    drawn[random.permutation(split.m)[:count]] = True
    stay, test = (Subset(split.source, chosen) for chosen in (~drawn, drawn))
    return replace(split, m=stay.m, source=stay), replace(split, m=test.m, source=test)

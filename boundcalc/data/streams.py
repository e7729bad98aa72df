"""A split of samples that come piece by piece from files, and a split that is held out of another."""

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
    """Samples of one shape that are made as they are asked for.

    Attributes:
        label: the file or folder, for messages.
        shape: of one sample.
        m: number of samples.
        pieces: starts a new pass.
    """

    label: str
    shape: tuple[int, ...]
    m: int
    pieces: Pieces = field(repr=False)
    dtype: np.dtype[Any] = field(default=np.dtype(np.uint8), repr=False)

    @property
    def x_label(self) -> str:
        """The samples."""
        return f"{self.label}: images"

    @property
    def y_label(self) -> str:
        """The labels."""
        return f"{self.label}: labels"

    def raw(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield samples and labels, `batch_size` at a time at most."""
        yield from self.pieces(batch_size)

    def split(self) -> Split:
        """Return the split of these samples.

        Raises:
            DataError: there is none.
        """
        if not self.m:
            raise DataError(f"{self.label}: no samples")
        return Split(self.shape, self.m, self)


@dataclass(frozen=True)
class Subset:
    """Some samples of a source.

    Attributes:
        source: all samples.
        chosen: which of them, (m,) bool.
    """

    source: SplitSource
    chosen: np.ndarray = field(repr=False)

    @property
    def label(self) -> str:
        """Of the source."""
        return self.source.label

    @property
    def x_label(self) -> str:
        """Of the source."""
        return self.source.x_label

    @property
    def y_label(self) -> str:
        """Of the source."""
        return self.source.y_label

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        return self.source.dtype

    @property
    def m(self) -> int:
        """Number of the chosen samples."""
        return int(self.chosen.sum())

    def raw(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the chosen samples of every piece that holds one."""
        start = 0
        for x, y in self.source.raw(batch_size):
            here = self.chosen[start : start + len(y)]
            start += len(y)
            if here.any():
                yield x[here], y[here]


def held_out(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Draw a test split out of a split, every sample of it as likely as any other.

    Args:
        split: all samples; their number is known.
        share: that is drawn, rounded to whole samples.
        seed: of the draw.

    Returns:
        The samples that stay, and those that were drawn, both in their order.

    Raises:
        DataError: the number of samples is not known, or one of the splits would be empty.
    """
    if split.m is None:
        raise DataError(f"{split.source.label}: --holdout: how many samples there are is not known")
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

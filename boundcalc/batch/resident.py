"""A data set that is read once and then held in memory, for many passes over it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from boundcalc.empirical.columns import ArrayColumn, DataArray
from boundcalc.empirical.datasets import Dataset
from boundcalc.empirical.split import ColumnPair, Split

ROWS = 4096


def resident(data: Dataset, most_bytes: int) -> Dataset:
    """Return a data set whose arrays are in memory, in the type in which they are stored (uint8 stays uint8).

    Args:
        data: a data set.
        most_bytes: the most bytes that the samples of a split may take. A larger split is left as it is, and so is one whose
            batches come from the user's own code, which is called anew for every pass.

    Returns:
        A data set of the same samples.

    Raises:
        DataError: a file is damaged.

    Example:
        >>> from boundcalc.empirical.datasets import open_data
        >>> x, y = np.arange(12, dtype=np.uint8).reshape(4, 3), np.array([0, 1, 1, 0])
        >>> data = resident(open_data((x, y, x, y)), 1 << 20)
        >>> [batch.tolist() for _, batch in data.train.batches(3)]
        [[0, 1, 1], [0]]
    """
    test = None if data.test is None else _resident(data.test, most_bytes)
    return replace(data, train=_resident(data.train, most_bytes), test=test)


def _resident(split: Split, most_bytes: int) -> Split:
    source = split.source
    if not isinstance(source, ColumnPair) or _size(source.x) > most_bytes:
        return split
    return replace(split, source=replace(source, x=_read(source.x), y=_read(source.y)))


def _size(column: DataArray) -> int:
    return int(np.prod(column.shape, dtype=np.int64)) * column.dtype.itemsize


def _read(column: DataArray) -> DataArray:
    return ArrayColumn(column.label, np.concatenate(list(column.rows(ROWS))))

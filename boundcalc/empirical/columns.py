"""A column: one array of a data set, read in order, a few rows at a time."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol
from zipfile import BadZipFile

import numpy as np

from boundcalc.budget import Budget
from boundcalc.errors import DataError

UNREADABLE = (OSError, EOFError, zlib.error, BadZipFile, RuntimeError, NotImplementedError)
"""Exceptions raised by reading a damaged, encrypted or unusually compressed file (gzip's BadGzipFile is an OSError)."""


class DataArray(Protocol):
    """One array of a data set.

    Attributes:
        label: the file and the key, used in messages.
        shape: shape of the whole array, samples first.
        dtype: dtype as stored.
    """

    @property
    def label(self) -> str: ...  # noqa: D102

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102

    def rows(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield the array in order, `batch_size` rows at a time; the last piece may be shorter."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayColumn:
    """An array in memory or memory-mapped.

    Attributes:
        label: the origin of the array, used in messages.
        array: numpy array or memmap, samples first.
    """

    label: str
    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype as stored."""
        return self.array.dtype

    def rows(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield slices of `batch_size` rows, in order."""
        for start in range(0, self.shape[0], batch_size):
            yield np.asarray(self.array[start : start + batch_size])


@dataclass(frozen=True)
class ChannelColumn:
    """Gray images, `(m, rows, columns)`, as images of one channel, `(m, 1, rows, columns)`.

    Attributes:
        column: the images.
    """

    column: DataArray

    @property
    def label(self) -> str:
        """Origin of the images."""
        return self.column.label

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array, with the channel."""
        return (self.column.shape[0], 1, *self.column.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype as stored."""
        return self.column.dtype

    def rows(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield `batch_size` images at a time."""
        for images in self.column.rows(batch_size):
            yield images[:, None]


def read_rows(
    stream: IO[bytes],
    label: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    batch_size: int,
    budget: Budget,
) -> Iterator[np.ndarray]:
    """Yield the rows of a C-ordered array from a byte stream that is positioned at the array's first byte.

    Args:
        stream: binary stream; it is read to its end, so that a checksum there is verified.
        label: name of the array in errors.
        shape: shape of the whole array, samples first.
        dtype: dtype of its entries.
        batch_size: rows per piece.
        budget: memory budget of the file, which must hold a piece in float64.

    Yields:
        Arrays `(b,) + shape[1:]`, b <= batch_size, read-only.

    Raises:
        DataError: the stream is damaged, ends early, or continues after the array.
    """
    entries = math.prod(shape[1:])
    budget.check(8 * entries * min(batch_size, shape[0]), f"a batch of samples of {entries} numbers")
    row_bytes = dtype.itemsize * entries
    for start in range(0, shape[0], batch_size):
        count = min(batch_size, shape[0] - start)
        content = _read(stream, label, count * row_bytes)
        if len(content) < count * row_bytes:
            row = start + len(content) // row_bytes
            raise DataError(f"{label}: truncated at row {row} of {shape[0]}; copy the file again")
        yield np.frombuffer(content, dtype=dtype).reshape((count, *shape[1:]))
    if _read(stream, label, 1):
        raise DataError(f"{label}: holds more bytes than its header says, {shape}; the file is damaged")


def _read(stream: IO[bytes], label: str, size: int) -> bytes | bytearray:
    content = bytearray()
    try:
        while len(content) < size:
            piece = stream.read(size - len(content))
            if not piece:
                break
            if len(piece) == size:
                return piece
            content += piece
    except UNREADABLE as error:
        raise DataError(f"{label}: truncated or damaged ({error}); copy the file again") from error
    return content

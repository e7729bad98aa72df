"""A split: samples and labels streamed in batches, which are checked and scaled on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from boundcalc import progress
from boundcalc.empirical.arrays import as_array
from boundcalc.empirical.columns import DataArray
from boundcalc.errors import DataError, SampleError

Normalization = tuple[tuple[float, ...], tuple[float, ...]]
"""Means and standard deviations: one of each, or one of each per channel."""

Batch = tuple[NDArray[np.float64], NDArray[np.int64]]


class SplitSource(Protocol):
    """The source of a split's samples.

    Attributes:
        label: the file or callable, used in messages.
        x_label: name of the array of samples in messages.
        y_label: name of the array of labels in messages.
        shape: shape of one sample.
        dtype: dtype of the samples as stored.
        m: number of samples; None if it is known only after a pass over them.
    """

    @property
    def label(self) -> str: ...  # noqa: D102

    @property
    def x_label(self) -> str: ...  # noqa: D102

    @property
    def y_label(self) -> str: ...  # noqa: D102

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102

    @property
    def m(self) -> int | None: ...  # noqa: D102

    def raw(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield samples and labels as stored, in pieces of any size."""
        ...


@dataclass(frozen=True)
class Split:
    """Samples and labels of one split; nothing is read before `batches`, and never more than one batch is in memory.

    Attributes:
        shape: shape of one sample, e.g. `(1, 28, 28)`.
        m: number of samples; None if it is known only after a pass over the batches.
        source: source of the samples.
        steps: normalizations applied in order, after scaling.
    """

    shape: tuple[int, ...]
    m: int | None
    source: SplitSource = field(repr=False)
    steps: tuple[Normalization, ...] = ()

    def batches(self, batch_size: int = 1000) -> Iterator[Batch]:
        """Stream the split once, in order.

        Args:
            batch_size: samples in every batch but the last, which holds the rest.

        Yields:
            x, `(b,) + shape`, float64: exactly what the network sees (uint8 divided by 255, then normalized), and y, `(b,)`,
            int64, >= 0. The caller owns both arrays.

        Raises:
            ValueError: `batch_size` is not positive.
            DataError: x has NaN or infinity, a label is not an integer or is negative, or a file is damaged; the message names
                the array and the row.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        add = progress.counter("samples", self.m)
        for batch in _resize(self._checked(batch_size), batch_size):
            yield batch
            add(len(batch[1]))

    def normalized(self, step: Normalization) -> Split:
        """Return the split with one more normalization, `(x - mean) / std`, applied last.

        Args:
            step: one mean and one standard deviation, or one for each channel (axis 1 of a batch).

        Returns:
            A new split over the same source.

        Raises:
            DataError: the number of channels differs from that of the samples.
        """
        channels = len(step[0])
        if channels > 1 and (not self.shape or self.shape[0] != channels):
            raise DataError(
                f"{self.source.x_label}: --normalize gives {channels} channels, but a sample has shape "
                f"{self.shape}; give MEAN,STD, or one mean and one standard deviation for each entry "
                "of the first axis"
            )
        return replace(self, steps=(*self.steps, step))

    def _checked(self, batch_size: int) -> Iterator[Batch]:
        row = 0
        for x_raw, y_raw in self.source.raw(batch_size):
            yield self._samples(x_raw, row), _labels(y_raw, self.source.y_label, row)
            row += len(y_raw)
        if row == 0:
            raise DataError(f"{self.source.label}: no samples")

    def _samples(self, raw: np.ndarray, row: int) -> NDArray[np.float64]:
        with np.errstate(over="ignore", invalid="ignore"):
            if raw.dtype == np.uint8:
                x = np.true_divide(raw, 255.0, dtype=np.float64)
                if not self.steps:
                    return x
            else:
                x = raw.astype(np.float64)
            for mean, std in self.steps:
                x -= np.reshape(mean, (-1,) + (1,) * (len(self.shape) - 1))
                x /= np.reshape(std, (-1,) + (1,) * (len(self.shape) - 1))
        finite = np.isfinite(x)
        if not finite.all():
            bad = np.nonzero(~finite.reshape(len(x), -1).all(axis=1))[0]
            raise SampleError(f"{self.source.x_label}: row {row + int(bad[0])} holds NaN or infinity")
        return x


@dataclass(frozen=True)
class ColumnPair:
    """Two arrays of equal length.

    Attributes:
        label: the file, used in messages.
        x: the samples.
        y: the labels.
    """

    label: str
    x: DataArray = field(repr=False)
    y: DataArray = field(repr=False)

    @property
    def x_label(self) -> str:
        """Name of the array of samples in messages."""
        return self.x.label

    @property
    def y_label(self) -> str:
        """Name of the array of labels in messages."""
        return self.y.label

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.x.shape[1:]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the samples."""
        return self.x.dtype

    @property
    def m(self) -> int:
        """Number of samples."""
        return self.x.shape[0]

    def raw(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield `batch_size` rows of both arrays at a time."""
        return zip(self.x.rows(batch_size), self.y.rows(batch_size), strict=True)


class NamedHalves:
    """The names of samples and labels, for a source in which they have no names of their own."""

    label: str

    @property
    def x_label(self) -> str:
        """Name of the samples in messages."""
        return f"{self.label}: x"

    @property
    def y_label(self) -> str:
        """Name of the labels in messages."""
        return f"{self.label}: y"


@dataclass(frozen=True)
class BatchSource(NamedHalves):
    """Batches from the user's own code.

    Attributes:
        label: the callable and the split, used in messages.
        factory: function that starts a new pass over `(x, y)` batches each time it is called.
        shape: shape of one sample, from the first batch.
        dtype: dtype of the samples, from the first batch.
        m: number of samples; None if it is known only after a pass over them.
    """

    label: str
    factory: Callable[[], Iterable[Any]] = field(repr=False)
    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float64))
    m: int | None = None

    def raw(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the batches as the user's code returns them; `batch_size` is ignored.

        Raises:
            DataError: the user's code raises, or a batch is not `(x, y)`, or has another shape or type than the first.
        """
        for x, y in self.pairs():
            if (x.shape[1:], x.dtype == np.uint8) != (self.shape, self.dtype == np.uint8):
                raise DataError(
                    f"{self.label}: a batch of {x.dtype} samples {x.shape[1:]} after one of {self.dtype} {self.shape}"
                )
            if len(y):
                yield x, y

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the batches as arrays, each checked on its own.

        Raises:
            DataError: the user's code raises, or a batch is not `(x, y)`.
        """
        for number, batch in enumerate(_guarded(self.factory, self.label)):
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                raise DataError(f"{self.label}: batch {number} is {type(batch).__name__}, not a pair (x, y)")
            x = as_array(batch[0], f"{self.label}: batch {number}: x")
            y = as_array(batch[1], f"{self.label}: batch {number}: y")
            check_pair(x, y, f"{self.label}: batch {number}: x", f"{self.label}: batch {number}: y")
            yield x, y


def split_of_columns(label: str, x: DataArray, y: DataArray) -> Split:
    """Make a split of two arrays.

    Args:
        label: the file, used in messages.
        x: samples, `(m, ...)`, uint8 or float.
        y: labels, `(m,)`.

    Returns:
        The split; no row has been read.

    Raises:
        DataError: shapes or dtypes are not those of samples and labels, or there are no samples.
    """
    check_pair(x, y, x.label, y.label)
    if x.shape[0] == 0:
        raise DataError(f"{x.label}: no samples")
    return Split(x.shape[1:], x.shape[0], ColumnPair(label, x, y))


def split_of_batches(label: str, factory: Callable[[], Iterable[Any]], m: int | None = None) -> Split:
    """Make a split of batches, reading only the first one.

    Args:
        label: the callable and the split, used in messages.
        factory: function that starts a new pass over `(x, y)` batches each time it is called.
        m: number of samples, if known.

    Returns:
        The split, whose `m` may be None.

    Raises:
        DataError: there is no batch, or the first does not consist of samples and labels.
    """
    for x, y in BatchSource(label, factory).pairs():
        if len(y):
            return Split(x.shape[1:], m, BatchSource(label, factory, x.shape[1:], x.dtype, m))
    raise DataError(f"{label}: no samples")


def check_pair(x: DataArray | np.ndarray, y: DataArray | np.ndarray, x_label: str, y_label: str) -> None:
    """Check the shapes and dtypes of samples and labels.

    Args:
        x: samples, `(m, ...)`.
        y: labels, `(m,)`.
        x_label: name of the samples in errors.
        y_label: name of the labels in errors.

    Raises:
        DataError: x is neither uint8 nor float, or has no axis but the first; y is not one number per sample, or not of a number
            type; or the counts differ.
    """
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(
            f"{x_label}: dtype {x.dtype}; samples are uint8 (scaled to [0, 1]) or float (taken as it is)"
        )
    if len(x.shape) < 2 or 0 in x.shape[1:]:
        raise DataError(
            f"{x_label}: shape {tuple(x.shape)}; samples are (m, ...) with at least one number each"
        )
    if y.dtype.kind not in "iuf":
        raise DataError(f"{y_label}: dtype {y.dtype}; labels are integers from 0")
    if len(y.shape) != 1:
        hint = (
            ("give y.ravel()" if y.shape[-1] == 1 else "one-hot labels: give their argmax over the last axis")
            if len(y.shape) == 2
            else "give one label per sample"
        )
        raise DataError(f"{y_label}: shape {tuple(y.shape)}, not (m,); {hint}")
    if x.shape[0] != y.shape[0]:
        raise DataError(f"{y_label}: {y.shape[0]} labels for the {x.shape[0]} samples of {x_label}")


def _labels(raw: np.ndarray, label: str, row: int) -> NDArray[np.int64]:
    # refuses fractions, negatives, NaN and what int64 cannot hold
    if raw.dtype.kind == "f":
        raw = raw.astype(np.float64)
        good = (raw >= 0) & (raw < 2.0**53) & (raw == np.floor(raw))
    else:
        good = (raw >= 0) & (raw < 2**63)
    if not good.all():
        index = int(np.nonzero(~good)[0][0])
        raise SampleError(f"{label}: row {row + index} is {raw[index]}; labels are integers from 0")
    return raw.astype(np.int64)


def _guarded(factory: Callable[[], Iterable[Any]], label: str) -> Iterator[Any]:
    try:
        batches = factory()
        if not isinstance(batches, Iterable):
            raise DataError(
                f"{label}: returned {type(batches).__name__}, not an iterator over (x, y) batches"
            )
        yield from batches
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{label}: raised {type(error).__name__}: {error}") from error


def _resize(pieces: Iterable[Batch], size: int) -> Iterator[Batch]:
    """Cut and join pieces of any length into pieces of `size`; the last one may be shorter."""
    held: list[Batch] = []
    count = 0
    for x, y in pieces:
        start = 0
        while count + len(y) - start >= size:
            stop = start + size - count
            held.append((x[start:stop], y[start:stop]))
            yield _join(held)
            held, count, start = [], 0, stop
        if start < len(y):
            held.append((x[start:], y[start:]))
            count += len(y) - start
    if held:
        yield _join(held)


def _join(held: list[Batch]) -> Batch:
    if len(held) == 1:
        return held[0]
    return np.concatenate([x for x, _ in held]), np.concatenate([y for _, y in held])

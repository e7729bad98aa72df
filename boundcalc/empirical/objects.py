"""Data in Python objects: torch data sets and loaders, Hugging Face data sets, lists of samples, pairs of arrays, batches.

A loader stands for the data set from which it draws. Shuffling and dropping the last batch change what an epoch of training sees,
but not the sample on which the network depends; hence the whole data set is read, in its own order, and m counts all of it. A
sampler that names a subset is respected; one whose samples cannot be determined is refused. A data set that draws at random, such
as one with augmentation, is not a fixed sample, and is refused too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from boundcalc.empirical.arrays import as_array, is_array
from boundcalc.empirical.columns import ArrayColumn
from boundcalc.empirical.split import NamedHalves, Split, check_pair, split_of_batches, split_of_columns
from boundcalc.errors import DataError, first_line

X_KEYS = ("image", "img", "pixel_values", "x", "input", "inputs", "data", "features")
Y_KEYS = ("label", "labels", "fine_label", "y", "target", "targets")
"""Keys of the label in a sample that is a mapping; `X_KEYS` are those of the input."""

WHOLE_SET_SAMPLERS = frozenset(
    {"SequentialSampler", "RandomSampler", "WeightedRandomSampler", "DistributedSampler"}
)
"""Samplers that draw from the whole data set."""

LOOKED_AT, READINGS = 8, 3
"""Number of samples that are read repeatedly, and number of readings, to detect samples drawn at random."""

SAMPLES_PER_PIECE = 256
"""Number of samples in a piece of a stream."""


def described(value: Any) -> str:
    """Return the name that a report gives to data from Python.

    Args:
        value: anything that holds data.

    Example:
        >>> described(([[0.0]], [0]))
        'arrays'
    """
    if _is_loader(value):
        return f"{type(value.dataset).__name__} of a {type(value).__name__}"
    if isinstance(value, tuple | list | Mapping) or is_array(value) or callable(value):
        held = value.get("train") if isinstance(value, Mapping) else value[0] if len(value) == 2 else None
        return described(held) if _is_loader(held) or _is_indexed(held) else "arrays"
    return type(value).__name__


def holds_samples(value: Any) -> bool:
    """Return whether a value is a single split: a data set or a loader."""
    return _is_loader(value) or _is_indexed(value) or _is_stream(value)


def split_of(value: Any, label: str) -> Split:
    """Make a split of data in a Python object.

    Args:
        value: a torch Dataset (map-style or iterable), a DataLoader, a Hugging Face data set, a pair of arrays, a list of `(x,
            y)` batches, an iterable of batches that can be read more than once, or a function that returns an iterator over
            batches.
        label: name of the data in messages.

    Returns:
        The split.

    Raises:
        DataError: the value is none of these, it draws samples at random, or the samples of its sampler cannot be determined.
    """
    if _is_loader(value):
        return _of_loader(value, f"{label} ({type(value).__name__})")
    if _is_stream(value):
        return _of_stream(value, _stacked, f"{label} ({type(value).__name__})")
    if _is_indexed(value):
        return _of_indexed(value, None, _stacked, f"{label} ({type(value).__name__})")
    if _is_pair(value):
        names = [f"{label}: {name}" for name in ("x", "y")]
        columns = [ArrayColumn(name, as_array(array, name)) for name, array in zip(names, value, strict=True)]
        return split_of_columns(label, *columns)
    return _of_batches(value, label)


def _of_batches(value: Any, label: str) -> Split:
    if isinstance(value, Iterator):
        raise DataError(
            f"{label}: {type(value).__name__} can be read only once; give the function that makes it"
        )
    if isinstance(value, list | tuple):
        pairs = all(isinstance(batch, tuple | list) and len(batch) == 2 for batch in value)
        m = sum(len(batch[1]) for batch in value) if pairs else None
        return split_of_batches(label, partial(_same, value), m)
    if isinstance(value, Iterable) and not is_array(value) and not isinstance(value, str | bytes | Mapping):
        return split_of_batches(label, partial(_same, value))
    if callable(value):
        return split_of_batches(label, value)
    raise DataError(
        f"{label}: {type(value).__name__} is not data: give a Dataset, a DataLoader, a pair (x, y) of arrays, or a function "
        "that returns an iterator over (x, y) batches"
    )


def _same(value: Any) -> Any:
    return value


def _of_loader(loader: Any, label: str) -> Split:
    collate = loader.collate_fn
    default = getattr(collate, "__name__", "") in {"default_collate", "default_convert"}
    make = _stacked if default else partial(_collated, collate)
    if _is_stream(loader.dataset):
        return _of_stream(loader.dataset, make, label)
    batches = loader.batch_sampler
    usual = batches is None or type(batches).__name__ == "BatchSampler"
    sampler = loader.sampler if usual else batches
    name = type(sampler).__name__
    if name == "SubsetRandomSampler":
        return _of_indexed(loader.dataset, sorted(int(index) for index in sampler.indices), make, label)
    if name not in WHOLE_SET_SAMPLERS:
        raise DataError(
            f"{label}: boundcalc cannot determine which samples {name} draws: give the Dataset, or the "
            "Subset, on which the network was trained"
        )
    return _of_indexed(loader.dataset, None, make, label)


Stack = Callable[[list[Any], str], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class IndexedSource(NamedHalves):
    """Samples read as `dataset[i]`, in the order of their index.

    Attributes:
        label: name of the data in messages.
        dataset: object with ``__getitem__``.
        indices: indices of the samples that belong to the split.
        stack: function that makes arrays of some samples.
        shape: shape of one sample.
        dtype: dtype of the samples.
    """

    label: str
    dataset: Any = field(repr=False)
    indices: Sequence[int] = field(repr=False)
    stack: Stack = field(repr=False)
    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float64))

    @property
    def m(self) -> int:
        """Number of samples."""
        return len(self.indices)

    def raw(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield samples and labels, `batch_size` at a time.

        Raises:
            DataError: the data set's own code raises, or a sample has another shape or type than the first.
        """
        for start in range(0, len(self.indices), batch_size):
            x, y = self.stack(self.items(self.indices[start : start + batch_size]), self.label)
            if (x.shape[1:], x.dtype == np.uint8) != (self.shape, self.dtype == np.uint8):
                raise DataError(
                    f"{self.label}: samples of shape {x.shape[1:]} and {x.dtype} from {start} on, after {self.shape} and "
                    f"{self.dtype}"
                )
            yield x, y

    def items(self, indices: Iterable[int]) -> list[Any]:
        """Return some samples as the data set returns them.

        Raises:
            DataError: the data set's own code raises.
        """
        found = []
        for index in indices:
            try:
                found.append(self.dataset[index])
            except Exception as error:
                raise DataError(f"{self.label}: sample {index}: {first_line(error)}") from error
        return found


def _of_indexed(dataset: Any, indices: Sequence[int] | None, stack: Stack, label: str) -> Split:
    chosen = range(len(dataset)) if indices is None else indices
    if not len(chosen):
        raise DataError(f"{label}: no samples")
    source = IndexedSource(label, dataset, chosen, stack)
    few = [chosen[number * (len(chosen) - 1) // LOOKED_AT] for number in range(LOOKED_AT + 1)]
    x, y = _check_reproducible(
        [stack(source.items(dict.fromkeys(few)), label) for _ in range(READINGS)], label
    )
    check_pair(x, y, source.x_label, source.y_label)
    return Split(x.shape[1:], len(chosen), IndexedSource(label, dataset, chosen, stack, x.shape[1:], x.dtype))


def _of_stream(stream: Iterable[Any], stack: Stack, label: str) -> Split:
    def pieces() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        items = iter(stream)
        while piece := list(islice(items, SAMPLES_PER_PIECE)):
            yield stack(piece, label)

    first = [stack(list(islice(iter(stream), LOOKED_AT)), label) for _ in range(READINGS)]
    _check_reproducible(first, label)
    return split_of_batches(label, pieces)


def _check_reproducible(
    readings: list[tuple[np.ndarray, np.ndarray]], label: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples, after checking that every reading of them is the same.

    Raises:
        DataError: the readings differ.
    """
    first = readings[0]
    for other in readings[1:]:
        if not all(
            np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(first, other, strict=True)
        ):
            raise DataError(
                f"{label}: a sample is not the same when it is read again: bounds need a fixed sample; leave out what is drawn at "
                "random, such as augmentation or shuffling"
            )
    return first


def _collated(
    collate: Callable[[list[Any]], Any], items: list[Any], label: str
) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = collate(items)
    except Exception as error:
        raise DataError(f"{label}: its collate_fn raised {first_line(error)}") from error
    x, y = _input_and_label(batch, label, "a batch")
    return as_array(x, f"{label}: x"), as_array(y, f"{label}: y")


def _stacked(items: list[Any], label: str) -> tuple[np.ndarray, np.ndarray]:
    if not items:
        raise DataError(f"{label}: no samples")
    halves = [_input_and_label(item, label, "a sample") for item in items]
    xs = [_image(x, f"{label}: x") for x, _ in halves]
    shapes = {x.shape for x in xs}
    if len(shapes) > 1:
        raise DataError(
            f"{label}: samples of different shapes, such as {' and '.join(map(str, sorted(shapes)[:2]))}"
        )
    return np.stack(xs), as_array([_label(y) for _, y in halves], f"{label}: y")


def _input_and_label(item: Any, label: str, what: str) -> tuple[Any, Any]:
    """Return input and label of a sample or a batch.

    Raises:
        DataError: the item is not a pair, and has no known keys.
    """
    if isinstance(item, Mapping):
        x, y = (next((key for key in keys if key in item), None) for keys in (X_KEYS, Y_KEYS))
        if x is None or y is None:
            raise DataError(
                f"{label}: {what} holds {', '.join(map(str, item))}; one of {X_KEYS} and one of {Y_KEYS} are needed"
            )
        return item[x], item[y]
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise DataError(f"{label}: {what} is {type(item).__name__}, not a pair (x, y)")
    return item[0], item[1]


def _image(x: Any, label: str) -> np.ndarray:
    """Return an input as an array; a Pillow image with its channels first, as torchvision's ToTensor returns it.

    Raises:
        DataError: an image does not consist of bytes.
    """
    if type(x).__module__.partition(".")[0] != "PIL":
        return np.asarray(x, dtype=np.float64) if isinstance(x, int | float) else as_array(x, label)
    pixels = np.asarray(x)
    if pixels.dtype != np.uint8:
        raise DataError(f"{label}: an image of mode {x.mode}; convert it to L or RGB")
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _label(y: Any) -> Any:
    return y.detach().cpu().numpy() if is_array(y) and not isinstance(y, np.ndarray) else y


def _is_pair(value: Any) -> bool:
    """Return whether a value is a pair of arrays; the labels may be a list of numbers."""
    return isinstance(value, tuple | list) and len(value) == 2 and is_array(value[0])


def _is_loader(value: Any) -> bool:
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(value, data.DataLoader)


def _is_stream(value: Any) -> bool:
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(value, data.IterableDataset)


def _is_indexed(value: Any) -> bool:
    """Return whether a value has numbered samples and is not an array, list or mapping."""
    if (
        value is None
        or is_array(value)
        or isinstance(value, str | bytes | Mapping | tuple | list)
        or _is_stream(value)
    ):
        return False
    return hasattr(value, "__getitem__") and hasattr(value, "__len__")

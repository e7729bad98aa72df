"""CIFAR-10 as it is distributed: the Python batches, whose pickles are read as data, and the binary batches.

Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from boundcalc.budget import Budget
from boundcalc.data import pickles
from boundcalc.data.streams import Stream
from boundcalc.empirical.split import Split
from boundcalc.errors import DataError
from boundcalc.files import is_file, is_folder, open_file, read_bytes, stamp_of
from boundcalc.nearest import path_hint

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS
CLASSES = 10
BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
FOLDERS = ("", "cifar-10-batches-py", "cifar-10-batches-bin")
MOST_BYTES = 1 << 28
"""Bytes of a batch that is read whole; those of CIFAR-10 have 31 million."""

Pairs = tuple[np.ndarray, np.ndarray]


def find_cifar10(folder: Path, max_memory: float | None = None) -> tuple[Split, Split | None]:
    """Find the batches in a folder.

    Args:
        folder: the folder of the six batches, with the ending `.bin` or without; or the root in which torchvision put them.
        max_memory: gigabytes that the content of a batch may take; None for the rule of `Budget`.

    Returns:
        Training and test samples, `(3, 32, 32)`.

    Raises:
        DataError: the folder or a batch is missing, or is not what its name says.
    """
    if not is_folder(folder):
        raise DataError(
            f"{folder}: no such folder; cifar10:DIR takes the folder of the batches{path_hint(folder)}"
        )
    homes = [
        (folder / below, ending)
        for below in FOLDERS
        for ending in ("", ".bin")
        if any(is_file(folder / below / f"{name}{ending}") for name in (*BATCHES, TEST))
    ]
    if not homes:
        packed = " (unpack the .tar.gz first)" if list(folder.glob("cifar-10*.tar.gz")) else ""
        raise DataError(
            f"{folder}: no data_batch_1 to data_batch_5 and test_batch, with .bin or without, nor below it in "
            f"{' or '.join(FOLDERS[1:])}{packed}"
        )
    if len(homes) > 1:
        there = " and ".join(f"{home / (BATCHES[0] + ending)}" for home, ending in homes)
        raise DataError(f"{folder}: holds {there}: name the folder that is meant")
    home, ending = homes[0]
    missing = [name + ending for name in (*BATCHES, TEST) if not is_file(home / f"{name}{ending}")]
    if missing:
        raise DataError(f"{home / missing[0]}: missing; cifar10:DIR needs all six batches")
    train = _split([home / f"{name}{ending}" for name in BATCHES], f"{home}: {BATCHES[0]} to 5", max_memory)
    return train, _split([home / f"{TEST}{ending}"], f"{home}: {TEST}", max_memory)


def _split(paths: list[Path], label: str, max_memory: float | None) -> Split:
    binary = paths[0].suffix == ".bin"
    m = sum(_records(path) if binary else len(_batch(path, max_memory)[1]) for path in paths)

    def pieces(batch_size: int) -> Iterator[Pairs]:
        for path in paths:
            yield from (
                _binary(path, batch_size) if binary else _in_pieces(_batch(path, max_memory), batch_size)
            )

    return Stream(label, SHAPE, m, pieces).split()


def _records(path: Path) -> int:
    size = stamp_of(path, DataError.at).size
    if size % RECORD:
        raise DataError.at(
            path,
            f"its {size} bytes are not a multiple of {RECORD}, the size of a label and an image; "
            "copy the file again",
        )
    return size // RECORD


def _binary(path: Path, batch_size: int) -> Iterator[Pairs]:
    with open_file(path, DataError.at) as file:
        left = _records(path)
        while left:
            count = min(left, batch_size)
            content = file.read(count * RECORD)
            if len(content) != count * RECORD:
                raise DataError.at(path, "truncated; copy the file again")
            rows = np.frombuffer(content, np.uint8).reshape(count, RECORD)
            yield rows[:, 1:].reshape(count, *SHAPE), _labels(path, rows[:, 0].astype(np.int64))
            left -= count


def _batch(path: Path, max_memory: float | None) -> Pairs:
    # a dict of `data`, (n, 3072) bytes, and `labels`
    budget = Budget.of(path, stamp_of(path, DataError.at).size, max_memory, DataError.at)
    budget.take(3 * stamp_of(path, DataError.at).size, "a batch")
    try:
        saved = pickles.read(read_bytes(path, DataError.at, most=MOST_BYTES))
    except pickles.UnsupportedPickle as problem:
        raise DataError.at(path, f"{problem}; this is not a batch of CIFAR-10: download it again") from None
    table = {}
    if isinstance(saved, dict):
        table = {
            key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in saved.items()
        }
    data, labels = table.get("data"), table.get("labels")
    if not isinstance(data, np.ndarray) or data.shape[1:] != (PIXELS,):
        raise DataError.at(
            path, f"it has no `data` of {PIXELS} bytes per image, so it is not a batch of CIFAR-10"
        )
    if (
        not isinstance(labels, list)
        or len(labels) != len(data)
        or any(type(label) is not int for label in labels)
    ):
        what = (
            "`labels`" if "fine_labels" not in table else "`labels` (those of CIFAR-100 are another data set)"
        )
        raise DataError.at(path, f"it has no list of {len(data)} {what}, so it is not a batch of CIFAR-10")
    if any(not 0 <= label < CLASSES for label in labels):
        labels = [label if 0 <= label < CLASSES else CLASSES for label in labels]
    return data.reshape(-1, *SHAPE), _labels(path, np.array(labels, dtype=np.int64))


def _labels(path: Path, labels: np.ndarray) -> np.ndarray:
    if labels.size and int(labels.max()) >= CLASSES:
        row = int(np.argmax(labels >= CLASSES))
        raise DataError.at(
            path, f"the label of image {row} is not in 0 to 9; the file is damaged or not a batch of CIFAR-10"
        )
    return labels


def _in_pieces(batch: Pairs, size: int) -> Iterator[Pairs]:
    x, y = batch
    for start in range(0, len(y), size):
        yield x[start : start + size], y[start : start + size]

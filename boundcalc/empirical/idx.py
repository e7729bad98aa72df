"""The four IDX files of MNIST and of data sets in its format, gzipped or not.

Format: two zero bytes, a type byte (8: unsigned byte), the number of dimensions, each size as a big-endian 32-bit integer, the
entries in C order (http://yann.lecun.com/exdb/mnist).
"""

from __future__ import annotations

import gzip
import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from boundcalc.budget import Budget
from boundcalc.empirical.columns import UNREADABLE, ChannelColumn, DataArray, read_rows
from boundcalc.errors import DataError, only_own_errors
from boundcalc.files import is_file, is_folder, open_file, stamp_of
from boundcalc.nearest import path_hint

FOLDERS = ("", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw", "raw")
"""Where below the given folder the files may lie; torchvision puts them under MNIST/raw, or its look-alike's name."""


@dataclass(frozen=True)
class IdxColumn:
    """One IDX file of unsigned bytes.

    Attributes:
        path: the file; gzipped if its name ends in `.gz`.
        shape: shape of the whole array: `(m, rows, columns)` for images, `(m,)` for labels.
        budget: memory budget of the file, which limits a batch.
    """

    path: Path
    shape: tuple[int, ...]
    budget: Budget = field(compare=False, repr=False)

    @property
    def label(self) -> str:
        """The file's path."""
        return str(self.path)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""
        return np.dtype(np.uint8)

    def rows(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield `batch_size` samples at a time, uint8, without holding the whole file.

        Raises:
            DataError: the file is truncated or damaged.
        """
        with only_own_errors(self.path, DataError.at), _open(self.path) as stream:
            _header(stream, self.path, len(self.shape))
            yield from read_rows(stream, self.label, self.shape, self.dtype, batch_size, self.budget)


def open_idx(path: Path, dimensions: int, max_memory: float | None = None) -> IdxColumn:
    """Read the header of one IDX file.

    Args:
        path: the file, gzipped if its name ends in `.gz`.
        dimensions: 3 for images, 1 for labels.
        max_memory: gigabytes that a batch may take; None for the rule of `Budget`.

    Returns:
        The column.

    Raises:
        DataError: the file is unreadable, has a wrong magic number, or (if it is not gzipped) a wrong size.
    """
    found = stamp_of(path, DataError.at).size
    with only_own_errors(path, DataError.at), _open(path) as stream:
        sizes = _header(stream, path, dimensions)
    expected = 4 + 4 * dimensions + math.prod(sizes)
    if path.suffix != ".gz" and found != expected:
        fault = "truncated" if found < expected else "too long"
        raise DataError(f"{path}: {fault}, {found} bytes where the header says {expected}")
    return IdxColumn(path, sizes, Budget.of(path, found, max_memory, DataError.at))


def find_mnist(folder: Path, max_memory: float | None = None) -> dict[str, DataArray]:
    """Find the four files in a folder.

    Args:
        folder: the folder of `train-images`, `train-labels`, `t10k-images` and `t10k-labels`, each followed by `-idx3-ubyte` or
            `.idx3-ubyte` (`idx1` for labels) and possibly `.gz`; or the root of torchvision's `MNIST/raw`.
        max_memory: gigabytes that a batch of a file may take; None for the rule of `Budget`.

    Returns:
        x_train, y_train, x_test and y_test; images `(m, 1, rows, columns)`.

    Raises:
        DataError: the folder or a file is missing, or a file is not what its name says.
    """
    if not is_folder(folder):
        raise DataError(
            f"{folder}: no such folder; mnist:DIR takes the folder of the four IDX files{path_hint(folder)}"
        )
    homes = [folder / below for below in FOLDERS if _named(folder / below, "train-images", 3)]
    if len(homes) > 1:
        raise DataError(f"{folder}: holds {' and '.join(map(str, homes))}: name the folder that is meant")
    folder = homes[0] if homes else folder
    return {
        "x_train": ChannelColumn(open_idx(_find(folder, "train-images", 3), 3, max_memory)),
        "y_train": open_idx(_find(folder, "train-labels", 1), 1, max_memory),
        "x_test": ChannelColumn(open_idx(_find(folder, "t10k-images", 3), 3, max_memory)),
        "y_test": open_idx(_find(folder, "t10k-labels", 1), 1, max_memory),
    }


def _find(folder: Path, stem: str, dimensions: int) -> Path:
    there = _named(folder, stem, dimensions)
    if there:
        return there[0]
    raise DataError(
        f"{folder}: {stem}-idx{dimensions}-ubyte(.gz) is missing; mnist:DIR needs the four IDX files"
    )


def _named(folder: Path, stem: str, dimensions: int) -> list[Path]:
    """Return the entries with the name of one of the four files: the regular files, or all others if there are none."""
    names = [
        folder / f"{stem}{joint}idx{dimensions}-ubyte{ending}" for joint in "-." for ending in ("", ".gz")
    ]
    return [path for path in names if is_file(path)] or [
        path for path in names if os.path.lexists(path) and not is_folder(path)
    ]


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with open_file(path, DataError.at) as file:
        if path.suffix != ".gz":
            yield file
            return
        with gzip.GzipFile(fileobj=file) as stream:
            yield cast("IO[bytes]", stream)


def _header(stream: IO[bytes], path: Path, dimensions: int) -> tuple[int, ...]:
    expected = 0x0800 + dimensions
    try:
        head = stream.read(4 + 4 * dimensions)
    except UNREADABLE as error:
        raise DataError(f"{path}: truncated or damaged ({error}); copy the file again") from error
    magic = int.from_bytes(head[:4], "big")
    if len(head) >= 4 and magic != expected:
        kind = "images" if dimensions == 3 else "labels"
        raise DataError(f"{path}: magic number 0x{magic:08x}, but IDX {kind} of bytes have 0x{expected:08x}")
    if len(head) < 4 + 4 * dimensions:
        raise DataError(f"{path}: truncated in its header; copy the file again")
    return struct.unpack(f">{dimensions}I", head[4:])

"""Arrays read from an .npz archive or a folder of .npy files, which are never loaded as a whole or unpickled."""

from __future__ import annotations

import math
import os
import tokenize
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from boundcalc.archive import open_zip
from boundcalc.budget import Budget
from boundcalc.empirical.columns import UNREADABLE, ArrayColumn, DataArray, read_rows
from boundcalc.errors import DataError, only_own_errors
from boundcalc.files import entries, is_folder, open_file, stamp_of
from boundcalc.nearest import path_hint

KEYS = ("x_train", "y_train", "x_test", "y_test")
"""The four arrays of a data set."""

_UNREADABLE = "not a readable .npz archive"


@dataclass(frozen=True)
class NpzColumn:
    """One array of an .npz archive, stored or compressed.

    Attributes:
        path: path of the archive.
        member: name of the array in the archive, with `.npy`.
        shape: shape of the whole array.
        dtype: dtype of its entries.
        budget: memory budget of the file, which limits a batch.
    """

    path: Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    budget: Budget = field(compare=False, repr=False)

    @property
    def label(self) -> str:
        """The archive and the key."""
        return f"{self.path}: {self.member.removesuffix('.npy')}"

    def rows(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield `batch_size` rows at a time, decompressing them on the way.

        Raises:
            DataError: the member is truncated or damaged (its checksum is verified at the end).
        """
        with (
            only_own_errors(self.label, DataError.at),
            _archive(self.path) as archive,
            archive.open(self.member) as stream,
        ):
            _header(stream, self.label)
            yield from read_rows(stream, self.label, self.shape, self.dtype, batch_size, self.budget)


def find_npz(path: Path, max_memory: float | None = None) -> tuple[dict[str, DataArray], tuple[str, ...]]:
    """Read the headers of an archive, or of a folder of .npy files.

    Args:
        path: an .npz file, or a folder of `x_train.npy` and so on, which are memory-mapped.
        max_memory: gigabytes that a batch of the archive may take; None for the rule of `Budget`.

    Returns:
        The arrays among the four that the file holds, by key, and the names of all others, which are ignored.

    Raises:
        DataError: the file is missing or not an archive, or an array cannot be streamed.
    """
    if is_folder(path):
        files = {file.stem: file for file in entries(path, DataError.at) if file.suffix == ".npy"}
        return {key: _map_npy(files[key]) for key in KEYS if key in files}, _others(files)
    if not os.path.lexists(path):
        raise DataError(
            f"{path}: no such file; npz:FILE takes an .npz file or a folder of .npy files{path_hint(path)}"
        )
    budget = Budget.of(path, stamp_of(path, DataError.at).size, max_memory, DataError.at)
    with only_own_errors(path, DataError.at), _archive(path) as archive:
        names = {name.removesuffix(".npy"): name for name in archive.namelist()}
        found: dict[str, DataArray] = {
            key: _member(archive, path, names[key], budget) for key in KEYS if key in names
        }
    return found, _others(names)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    with (
        open_file(path, DataError.at) as file,
        open_zip(file, path, DataError.at, most_expansion=None, unreadable=_UNREADABLE) as archive,
    ):
        yield archive


def _others(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in KEYS)


def _member(archive: zipfile.ZipFile, path: Path, name: str, budget: Budget) -> NpzColumn:
    label = f"{path}: {name.removesuffix('.npy')}"
    try:
        with archive.open(name) as stream:
            shape, dtype = _header(stream, label)
    except UNREADABLE as error:
        raise DataError(f"{label}: truncated or damaged ({error}); copy the file again") from error
    return NpzColumn(path, name, shape, dtype, budget)


def _map_npy(path: Path) -> ArrayColumn:
    label = f"{path}: {path.stem}"
    with only_own_errors(label, DataError.at), open_file(path, DataError.at) as stream:
        shape, dtype = _header(stream, label)
        offset = stream.tell()
        size = dtype.itemsize * math.prod(shape)
        found = os.fstat(stream.fileno()).st_size - offset
        if found != size:
            fault = "truncated" if found < size else "too long"
            raise DataError(f"{label}: {fault}, {found} bytes where the header says {size}")
        if size == 0:
            return ArrayColumn(label, np.empty(shape, dtype))
        return ArrayColumn(label, np.memmap(stream, dtype, mode="r", offset=offset, shape=shape))


def _header(stream: IO[bytes], label: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers written by Python 2
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            elif version == (2, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
            else:
                raise DataError(f"{label}: .npy format {version} is not one that plain arrays are stored in")
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError) as error:
        raise DataError(f"{label}: not an .npy array, or truncated ({error})") from error
    if dtype.hasobject:
        raise DataError(
            f"{label}: an object array would have to be unpickled, which runs code; save plain numbers"
        )
    if fortran and len(shape) > 1:
        raise DataError(f"{label}: stored in Fortran order; save numpy.ascontiguousarray of it")
    return shape, dtype

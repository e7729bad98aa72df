"""NumPy files, .npz and .npy, read as arrays of numbers and never unpickled."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from boundcalc.archive import open_zip
from boundcalc.budget import Budget
from boundcalc.errors import CheckpointError
from boundcalc.files import open_file, stamp_of

_ARRAY, _ZIP = b"\x93NUMPY", b"PK"
_SUFFIX = ".npy"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def is_numpy(path: Path) -> bool:
    """Return whether a file is an .npy, or an .npz: a zip that contains only .npy files.

    Args:
        path: path of a regular file.
    """
    with open_file(path) as file:
        head = file.read(len(_ARRAY))
        if not head.startswith(_ZIP):
            return head == _ARRAY
        with open_zip(file, path) as archive:
            names = archive.namelist()
    return bool(names) and all(name.endswith(_SUFFIX) for name in names)


def load(path: Path, max_memory: float | None = None) -> tuple[Any, Budget]:
    """Read an .npz or an .npy file.

    Args:
        path: path of the file.
        max_memory: limit on its memory in gigabytes; None for the default of `Budget`.

    Returns:
        Name -> tensor in the order of the archive, or the one tensor of an .npy; and the budget that their memory was taken
        from.

    Raises:
        CheckpointError: when it is damaged, too large, or holds anything but numbers.
    """
    budget = Budget.of(path, stamp_of(path).size, max_memory)
    with open_file(path) as file:
        if file.read(len(_ARRAY)) == _ARRAY:
            file.seek(0)
            return _tensor(file, path, path.name, budget), budget
        with open_zip(file, path) as archive:
            found: dict[str, torch.Tensor] = {}
            for name in archive.namelist():
                with archive.open(name) as stream:
                    found[name.removesuffix(_SUFFIX)] = _tensor(stream, path, name, budget)
    return found, budget


def _tensor(stream: IO[bytes], path: Path, name: str, budget: Budget) -> torch.Tensor:
    try:
        read_header = _HEADERS[np.lib.format.read_magic(stream)]
        shape, by_columns, kind = read_header(stream)
    except (ValueError, KeyError, TypeError, OverflowError) as problem:
        raise CheckpointError(path, f"{name} is not an array in NumPy's format ({problem})") from None
    if kind.kind not in "biuf" or kind.itemsize > 8:
        raise CheckpointError(path, f"{name} holds {kind}, not plain numbers")
    size = math.prod(shape) * kind.itemsize
    budget.take(size, f"{name} of shape {shape}")
    content = stream.read(size)
    if len(content) != size:
        raise CheckpointError(path, f"{name} is truncated")
    values = np.frombuffer(content, dtype=kind).reshape(shape, order="F" if by_columns else "C")
    target = kind.newbyteorder("=") if kind.str[1:] not in {"u2", "u4", "u8"} else np.dtype(np.int64)
    return torch.from_numpy(values.astype(target, order="C"))

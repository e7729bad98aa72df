"""Files of torch.save, read with ``weights_only=True``: tensors and plain values, nothing else."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import is_zipfile

import torch

from boundcalc.archive import open_zip, unpacked_size
from boundcalc.budget import Budget
from boundcalc.checkpoint.refusal import explain
from boundcalc.checkpoint.stand_ins import STAND_INS, without_stand_ins
from boundcalc.errors import CheckpointError


def load(source: BinaryIO, path: Path | str, budget: Budget) -> Any:
    """Read a file written by torch.save.

    Args:
        source: the open file, or its bytes if it is part of another file.
        path: path for errors.
        budget: memory budget of the file; the members of an archive count with their unpacked size.

    Returns:
        The saved object, with NumPy arrays converted to tensors; NumPy scalars, dtypes and Namespaces lose their content.

    Raises:
        CheckpointError: when it holds anything but tensors and plain values, or is damaged.
    """
    if is_zipfile(source):
        with open_zip(source, path) as archive:
            budget.check(unpacked_size(archive), "what its archive unpacks to")
    source.seek(0)
    with warnings.catch_warnings(), _stand_ins():
        warnings.simplefilter("ignore")
        try:
            return without_stand_ins(torch.load(source, map_location="cpu", weights_only=True))
        except Exception as problem:
            raise CheckpointError(path, explain(source, problem)) from None


def _stand_ins() -> AbstractContextManager[Any]:
    safe_globals = getattr(torch.serialization, "safe_globals", None)
    return nullcontext() if safe_globals is None else safe_globals(list(STAND_INS.values()))

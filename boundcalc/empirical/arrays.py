"""Conversion of array-like values to numpy arrays, without importing torch."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from boundcalc.errors import DataError


def is_array(value: object) -> bool:
    """Return whether a value is a numpy array or a torch tensor."""
    torch = sys.modules.get("torch")
    return isinstance(value, np.ndarray) or (torch is not None and isinstance(value, torch.Tensor))


def as_array(value: Any, label: str) -> np.ndarray:
    """Return a value as a numpy array, without a copy if possible.

    Args:
        value: numpy array, memmap, torch tensor (on any device) or nested sequence of numbers.
        label: name of the value in errors.

    Returns:
        The array; bfloat16, which numpy lacks, becomes float32.

    Raises:
        DataError: the value is not an array of numbers.
    """
    torch = sys.modules.get("torch")
    try:
        if torch is not None and isinstance(value, torch.Tensor):
            value = value.detach().cpu()
            return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
        array = np.asarray(value)
    except Exception as error:
        raise DataError(f"{label}: {type(value).__name__} is not an array of numbers ({error})") from error
    if array.dtype.hasobject or array.dtype.kind in "SU" or array.ndim == 0:
        raise DataError(f"{label}: {type(value).__name__} of dtype {array.dtype} is not an array of numbers")
    return array

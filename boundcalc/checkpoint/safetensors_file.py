"""safetensors: one file."""

from __future__ import annotations

from pathlib import Path

import torch

from boundcalc.errors import CheckpointError
from boundcalc.files import read_bytes


def load(path: Path) -> dict[str, torch.Tensor]:
    """Read one safetensors file.

    Args:
        path: the file.

    Returns:
        Name -> tensor, sorted by name, which is not the order of the layers.

    Raises:
        CheckpointError: when the header is malformed or the file is truncated.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as load_bytes

    try:
        return dict(sorted(load_bytes(read_bytes(path)).items()))  # the library returns them in any order
    except (
        SafetensorError,
        OSError,
        RuntimeError,
        KeyError,
        ValueError,
        TypeError,
        OverflowError,
    ) as problem:
        raise CheckpointError(path, f"damaged safetensors file ({problem})") from None

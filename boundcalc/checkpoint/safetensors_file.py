"""Reading and writing a single safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from boundcalc.errors import CheckpointError
from boundcalc.files import read_bytes

_ORDER = "boundcalc.order"
"""The entry of the header's metadata in which boundcalc stores the order of the keys, which the format itself does not keep."""

_LENGTH = 8


def load(path: Path) -> tuple[dict[str, torch.Tensor], bool]:
    """Read one safetensors file.

    Args:
        path: path of the file.

    Returns:
        Name -> tensor, and whether they are in the order of the layers, which only files written by `as_bytes` record;
        otherwise they are sorted by name.

    Raises:
        CheckpointError: when the header is malformed or the file is truncated.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as load_bytes

    content = read_bytes(path)
    try:
        tensors = load_bytes(content)
        order = _order(content)
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
    if order is None or sorted(order) != sorted(tensors):
        return dict(sorted(tensors.items())), False  # the library returns them in any order
    return {key: tensors[key] for key in order}, True


def as_bytes(state: Mapping[str, torch.Tensor], *, ordered: bool) -> bytes:
    """Return the bytes of a safetensors file.

    Args:
        state: plain tensors.
        ordered: whether they are in the order of the layers, which the file then records.
    """
    from safetensors.torch import save

    alone = {key: tensor.detach().clone().contiguous() for key, tensor in state.items()}
    order = {_ORDER: json.dumps(list(alone))} if ordered else {}
    return save(alone, {"format": "pt", **order})


def _order(content: bytes) -> list[str] | None:
    header = json.loads(content[_LENGTH : _LENGTH + int.from_bytes(content[:_LENGTH], "little")])
    metadata = header.get("__metadata__")
    order = json.loads(metadata[_ORDER]) if isinstance(metadata, dict) and _ORDER in metadata else None
    return order if isinstance(order, list) and all(isinstance(key, str) for key in order) else None

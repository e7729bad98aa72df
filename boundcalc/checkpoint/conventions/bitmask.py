"""compressed-tensors (llm-compressor, vLLM), formats sparse-bitmask and sparse-24-bitmask.

A weight ``L.weight`` is stored as three tensors: ``L.compressed``, its surviving values row by row; ``L.bitmask``, one bit
per entry, the lowest bit of each byte first and every row padded to whole bytes; and ``L.shape``. Every one in the bitmask
stands for a stored value; in the 2:4 format such a value may itself be zero, so the bitmask is the mask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from boundcalc.checkpoint.arrays import count_nonzero
from boundcalc.checkpoint.conventions.state import DecodedTensor, StateDict, listing
from boundcalc.checkpoint.types import Entry
from boundcalc.errors import CheckpointError

NAME = "compressed-tensors"
_VALUES, _BITS, _SHAPE, _OFFSETS = "compressed", "bitmask", "shape", "row_offsets"
_RESAVE = 'save the model decompressed: torch.save(model.state_dict(), "model.pt") after ModelCompressor.decompress_model(model)'


def decode(state: StateDict) -> tuple[StateDict, tuple[Entry, ...]]:
    """Expand weights of which only the surviving values are stored.

    Raises a `CheckpointError` when a part is missing or parts contradict each other.

    Args:
        state: the state dict, without wrapper prefixes; an expanded weight counts with its full size in the budget.

    Returns:
        The state with plain weights and their masks, and one `Entry` for each other part of a weight.
    """
    layers = [key.removesuffix(_BITS) for key in state.tensors if _is_part(key, _BITS, state.tensors)]
    if not layers:
        return state, ()
    parts = {f"{layer}weight": _part(state, layer) for layer in layers}
    sentence = f"{layers[0]}{_VALUES} with {layers[0]}{_BITS}: {listing(parts)} stored by a bitmask"
    before = {new: old for old, new in state.renamed.items()}
    entries = tuple(
        Entry(before.get(key, key), "mask" if key.endswith(_BITS) else "buffer", f"undone with {name}")
        for name, part in parts.items()
        for key in part.of[1:]
    )
    renamed = {**state.renamed, **{before.get(part.of[0], part.of[0]): name for name, part in parts.items()}}
    return replace(state.with_parts(parts), renamed=renamed).with_note(sentence, NAME), entries


def _is_part(key: str, part: str, tensors: Mapping[str, torch.Tensor]) -> bool:
    layer = key.removesuffix(part)
    return layer != key and (not layer or layer.endswith(".")) and f"{layer}{_VALUES}" in tensors


def _part(state: StateDict, layer: str) -> DecodedTensor:
    name, bits, values = (
        f"{layer}weight",
        state.tensors[f"{layer}{_BITS}"],
        state.tensors[f"{layer}{_VALUES}"],
    )
    shape = _shape(state, layer)
    rows = (*shape[:-1], (shape[-1] + 7) // 8)
    if bits.dtype is not torch.uint8 or bits.numel() != math.prod(rows):
        raise _error(
            state, layer, f"{_BITS} has shape {tuple(bits.shape)}, which is not one bit per entry of {shape}"
        )
    state.take(math.prod(shape) * (values.element_size() + 1), f"{name} of shape {shape}")
    packed = bits.numpy().reshape(rows)
    flags = np.unpackbits(packed, axis=-1, bitorder="little")
    keep = torch.from_numpy(np.ascontiguousarray(flags[..., : shape[-1]])).bool()
    if flags[..., shape[-1] :].any() or count_nonzero(keep) != values.numel():
        kept = count_nonzero(torch.from_numpy(flags))
        raise _error(state, layer, f"{_BITS} has {kept} ones, where {_VALUES} has {values.numel()} values")
    tensor = torch.zeros(shape, dtype=values.dtype)
    tensor[keep] = values.flatten()
    own = [
        f"{layer}{part}" for part in (_VALUES, _BITS, _SHAPE, _OFFSETS) if f"{layer}{part}" in state.tensors
    ]
    return DecodedTensor(tensor, tuple(own), keep)


def _shape(state: StateDict, layer: str) -> tuple[int, ...]:
    tensor = state.tensors.get(f"{layer}{_SHAPE}")
    if tensor is None:
        raise _error(state, layer, f"{_SHAPE} is missing")
    if tensor.is_floating_point() or not 0 < tensor.numel() <= 8:
        raise _error(state, layer, f"{_SHAPE} is not a shape")
    shape = tuple(int(size) for size in tensor.flatten().tolist())
    if min(shape) < 1:
        raise _error(state, layer, f"{_SHAPE} is {shape}")
    return shape


def _error(state: StateDict, layer: str, what: str) -> CheckpointError:
    return CheckpointError(state.path, f"a weight of compressed-tensors whose {layer}{what}; {_RESAVE}")

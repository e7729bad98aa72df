"""Masks that lie outside the state dict: --mask FILE, open_lth's mask.pth, an entry beside the state dict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from boundcalc.budget import Budget
from boundcalc.checkpoint.arrays import keep_where
from boundcalc.checkpoint.conventions import nested, wrappers
from boundcalc.checkpoint.conventions.state import State, listing
from boundcalc.checkpoint.masking import as_bool, masked
from boundcalc.checkpoint.validate import usable
from boundcalc.errors import CheckpointError

_DECLARED = re.compile(
    r"(?P<layer>.*?)parametrizations\.(?P<tensor>[^.]+)\.\d+\.mask|(?P<owner>.+)(?:_mask|\.mask)"
)


@dataclass(frozen=True)
class Source:
    """Masks from one place.

    Attributes:
        path: of the file they are in.
        what: how to call it in the evidence.
        format: short name of the convention.
        masks: name of the tensor or layer -> mask.
    """

    path: Path
    what: str
    format: str
    masks: Mapping[str, torch.Tensor]


def from_object(saved: object, path: str, budget: Budget | None = None) -> dict[str, torch.Tensor]:
    """Take the masks out of what a mask file held.

    Args:
        saved: a table of masks, or a whole state dict that carries masks, alone or under a key.
        path: of the file, for errors.
        budget: of the file; None for what is in memory already.

    Returns:
        Name of the masked tensor (``L.weight``) or layer (``L``) -> mask.

    Raises:
        CheckpointError: when there are none, or they are not made of zeros and ones.
    """
    state = usable(nested.unwrap(_without_shell(saved), path), budget)
    if state.apart:
        state = replace(state, tensors=dict(state.apart))
    tensors = wrappers.strip(state).tensors
    declared = {key: tensor for key, tensor in tensors.items() if _DECLARED.fullmatch(key)}
    masks = declared or {key: tensor for key, tensor in tensors.items() if tensor.dim() > 0}
    if not masks:
        raise CheckpointError(path, "no masks in it")
    return by_owner(
        {key: as_bool(path, f"{key}, taken for a mask,", mask) for key, mask in masks.items()}, path
    )


def by_owner(masks: Mapping[str, torch.Tensor], path: str) -> dict[str, torch.Tensor]:
    """Name masks after what they mask.

    Args:
        masks: ``L.weight``, ``L``, ``L.weight_mask``, ``L.mask`` or ``L.parametrizations.weight.0.mask`` ->
            mask.
        path: of the file, for errors.

    Returns:
        The same masks under ``L.weight`` or ``L``.

    Raises:
        CheckpointError: when two are for the same tensor.
    """
    named: dict[str, torch.Tensor] = {}
    for key, mask in masks.items():
        owner = _owner(key)
        if owner in named:
            raise CheckpointError(path, f"two masks for {owner}")
        named[owner] = mask
    return named


def apply(state: State, source: Source) -> State:
    """Multiply tensors by masks that lay apart.

    Refused as a `CheckpointError` when a mask fits no layer.

    Args:
        state: decoded.
        source: of the masks.

    Returns:
        The state with masked tensors and these masks.
    """
    tensors, masks = dict(state.tensors), dict(state.masks)
    for name, mask in source.masks.items():
        key = _target(state, name, source.path)
        tensors[key], keep = masked(str(source.path), key, tensors[key], mask)
        masks[key] = keep & masks[key] if key in masks else keep
    state = replace(state, tensors=tensors, masks=masks)
    return state.noting(f"weights multiplied by the masks of {source.what}", source.format)


def apply_to_raw(
    raw: Mapping[str, torch.Tensor], masks: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Multiply the undecoded state dict by masks, where it has the masked tensor under its plain name.

    Args:
        raw: the state dict as the model loads it.
        masks: key -> bool mask.

    Returns:
        The state dict with these tensors masked; parts of reparametrisations stay as they are.
    """
    return {key: keep_where(masks[key], tensor) if key in masks else tensor for key, tensor in raw.items()}


def _without_shell(saved: object) -> object:
    if isinstance(saved, dict) and len(saved) == 1:
        (key, inner), *_ = saved.items()
        if key in {"mask", "masks"} and isinstance(inner, dict):
            return inner
    return saved


def _owner(key: str) -> str:
    match = _DECLARED.fullmatch(key)
    if match is None:
        return key
    return match["owner"] or f"{match['layer']}{match['tensor']}"


def _target(state: State, name: str, path: str | Path) -> str:
    for key in (name, f"{name}.weight", state.renamed.get(name), state.renamed.get(f"{name}.weight")):
        if key in state.tensors:
            return str(key)
    raise CheckpointError(
        path, f"the mask {name} belongs to no layer of {state.path}, which has {listing(state.tensors)}"
    )

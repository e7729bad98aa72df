"""Prefixes that wrappers put before every key: DataParallel, DistributedDataParallel, torch.compile, FSDP, AveragedModel.

``module.`` is removed only if all keys share it, and never if a key would be reduced to a parameter's bare name: a network
of one layer may really call that layer ``module``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import torch

from boundcalc.checkpoint.conventions.state import StateDict

_INNER = re.compile(
    r"(?:(?<=\.)|^)(?:_forward_module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)
_BARE = re.compile(r"(?:weight|bias)(?:_orig|_mask|_g|_v|_u)*|parametrizations\..*")
_AVERAGE = "n_averaged"
_PARALLEL = "module."


def strip(state: StateDict) -> StateDict:
    """Remove the prefixes of all wrappers.

    Args:
        state: the state dict as stored in the file.

    Returns:
        The state with the network's own names.
    """
    state = replace(state, renamed={key: key for key in state.tensors})
    while (shorter := _strip_once(state)) is not state:
        state = shorter
    return state


def cut(state: StateDict, prefix: str) -> StateDict:
    """Remove a prefix from all keys that have it.

    Args:
        state: a state dict with any keys.
        prefix: the prefix, with its dot.

    Returns:
        The state with the shortened keys.
    """
    return _rename(state, lambda key: key.removeprefix(prefix))


def leaves_bare_names(keys: Iterable[str], prefix: str) -> bool:
    """Return whether removing a prefix would remove the layer's name from a key.

    Args:
        keys: keys of the state dict.
        prefix: the prefix, with its dot.

    Returns:
        Whether some key would be reduced to ``weight``, ``bias`` or the like.
    """
    return any(_BARE.fullmatch(key.removeprefix(prefix)) for key in keys)


def _strip_once(state: StateDict) -> StateDict:
    keys = state.tensors
    if _AVERAGE in keys and all(key == _AVERAGE or key.startswith(_PARALLEL) for key in keys):
        rest = {key: tensor for key, tensor in keys.items() if key != _AVERAGE}
        state = replace(state, tensors=rest, ignored=(*state.ignored, _AVERAGE))
        return state.with_note("n_averaged: an AveragedModel; its averages are the weights")
    if keys and all(key.startswith(_PARALLEL) for key in keys) and not leaves_bare_names(keys, _PARALLEL):
        return cut(state, _PARALLEL).with_note(
            "the prefix module. is common to all keys: saved from DataParallel or a similar wrapper"
        )
    return _strip_inner(state)


def _strip_inner(state: StateDict) -> StateDict:
    keys = state.tensors
    shorter = {key: _INNER.sub("", key) for key in keys}
    changed = [key for key in keys if shorter[key] != key]
    unique = len(set(shorter.values())) == len(keys)
    if not changed or not unique or any(_BARE.fullmatch(shorter[key]) for key in changed):
        return state
    found = _INNER.search(changed[0])
    mark = found.group() if found else ""
    return _rename(state, shorter.__getitem__).with_note(
        f"the prefix {mark} of a wrapper (torch.compile, FSDP, Fabric or a similar one)"
    )


def _rename(state: StateDict, rename: Callable[[str], str]) -> StateDict:
    tensors: Mapping[str, torch.Tensor] = {rename(key): tensor for key, tensor in state.tensors.items()}
    renamed = {old: rename(new) if new in state.tensors else new for old, new in state.renamed.items()}
    return replace(state, tensors=tensors, renamed=renamed)

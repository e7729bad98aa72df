"""Checkpoints that keep the state dict under a key, beside epochs, optimizers and the like.

Evidence: a top-level entry that is itself a table of named tensors; if there are several, the first one listed in
`PREFERRED` is used. The other entries are kept for `boundcalc.checkpoint.masks`, which looks for masks there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from boundcalc.checkpoint.conventions import galanti, lightning, ramanujan
from boundcalc.checkpoint.conventions.empty import (
    describe_training_state,
    describe_without_state_dict,
    is_training_state,
)
from boundcalc.checkpoint.conventions.state import StateDict, listing
from boundcalc.checkpoint.conventions.wrappers import leaves_bare_names
from boundcalc.checkpoint.masks.words import mentions_masks, says_mask
from boundcalc.checkpoint.stand_ins import Array
from boundcalc.errors import CheckpointError

PREFERRED = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "weights",
    "model_state",
    "network",
    "params",
    "module",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
    "ema",
    "params_ema",
)
_OF_A_LAYER = re.compile(r"running_(?:mean|var)|num_batches_tracked")
_DEEPEST = 5
_LONGEST_KEY = 500
_OPEN_LTH_STATE = {"ep", "it", "model_state_dict", "optimizer_state_dict", "logger"}


def unwrap(saved: Any, path: str) -> StateDict:
    """Find the state dict in a saved object.

    Args:
        saved: the content of the file.
        path: path of the file, for errors.

    Returns:
        The tensors, and the entries stored beside them.

    Raises:
        CheckpointError: when there is no table of named tensors, or several and it is unclear which one is meant.
    """
    state = StateDict(path, {})
    for _ in range(_DEEPEST):
        saved = _joined_by_layer(_listed(saved))
        if not isinstance(saved, dict):
            raise CheckpointError(path, _no_table(saved))
        taken = _key_of_state(saved)
        if taken is None and len(homes := _homes(saved)) > 1:
            return _merged_state_dicts(saved, homes, state)
        if taken is None:
            _check_keys(saved, path)
            return _flat(saved, state)
        state = _chosen_state_dict(saved, taken, state)
        saved = saved[taken]
    raise CheckpointError(path, f"tables within tables, more than {_DEEPEST} deep")


def _no_table(saved: Any) -> str:
    said = describe_without_state_dict({"it": saved}) if isinstance(saved, list | tuple) and saved else ""
    if "list of" in said:
        return said.replace('["it"]', "")
    return f"holds {_kind(saved)}, not a state dict: a table of named tensors"


def _listed(saved: Any) -> Any:
    """Replace a list of state dicts (the networks of a cascade) by a table with their positions as keys; return anything
    else unchanged.
    """
    if isinstance(saved, list | tuple):
        return (
            {str(place): table for place, table in enumerate(saved)} if _is_list_of_tables(saved) else saved
        )
    if not isinstance(saved, dict) or any(_is_home(key, value) for key, value in saved.items()):
        return saved
    cascades = {
        key
        for key, value in saved.items()
        if isinstance(key, str) and _is_list_of_tables(value) and "optim" not in key.lower()
    }
    if not cascades:
        return saved
    found: dict[Any, Any] = {}
    for key, value in saved.items():
        listed = {f"{key}.{place}": table for place, table in enumerate(value)} if key in cascades else {}
        found |= listed or {key: value}
    return found


def _is_list_of_tables(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(_is_home("", table) and _is_table(table) for table in value)
    )


def _joined_by_layer(saved: Any) -> Any:
    """Turn a table with one table per layer, {layer: {weight, bias}}, into a state dict; return anything else unchanged."""
    if not isinstance(saved, dict):
        return saved
    layers = [key for key, value in saved.items() if _is_home(key, value)]
    own = [key for key in layers if _is_table(saved[key]) and all(map(_is_of_a_layer, saved[key]))]
    if len(own) < 2 or own != layers or any(isinstance(value, torch.Tensor) for value in saved.values()):
        return saved
    found: dict[Any, Any] = {}
    for key, value in saved.items():
        found |= {f"{key}.{name}": tensor for name, tensor in value.items()} if key in own else {key: value}
    return found


def _is_of_a_layer(name: Any) -> bool:
    return isinstance(name, str) and (
        _OF_A_LAYER.fullmatch(name) is not None or leaves_bare_names([name], "")
    )


def _kind(saved: Any) -> str:
    if isinstance(saved, torch.Tensor):
        return "one tensor without a name"
    return f"a {type(saved).__name__}"


def _check_keys(saved: dict[Any, Any], path: str) -> None:
    for key, value in saved.items():
        if not isinstance(value, torch.Tensor) and not isinstance(key, str):
            continue
        if not isinstance(key, str) or not key.isprintable() or len(key) > _LONGEST_KEY:
            raise CheckpointError(path, f"the key {ascii(key)[:80]} is not a name")


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and any(
        isinstance(item, torch.Tensor) and isinstance(key, str) for key, item in value.items()
    )


def _holds_table(value: Any, depth: int) -> bool:
    """Return whether a value contains a state dict at most ``depth`` tables deep."""
    if not isinstance(value, dict) or depth == 0:
        return False
    if _is_table(value):
        return True
    return any(_is_home(key, inner, depth - 1) or _is_list_of_tables(inner) for key, inner in value.items())


def _is_home(key: Any, value: Any, depth: int = _DEEPEST) -> bool:
    """Return whether an entry is or contains a state dict, as opposed to masks or an optimizer's state."""
    named = isinstance(key, str) and isinstance(value, dict)
    return (
        named
        and not _is_masks(key, value)
        and not is_training_state(key, value)
        and _holds_table(value, depth)
    )


def _key_of_state(saved: dict[Any, Any]) -> str | None:
    named = [key for key in PREFERRED if _is_table(saved.get(key))]
    named = named or [key for key in PREFERRED if _is_home(key, saved.get(key))]
    if named:
        return named[0]
    others = _homes(saved)
    return others[0] if len(others) == 1 else None


def _homes(saved: dict[Any, Any]) -> list[str]:
    """Return the keys whose values are state dicts, or else contain one; none if tensors of a state dict are stored beside
    them.
    """
    if any(isinstance(value, torch.Tensor) and _is_named(key, value) for key, value in saved.items()):
        return []
    homes = [key for key, value in saved.items() if _is_home(key, value)]
    return [key for key in homes if _is_table(saved[key])] or homes


def _merged_state_dicts(saved: dict[Any, Any], tables: list[str], state: StateDict) -> StateDict:
    """Merge several state dicts into one, each under its key as a prefix; which one is meant is decided when networks are
    read.

    Raises:
        CheckpointError: when a state dict is nested more deeply, so that they cannot be merged.
    """
    if not all(_is_table(saved[key]) for key in tables):
        raise CheckpointError(
            state.path,
            f"several state dicts, none under a usual name: {listing(tables)}; save one of them by itself",
        )
    tensors = {f"{key}.{name}": value for key in tables for name, value in saved[key].items()}
    rest = {key: value for key, value in saved.items() if key not in tables}
    _check_keys(tensors, state.path)
    state = replace(state, networks=tuple(f"{key}." for key in tables))
    return _flat(
        {**tensors, **rest}, state.with_note(f"several state dicts, under the keys {listing(tables)}")
    )


def _is_named(key: Any, value: torch.Tensor) -> bool:
    """Return whether a tensor can belong to a state dict, as opposed to a number or a mask stored beside one."""
    return (
        not isinstance(key, str)
        or (value.dim() > 0 and not mentions_masks(key.partition(".")[0]))
        or "." in key
    )


def _is_masks(key: str, table: dict[Any, Any]) -> bool:
    """Return whether a table holds masks: by its name if that says mask, by its values too if it only says pruned or kept."""
    tensors = [item for item in table.values() if isinstance(item, torch.Tensor)]
    return says_mask(key) or (mentions_masks(key) and not any(item.is_floating_point() for item in tensors))


def _chosen_state_dict(saved: dict[str, Any], taken: str, state: StateDict) -> StateDict:
    _refuse_training_state(saved, state)
    others = [
        str(key)
        for key in saved
        if key != taken and _is_table(saved[key]) and not _is_masks(str(key), saved[key])
    ]
    choice = f"; {listing(others)} not read" if others else ""
    state = state.with_note(f"state dict under the key {taken}{choice}")
    for convention in (galanti, lightning, ramanujan):
        state = convention.recognize(saved, taken, state)
    rest = {key: value for key, value in saved.items() if key != taken}
    return replace(_set_aside(state, rest), home=(*state.home, taken))


def _set_aside(state: StateDict, rest: dict[Any, Any]) -> StateDict:
    """Set aside entries that are not part of the state dict."""
    beside = tuple(((*state.home, key), value) for key, value in rest.items())
    return replace(state, beside=(*state.beside, *beside), ignored=(*state.ignored, *map(str, rest)))


def _refuse_training_state(saved: dict[str, Any], state: StateDict) -> None:
    if set(saved) >= _OPEN_LTH_STATE:
        raise CheckpointError(
            state.path,
            "open_lth's training state for resuming (keys ep, it, logger, ...; weights without mask, and "
            "NumPy objects such as numpy.dtype): pass the folder, or the model_ep<E>_it<I>.pth beside it",
        )


def _flat(saved: dict[str, Any], state: StateDict) -> StateDict:
    tensors = {key: value for key, value in saved.items() if isinstance(value, torch.Tensor)}
    if not tensors or describe_training_state(saved):
        raise CheckpointError(state.path, describe_without_state_dict(saved))
    for key, value in saved.items():
        if value is not None and key not in tensors and str(key).rpartition(".")[2] in {"weight", "bias"}:
            what = "an array whose entries are not numbers" if isinstance(value, Array) else _kind(value)
            raise CheckpointError(
                state.path, f"{key} is {what}, not a tensor: convert it with torch.as_tensor before saving"
            )
    return _set_aside(
        replace(state, tensors=tensors, metadata=metadata_of(saved)),
        {key: value for key, value in saved.items() if key not in tensors},
    )


def metadata_of(saved: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the module versions that `torch.nn.Module.state_dict` keeps beside the tensors, if they have the form that it
    writes.

    Args:
        saved: a state dict.
    """
    metadata = getattr(saved, "_metadata", None)
    if not isinstance(metadata, dict):
        return {}
    return {
        name: dict(own) for name, own in metadata.items() if isinstance(name, str) and isinstance(own, dict)
    }

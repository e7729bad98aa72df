"""torch.nn.utils.parametrize: ``L.parametrizations.weight.original`` (or ``original0``, ``original1``), and the state of
the i-th parametrization under ``L.parametrizations.weight.i``.

Supported: weight_norm (original0, original1), spectral_norm (``_u``, ``_v``) and masks (``mask``), applied one after the
other. A parametrization without state, such as torch.ao.pruning's, leaves no trace: ``.original`` alone is refused unless a
separate file gives the mask.
"""

from __future__ import annotations

import re
from dataclasses import replace

import torch

from boundcalc.checkpoint.arrays import keep_where
from boundcalc.checkpoint.conventions import spectral_norm, weight_norm
from boundcalc.checkpoint.conventions.state import Convention, DecodedTensor, StateDict, listing
from boundcalc.checkpoint.masking import masked
from boundcalc.errors import CheckpointError

NAME = "parametrizations"
_KEY = re.compile(r"(?P<layer>.*?)(?:^|(?<=\.))parametrizations\.(?P<tensor>[^.]+)\.(?P<rest>.+)")
_PLAIN, _PAIR = {"original"}, {"original0", "original1"}


def decode(state: StateDict) -> StateDict:
    """Undo parametrizations.

    Raises a `CheckpointError` when a parametrization is not a supported one.

    Args:
        state: the state dict, with live pruning undone.

    Returns:
        The state with plain tensors, and the masks.
    """
    state = _with_biases(state)
    groups = _groups(state)
    if not groups:
        return state
    parts: dict[str, DecodedTensor] = {}
    kinds: set[str] = set()
    for name, rests in groups.items():
        parts[name], found = _part(state, name, rests)
        kinds.update(found)
    kind = f" ({listing(sorted(kinds))})" if kinds else ""
    first = next(iter(groups.values()))
    sentence = f"{next(iter(first.values()))}: parametrizations{kind} of {listing(groups)}"
    return state.with_parts(parts).with_note(sentence, NAME)


def _with_biases(state: StateDict) -> StateDict:
    """Rename the ``_bias`` of torch.ao's structured pruning to ``bias``, set to zero in pruned rows as its hook does."""
    found: dict[str, torch.Tensor] = {}
    moved: list[str] = []
    for key, tensor in state.tensors.items():
        layer = key.removesuffix("_bias")
        weight = f"{layer}parametrizations.weight.original"
        if (
            layer == key
            or (layer and not layer.endswith("."))
            or weight not in state.tensors
            or f"{layer}bias" in state.tensors
        ):
            found[key] = tensor
            continue
        mask = state.unapplied_mask(f"{layer}weight")
        rows = None if mask is None else mask.flatten(1).any(1)
        fits = rows is not None and rows.shape == tensor.shape
        found[f"{layer}bias"] = keep_where(rows, tensor) if rows is not None and fits else tensor
        moved.append(key)
    if not moved:
        return state
    sentence = f"{listing(moved)}: biases that torch.ao's structured pruning stores, 0 where a row is pruned"
    return replace(state, tensors=found).with_note(sentence)


def _groups(state: StateDict) -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    for key in state.tensors:
        match = _KEY.fullmatch(key)
        if match:
            groups.setdefault(match["layer"] + match["tensor"], {})[match["rest"]] = key
    return groups


def _part(state: StateDict, name: str, rests: dict[str, str]) -> tuple[DecodedTensor, list[str]]:
    originals = {rest for rest in rests if rest.startswith("original")}
    steps = _steps(state, rests, originals)
    kinds = ["weight_norm"] if originals == _PAIR else []
    if originals == _PAIR:
        start = weight_norm.normed(state, name, rests["original0"], rests["original1"])
    elif originals == _PLAIN:
        start = DecodedTensor(state.tensors[rests["original"]], (), state.masks.get(rests["original"]))
    else:
        raise CheckpointError(
            state.path,
            f"{name} is parametrized from {listing(sorted(originals)) or 'nothing'}: not understood",
        )
    _check_no_gap(state, name, rests, steps, originals)
    tensor, keep = start.tensor, start.mask
    for step, keys in sorted(steps.items()):
        kind = _kind(state, name, step, keys)
        kinds.append(kind)
        tensor, keep = _apply(state, name, kind, keys, tensor, keep)
    return DecodedTensor(tensor, tuple(rests.values()), keep), kinds


def _steps(state: StateDict, rests: dict[str, str], originals: set[str]) -> dict[int, dict[str, str]]:
    steps: dict[int, dict[str, str]] = {}
    for rest in sorted(set(rests) - originals):
        number, _, attribute = rest.partition(".")
        if not (number.isascii() and number.isdecimal() and attribute and len(number) < 6):
            raise CheckpointError(state.path, f"{rests[rest]}: a parametrization that is not understood")
        steps.setdefault(int(number), {})[attribute] = rests[rest]
    return steps


def _check_no_gap(
    state: StateDict, name: str, rests: dict[str, str], steps: dict[int, dict[str, str]], originals: set[str]
) -> None:
    first = 1 if originals == _PAIR else 0
    if not steps and originals == _PLAIN and state.unapplied_mask(name) is None:
        raise CheckpointError(
            state.path,
            f"{rests['original']} is the only tensor of {name}: its parametrization has no state in "
            "the file (torch.ao.pruning keeps its mask out of it); give the mask with --mask, or save after "
            'torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")',
        )
    if steps and sorted(steps) != list(range(first, first + len(steps))):
        raise CheckpointError(
            state.path,
            f"the parametrizations of {name} have gaps: {sorted(steps)}; those without state are unknown",
        )


def _kind(state: StateDict, name: str, step: int, keys: dict[str, str]) -> str:
    if keys.keys() == {"_u", "_v"}:
        return "spectral_norm"
    if keys.keys() == {"mask"}:
        return "mask"
    raise CheckpointError(
        state.path, f"{next(iter(keys.values()))}: parametrization {step} of {name} is not understood"
    )


def _apply(
    state: StateDict,
    name: str,
    kind: str,
    keys: dict[str, str],
    tensor: torch.Tensor,
    keep: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    if kind == "spectral_norm":
        return spectral_norm.normed(state, name, tensor, keys["_u"], keys["_v"]), keep
    tensor, mask = masked(state, name, tensor, state.tensors[keys["mask"]])
    return tensor, mask if keep is None else mask & keep


CONVENTION = Convention(NAME, 20, decode)

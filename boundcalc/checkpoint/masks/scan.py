"""Which entries of a file may be masks: those whose names or values indicate it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from boundcalc.checkpoint.arrays import count_nonzero
from boundcalc.checkpoint.conventions.state import StateDict
from boundcalc.checkpoint.masks import targets as found_targets
from boundcalc.checkpoint.masks.leaves import Leaf, Path
from boundcalc.checkpoint.masks.targets import Targets
from boundcalc.checkpoint.masks.values import is_binary
from boundcalc.checkpoint.masks.words import is_input_mask, is_pure, mentions_masks, says_mask, tokens
from boundcalc.checkpoint.validate import readable

_OF_A_RUN = frozenset({
    "acc", "accuracy", "amount", "amounts", "count", "counts", "epoch", "epochs", "freq", "frequency", "history", "interval", "iter",
    "iters", "log", "logs", "loss", "losses", "rate", "rates", "ratio", "ratios", "schedule", "step", "steps", "time", "times",
})  # fmt: skip
_PLACES = frozenset({
    "bias", "in_proj_bias", "in_proj_weight", "num_batches_tracked", "running_mean", "running_var", "weight",
})  # fmt: skip
_NO_MASKS = {"_linear_layers_mask": "rigl-torch's list of which layers are linear"}


@dataclass(frozen=True, eq=False)
class NotAMask:
    """The answer for one entry that is no mask.

    Attributes:
        leaf: the entry.
        why: the reason why it is no mask.
    """

    leaf: Leaf
    why: str


def masks_inside(state: StateDict, known: Iterable[str]) -> list[Leaf]:
    """Return the entries of a state dict that may be masks.

    Args:
        state: the state dict, without wrapper prefixes.
        known: keys of masks and scores that are handled elsewhere.
    """
    skipped = set(known)
    weights = found_targets.of(state, skipped, True)
    found = []
    for key, tensor in state.tensors.items():
        leaf = Leaf((key,), tensor)
        if key not in skipped and ".parametrizations." not in f".{key}" and _is_candidate(leaf, weights):
            found.append(leaf)
    return found


def _is_candidate(leaf: Leaf, weights: Targets) -> bool:
    *layer, last = leaf.parts
    if any(is_input_mask(part) for part in leaf.parts[-1:]):
        return False
    kept_apart = any(is_pure(part) and says_mask(part) for part in layer)
    if last in _PLACES or last.startswith(("weight_", "bias_")) and not mentions_masks(last):
        return kept_apart and last in {"weight", "bias"} and prunes(leaf)
    if kept_apart or mentions_masks(last):
        return kept_apart or says_mask(last) or _may_be(leaf)
    tensor = leaf.tensor
    assert tensor is not None
    return _is_alike(tensor, weights, ".".join(layer)) and is_binary(tensor) and count_nonzero(tensor) > 0


def _is_alike(tensor: torch.Tensor, weights: Targets, layer: str) -> bool:
    """Return whether a tensor's shape allows it to mask a weight: the weight's own, one that broadcasts to it, or several
    stacked.
    """
    shape = tuple(tensor.shape)
    if len(shape) > 1 and (shape in weights.shapes or shape[1:] in weights.shapes):
        return True
    if not 0 < count_nonzero(tensor) < tensor.numel():
        return False
    if len(shape) == 1:
        own = weights.find(layer)
        rows = None if own is None else weights.tensors[own]
        return tensor.numel() == weights.total or (
            rows is not None and rows.dim() > 1 and rows.shape[0] == shape[0]
        )
    return any(
        len(weight) == len(shape)
        and all(size in {1, whole} for size, whole in zip(shape, weight, strict=True))
        for weight in weights.shapes
    )


def _may_be(leaf: Leaf) -> bool:
    """Return whether an entry whose name says pruned, zero or kept, but not mask, has values that a mask can have."""
    tensor = leaf.tensor
    return tensor is not None and tensor.dim() > 0 and (not tensor.is_floating_point() or prunes(leaf))


def prunes(leaf: Leaf) -> bool:
    """Return whether an entry consists of zeros and ones and is not all zeros."""
    tensor = leaf.tensor
    return tensor is not None and tensor.dim() > 0 and is_binary(tensor) and count_nonzero(tensor) > 0


def masks_beside(found: Iterable[Leaf], targets: Targets) -> tuple[list[Leaf], list[NotAMask]]:
    """Sort the entries stored beside a state dict.

    Args:
        found: all entries there.
        targets: the weights.

    Returns:
        The entries that may be masks, and the other tensors with the reason why they are none.
    """
    reasons = [(leaf, _no_mask(leaf, targets)) for leaf in found]
    tables = {
        leaf.path[:-1] and leaf.path[:1] for leaf, why in reasons if why is None and not _mentions_masks(leaf)
    }
    candidates: list[Leaf] = []
    answers: list[NotAMask] = []
    for leaf, why in reasons:
        if why is None or (leaf.path[:1] in tables and _could_be(leaf)):
            candidates.append(leaf)
        elif leaf.tensor is not None or _mentions_masks(leaf):
            answers.append(NotAMask(leaf, why))
    return candidates, answers


def _could_be(leaf: Leaf) -> bool:
    """Return whether an entry could be a mask, if others in its table are masks although their names do not say so."""
    tensor = leaf.tensor
    return tensor is not None and tensor.dim() > 0 and readable(tensor) and is_binary(tensor)


def _mentions_masks(leaf: Leaf) -> bool:
    return any(mentions_masks(part) for part in leaf.parts)


def _no_mask(leaf: Leaf, weights: Targets) -> str | None:
    """Return why an entry beside the state dict is no mask, or None if it may be one."""
    if str(leaf.path[-1:] and leaf.path[-1]) in _NO_MASKS:
        return _NO_MASKS[str(leaf.path[-1])]
    speaks = _mentions_masks(leaf)
    if any(is_input_mask(part) for part in leaf.parts):
        return "a mask of inputs, such as of attention"
    tensor = leaf.tensor
    if tensor is None:
        kept = speaks and any(is_pure(part) for part in leaf.parts[:-1])
        return None if kept else "a plain value"
    if not readable(tensor):
        return None if speaks else "beside the state dict, and no plain tensor"
    if tensor.numel() == 1 and tensor.dim() == 0:
        return None if speaks and any(is_pure(part) for part in leaf.parts[:-1]) else "a number"
    if speaks:
        return _numbers_of_a_run(leaf, tensor)
    listed = (
        isinstance(leaf.path[-1], int) and not tensor.is_floating_point() and tensor.shape[0] in weights.rows
    )
    alike = listed or _is_alike(tensor, weights, str(leaf.path[-1]))
    if not alike or not is_binary(tensor) or count_nonzero(tensor) == 0:
        return "beside the state dict, and not made of 0 and 1 in a weight's shape"
    if count_nonzero(tensor) == tensor.numel():
        return "beside the state dict; all ones, which would prune nothing"
    return None


def _numbers_of_a_run(leaf: Leaf, tensor: torch.Tensor) -> str | None:
    if tensor.dim() != 1 or is_binary(tensor) and tensor.numel() > 0:
        one_a_layer = (
            leaf.is_list and tensor.dim() == 1 and bool((tensor == 1).all()) and _is_short(leaf, tensor)
        )
        return "a list of numbers, all of them 1" if one_a_layer else None
    last = str(leaf.path[-1])
    if leaf.is_list and (tensor.is_floating_point() or not _OF_A_RUN.isdisjoint(tokens(last))):
        return "a list of numbers"
    return None


def _is_short(leaf: Leaf, tensor: torch.Tensor) -> bool:
    return 0 < tensor.numel() < 100 and not any(is_pure(part) for part in leaf.parts[:-1])


def other_networks(value: Any, path: Path, targets: Targets) -> Iterator[Path]:
    """Find further state dicts of the same network: copies, averages, initial weights.

    Args:
        value: an entry beside the state dict.
        path: the keys that lead to it.
        targets: the weights of the network that is read.

    Yields:
        The keys that lead to each of them.
    """
    if not isinstance(value, Mapping):
        if isinstance(value, list | tuple):
            for place, inner in enumerate(value):
                yield from other_networks(inner, (*path, place), targets)
        return
    if not any(says_mask(part) for key in path for part in str(key).split(".")) and _is_network(
        value, targets
    ):
        yield path
        return
    for key, inner in value.items():
        yield from other_networks(inner, (*path, *(key if isinstance(key, tuple) else (key,))), targets)


def _is_network(table: Mapping[Any, Any], targets: Targets) -> bool:
    tensors = {
        str(key): inner for key, inner in table.items() if isinstance(inner, torch.Tensor) and readable(inner)
    }
    named = found_targets.of(StateDict("", tensors), (), True).tensors
    for name, tensor in named.items():
        own = targets.find(name)
        if (
            own is not None
            and tensor.dim() > 1
            and tensor.shape == targets.tensors[own].shape
            and not is_binary(tensor)
        ):
            return True
    return False

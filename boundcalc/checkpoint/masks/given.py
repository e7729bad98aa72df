"""Masks in a file of their own or given in Python: every tensor in it is a mask, except weights stored beside their masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from boundcalc.budget import Budget
from boundcalc.checkpoint import validate
from boundcalc.checkpoint.arrays import count_nonzero
from boundcalc.checkpoint.conventions.state import StateDict, listing
from boundcalc.checkpoint.masks.assign import Problem
from boundcalc.checkpoint.masks.combine import MaskSet, combined
from boundcalc.checkpoint.masks.families import MaskFamily, gather
from boundcalc.checkpoint.masks.leaves import Leaf, leaves
from boundcalc.checkpoint.masks.values import is_binary
from boundcalc.checkpoint.masks.words import is_pure, mentions_masks
from boundcalc.checkpoint.types import Entry
from boundcalc.errors import CheckpointError


@dataclass(frozen=True, eq=False)
class GivenMasks:
    """The content of --mask, or of mask= in Python, or of a file found beside the checkpoint.

    Attributes:
        path: path of the file, or a name for the object.
        saved: its content.
        what: its name in the evidence.
        format: short name of the convention.
        beside: whether it was found beside the checkpoint instead of being given by the user.
        certain: whether it must fit, because it is for this checkpoint and no other.
        budget: memory budget of the file; None for objects in memory.
    """

    path: str
    saved: Any
    what: str
    format: str = "mask-file"
    beside: bool = False
    certain: bool = True
    budget: Budget | None = None


class HoldsWeights(CheckpointError):
    """A file beside a checkpoint that is not a file of masks, whatever its name."""


@dataclass(frozen=True, eq=False)
class FoundMasks:
    """The masks that were given.

    Attributes:
        masks: the set of masks.
        sentence: a sentence for the evidence.
        entries: what became of the file's entries.
    """

    masks: MaskSet
    sentence: str
    entries: tuple[Entry, ...]


def masks_of(given: GivenMasks, read: Callable[[MaskFamily], MaskSet | None]) -> FoundMasks:
    """Return the masks of a file of masks.

    Args:
        given: the file's content.
        read: determines which weights a family is for.

    Returns:
        All its masks.

    Raises:
        CheckpointError: when it holds none, or one that is for no weight; the message names it.
        HoldsWeights: when the file was only found beside the checkpoint and also holds weights.
    """
    found = list(leaves(given.saved, given.path))
    if not any(leaf.tensor is not None for leaf in found):
        raise CheckpointError(given.path, "holds no tensors, so no masks")
    kept, weights = _masks_and_weights([_plain_leaf(leaf, given) for leaf in found])
    if given.beside and any(leaf.tensor is not None and leaf.tensor.dim() > 1 for leaf in weights):
        raise HoldsWeights(given.path, "holds weights besides masks, and may be another checkpoint")
    try:
        sets = [one for family in gather(kept, given=True) if (one := read(family)) is not None]
        if not sets:
            raise CheckpointError(given.path, "no masks in it: no tensor of zeros and ones")
        masks, _ = combined([MaskSet(one.name, one.masks) for one in sets])
    except Problem as problem:
        problem.forget()
        raise CheckpointError(given.path, f"the mask {problem.entry} {problem.text}") from None
    notes = "; ".join(dict.fromkeys(one.note for one in sets if one.note))
    note = f" ({notes})" if notes else ""
    applied = [
        Entry(f"{given.path}: {leaf.name}", "mask", f"applied to the weights{note}")
        for leaf in kept
        if leaf.tensor is not None
    ]
    others = [Entry(f"{given.path}: {leaf.name}", "not read", "weights besides masks") for leaf in weights]
    sentence = f"weights multiplied by the masks of {given.what}, of {listing(masks)}{note}"
    return FoundMasks(MaskSet(given.what, masks, given=not given.beside), sentence, (*applied, *others))


def is_masks_alone(saved: Any, file: str, named: bool) -> bool:
    """Return whether a file passed as a checkpoint holds masks and nothing else.

    Args:
        saved: its content.
        file: path of the file, for errors.
        named: whether its name says mask; otherwise zeros and ones of a floating-point type may be weights.
    """
    matrices = [
        leaf.tensor for leaf in leaves(saved, file) if leaf.tensor is not None and leaf.tensor.dim() > 1
    ]
    known = all(validate.readable(value) and (named or not value.is_floating_point()) for value in matrices)
    return known and bool(matrices) and all(map(is_binary, matrices)) and any(map(_prunes_some, matrices))


def _plain_leaf(leaf: Leaf, given: GivenMasks) -> Leaf:
    if leaf.tensor is None:
        return leaf
    alone = StateDict(given.path, {leaf.name: leaf.tensor}, budget=given.budget)
    plain = validate.usable(alone).tensors[leaf.name]
    return Leaf(leaf.path, plain, leaf.is_list)


def _masks_and_weights(found: list[Leaf]) -> tuple[list[Leaf], list[Leaf]]:
    """Separate the masks in a file of masks from weights stored among them, as in a whole state dict.

    If some names say mask and others do not, the others are weights, unless one of them consists of zeros and ones.
    """
    tensors = [leaf for leaf in found if leaf.tensor is not None and leaf.tensor.dim() > 0]
    named = [leaf for leaf in tensors if _names_masks(leaf)]
    others = [leaf for leaf in tensors if leaf not in named]
    matrices = [leaf.tensor for leaf in others if leaf.tensor is not None and leaf.tensor.dim() > 1]
    if named and not matrices:
        others = [leaf for leaf in others if leaf.is_list]
    if not named or any(map(_prunes_some, matrices)) or (matrices and all(map(is_binary, matrices))):
        return found, []
    return [leaf for leaf in found if leaf not in others], others


def _names_masks(leaf: Leaf) -> bool:
    *before, last = leaf.parts or ("",)
    return mentions_masks(last) or any(is_pure(part) for part in before)


def _prunes_some(value: torch.Tensor) -> bool:
    return is_binary(value) and 0 < count_nonzero(value) < value.numel()

"""Merge several masks for a weight into one: pruning rounds, and families of entries for the same weight."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from boundcalc.checkpoint.arrays import count_nonzero, every
from boundcalc.checkpoint.conventions.state import listing
from boundcalc.checkpoint.masks.assign import Problem
from boundcalc.checkpoint.masks.leaves import Path, path_text
from boundcalc.checkpoint.masks.orient import Masks
from boundcalc.checkpoint.masks.values import same


@dataclass(frozen=True, eq=False)
class MaskSet:
    """The masks of one family.

    Attributes:
        name: name of the family.
        masks: name of the weight -> bool mask of what is kept.
        note: a remark for the evidence, or empty.
        given: whether they were given with --mask.
        owners: key of the entry -> its weight, for entries in the state dict.
    """

    name: str
    masks: Masks
    note: str = ""
    given: bool = False
    owners: Mapping[str, str] = field(default_factory=dict)


def last_round(name: str, rounds: Mapping[Path, Masks]) -> tuple[Path, str]:
    """Return the last of several pruning rounds.

    Args:
        name: name of the family.
        rounds: keys of the round -> masks.

    Returns:
        The keys of the round, and a remark about it.

    Raises:
        Problem: when the rounds are not numbered, or a later one keeps what an earlier one had pruned.
    """
    if len(rounds) == 1:
        return next(iter(rounds)), ""
    names = [path_text(path) for path in rounds]
    numbers = [tuple(int(number) for number in re.findall(r"\d+", path_text(path))) for path in rounds]
    if not all(numbers) or len(set(numbers)) != len(numbers):
        raise Problem(name, f"holds several sets of masks ({listing(names)}) in an unknown order")
    ordered = [
        masks for _, masks in sorted(zip(numbers, rounds.values(), strict=True), key=lambda pair: pair[0])
    ]
    last = list(rounds)[numbers.index(max(numbers))]
    for earlier, later in zip(ordered, ordered[1:], strict=False):
        if earlier.keys() != later.keys() or any(
            not every(lambda new, old: old | ~new, later[key], earlier[key]) for key in later
        ):
            raise Problem(
                name,
                f"holds several sets of masks ({listing(names)}), none of which is the last round "
                "of a pruning",
            )
    return last, f"the last of {len(names)} rounds, {path_text(last)}"


def combined(
    sets: list[MaskSet], take: Callable[[int, str], None] = lambda size, what: None
) -> tuple[Masks, list[str]]:
    """Merge the masks of several families.

    Args:
        sets: the mask sets, those of the file first.
        take: reserves bytes in the file's budget before two masks are multiplied.

    Returns:
        Name of the weight -> mask, and a remark for each pair of sets whose masks were multiplied.

    Raises:
        Problem: when two sets of the file differ, and neither is all ones.
    """
    masks: Masks = {}
    owner: dict[str, MaskSet] = {}
    products: dict[str, None] = {}
    for one in sets:
        for key, keep in one.masks.items():
            if key not in masks:
                masks[key], owner[key] = keep, one
                continue
            if same(masks[key], keep):
                continue
            if not one.given and not (_all_ones(keep) or _all_ones(masks[key])):
                raise Problem(one.name, f"and {owner[key].name} are different masks for {key}")
            products[f"{owner[key].name} and {one.name} multiplied"] = None
            if _all_ones(masks[key]):
                masks[key] = keep
            elif not _all_ones(keep):
                take(keep.numel(), f"the product of the masks of {key}")
                masks[key] = masks[key] & keep
    return masks, list(products)


def _all_ones(mask: torch.Tensor) -> bool:
    return count_nonzero(mask) == mask.numel()

"""How to save the masks of a file that is refused, so that they are not lost with what made it unreadable."""

from __future__ import annotations

import re
from collections.abc import Iterable

from boundcalc.checkpoint.masks.words import direction, says_mask, speaks_of_masks

_NAME = re.compile(r"[A-Za-z_][\w.]{0,60}")
_KEPT_BY_STATE_DICT = re.compile(
    r"(?:.*[._])?(?:weight|bias)_mask|mask_(?:type|ratio|rate|fn|scores?)|apply_mask|compute_mask"
)
_SECTIONS = {"masks_dict": "compression_sched.masks_dict"}
"""Where tools keep their masks, which the name alone does not tell."""
_MOST = 3


def keep_masks(strings: Iterable[str]) -> str:
    """Say how to keep the masks that a refused pickle mentions.

    Args:
        strings: all strings in it, keys among them.

    Returns:
        The end of a sentence that told how to save the weights; empty where no key speaks of masks.
    """
    names = sorted(name for name in strings if _NAME.fullmatch(name) and _is_key_of_masks(name))
    if not names:
        return ""
    shown = ", ".join(f"`{_SECTIONS.get(name, name)}`" for name in names[:_MOST])
    return (
        f", and its masks ({shown}), where model.state_dict() does not hold them, with "
        'torch.save({name of the weight: mask}, "mask.pt") for --mask: without them it is another network'
    )


def _is_key_of_masks(name: str) -> bool:
    if _KEPT_BY_STATE_DICT.fullmatch(name) or "bitmask" in name:
        return False
    indices = speaks_of_masks(name) and name.lower().endswith(("indices", "indexes", "idx", "positions"))
    return says_mask(name) or (indices and direction([name]) is not None)

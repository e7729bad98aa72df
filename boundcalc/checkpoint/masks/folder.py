"""Files of masks that lie beside a checkpoint: told from their names alone, without opening one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from boundcalc.checkpoint.conventions.state import listing
from boundcalc.errors import CheckpointError
from boundcalc.files import entries, is_file

SUFFIXES = (".bin", ".ckpt", ".npy", ".npz", ".pkl", ".pt", ".pth", ".pth.tar", ".safetensors")
"""How the name of a file of masks may end."""

_CHECKPOINTS = (".bin", ".ckpt", ".pt", ".pt2", ".pth", ".pth.tar", ".safetensors")
_STEM = re.compile(r"(?P<owner>.*?)[_.\-]?masks?", re.IGNORECASE)


@dataclass(frozen=True)
class Beside:
    """A file of masks beside a checkpoint.

    Attributes:
        path: of the file.
        certain: whether it can be for no other checkpoint: it has to fit then.
    """

    path: Path
    certain: bool


def is_mask_file(path: Path) -> bool:
    """Tell from its name whether a file holds masks: mask.pt, masks.npz, model_mask.pth, model.mask.pt and the like."""
    stem = _stem(path.name)
    match = None if stem is None else _STEM.fullmatch(stem)
    return match is not None and (not match["owner"] or stem is None or stem[len(match["owner"])] in "_.-")


def is_no_ticket(path: Path, others: set[str]) -> bool:
    """Tell from its name whether a file in a folder of checkpoints belongs to them and is none itself.

    A name such as pruner_masks.pt may be that of a checkpoint that holds its masks, so it counts only beside pruner.pt.

    Args:
        path: of the file.
        others: the names of the files beside it, up to their first dot.
    """
    if not is_mask_file(path):
        return False
    stem = _stem(path.name) or ""
    return not stem.lower().endswith("masks") or _owner(path) in {"", *others}


def _stem(name: str) -> str | None:
    """Return a file's name without its suffix, None where that is none of a file of masks."""
    suffix = max((end for end in SUFFIXES if name.endswith(end)), key=len, default=None)
    return None if suffix is None or name.startswith(".") else name.removesuffix(suffix)


def beside(checkpoint: Path) -> tuple[Beside | None, tuple[str, ...]]:
    """Find the masks that lie beside a checkpoint.

    Args:
        checkpoint: its file.

    Returns:
        The file of masks that is for it, if there is one, and the names of those of which it is not told.

    Raises:
        CheckpointError: the checkpoint is the only one there, and there are several files of masks.
    """
    files = [checkpoint.parent / name for name in _names(checkpoint.parent)]
    masks = [path for path in files if "mask" in path.name.lower() and is_mask_file(path) and is_file(path)]
    if not masks or is_mask_file(checkpoint):
        return None, ()
    models = [path for path in files if path.name.endswith(_CHECKPOINTS) and not is_mask_file(path)]
    owners = {path.name.partition(".")[0] for path in models}
    own = [path for path in masks if _owner(path) == checkpoint.name.partition(".")[0]]
    free = [path for path in masks if _owner(path) not in owners]
    if len(own) == 1:
        return Beside(own[0], True), ()
    alone = len(models) <= 1
    if len(own) > 1 or (alone and len(free) > 1):
        names = listing([path.name for path in own or free])
        raise CheckpointError(
            checkpoint, f"{names} lie beside it: say with --mask which of them holds its masks"
        )
    if len(free) == 1:
        return Beside(free[0], alone), ()
    return None, tuple(path.name for path in free)


def _names(folder: Path) -> tuple[str, ...]:
    try:
        return _listed(str(folder), os.stat(folder).st_mtime_ns)
    except OSError:
        return ()


@lru_cache(maxsize=8)
def _listed(folder: str, changed: int) -> tuple[str, ...]:
    """List a folder, once for thousands of checkpoints in it; its time of change is part of what is remembered."""
    return tuple(sorted(os.listdir(folder)))


def _owner(mask: Path) -> str:
    match = _STEM.fullmatch(_stem(mask.name) or "")
    return match["owner"] if match is not None else ""


def in_folder(folder: Path, usual: str) -> Path:
    """Return the file of masks that a folder stands for.

    Args:
        folder: given with --mask.
        usual: the name that is looked for first.

    Raises:
        CheckpointError: there is none, or several.
    """
    masks = [path for path in entries(folder) if is_mask_file(path) and is_file(path)]
    named = [path for path in masks if path.name == usual]
    if len(named or masks) != 1:
        found = (
            f"holds {listing([path.name for path in masks])}: name one" if masks else "holds no file of masks"
        )
        raise CheckpointError(folder, found)
    return (named or masks)[0]

"""Files of masks that lie beside a checkpoint: told from their names alone, without opening one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
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
        The file of its masks, if there is one, and the names of files that may be for it.

    Raises:
        CheckpointError: the checkpoint is the only one there, and there are several files of masks.
    """
    home, here = checkpoint.parent, _here(checkpoint.parent)
    if not here.masks or is_mask_file(checkpoint):
        return None, ()
    own = _present(home, here.masks.get(checkpoint.name.partition(".")[0], ()))
    free = _present(home, (name for owner in here.free for name in here.masks[owner]))
    if len(own) == 1:
        return Beside(own[0], True), ()
    alone = here.models <= 1
    if len(own) > 1 or (alone and len(free) > 1):
        names = listing([path.name for path in own or free])
        raise CheckpointError(
            checkpoint, f"{names} lie beside it: say with --mask which of them holds its masks"
        )
    if len(free) == 1 and (alone or not _owner(free[0])):
        return Beside(free[0], alone), ()
    return None, tuple(path.name for path in free)


@dataclass(frozen=True)
class _Here:
    """What the names in a folder tell.

    Attributes:
        masks: name of a checkpoint up to its first dot -> the files of masks that are called after it.
        free: those names under which there is no checkpoint.
        models: how many checkpoints there are.
    """

    masks: Mapping[str, tuple[str, ...]]
    free: tuple[str, ...]
    models: int


def _here(folder: Path) -> _Here:
    try:
        return _listed(str(folder), os.stat(folder).st_mtime_ns)
    except OSError:
        return _Here({}, (), 0)


@lru_cache(maxsize=8)
def _listed(folder: str, changed: int) -> _Here:
    """Sort the names in a folder, once for thousands of checkpoints in it; its time of change is part of what is remembered."""
    masks: dict[str, tuple[str, ...]] = {}
    models = []
    for path in map(Path, sorted(os.listdir(folder))):
        if is_mask_file(path):
            masks[_owner(path)] = (*masks.get(_owner(path), ()), path.name)
        elif path.name.endswith(_CHECKPOINTS):
            models.append(path.name.partition(".")[0])
    return _Here(masks, tuple(sorted(masks.keys() - set(models))), len(models))


def _present(folder: Path, names: Iterable[str]) -> list[Path]:
    return sorted(path for path in (folder / name for name in names) if is_file(path))


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

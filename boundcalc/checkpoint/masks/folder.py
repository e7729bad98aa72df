"""Find files of masks beside a checkpoint by file names alone, without opening a file."""

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
"""Possible endings of a file of masks."""

_CHECKPOINTS = (".bin", ".ckpt", ".pt", ".pt2", ".pth", ".pth.tar", ".safetensors")
_STEM = re.compile(r"(?P<owner>.*?)[_.\-]?masks?", re.IGNORECASE)


@dataclass(frozen=True)
class MaskFile:
    """A file of masks beside a checkpoint.

    Attributes:
        path: path of the file.
        certain: whether it can be for no other checkpoint; it must fit then.
    """

    path: Path
    certain: bool


def is_mask_file(path: Path) -> bool:
    """Return whether a file's name says that it holds masks: mask.pt, masks.npz, model_mask.pth, model.mask.pt and the
    like.
    """
    stem = _stem(path.name)
    match = None if stem is None else _STEM.fullmatch(stem)
    return match is not None and (not match["owner"] or stem is None or stem[len(match["owner"])] in "_.-")


def is_no_ticket(path: Path, others: set[str]) -> bool:
    """Return whether a file's name says that it belongs to the checkpoints in a folder without being one.

    A name such as pruner_masks.pt may be that of a checkpoint that holds its own masks, so it counts only beside pruner.pt.

    Args:
        path: path of the file.
        others: names of the files beside it, up to their first dot.
    """
    if not is_mask_file(path):
        return False
    stem = _stem(path.name) or ""
    return not stem.lower().endswith("masks") or _owner(path) in {"", *others}


def _stem(name: str) -> str | None:
    """Return a file's name without its suffix, or None if a file of masks cannot have that suffix."""
    suffix = max((end for end in SUFFIXES if name.endswith(end)), key=len, default=None)
    return None if suffix is None or name.startswith(".") else name.removesuffix(suffix)


def mask_files_beside(checkpoint: Path) -> tuple[MaskFile | None, tuple[str, ...]]:
    """Find the masks stored beside a checkpoint.

    Args:
        checkpoint: path of the checkpoint's file.

    Returns:
        The file of its masks, if there is one, and the names of files that may be for it.

    Raises:
        CheckpointError: when several files of masks are named after it, or several could be for it and it is the only
            checkpoint.
    """
    home, here = checkpoint.parent, _folder_listing(checkpoint.parent)
    if not here.masks or is_mask_file(checkpoint):
        return None, ()
    own = _present(home, here.masks.get(checkpoint.name.partition(".")[0], ()))
    free = _present(home, (name for owner in here.free for name in here.masks[owner]))
    if len(own) == 1:
        return MaskFile(own[0], True), ()
    alone = here.models <= 1
    if len(own) > 1 or (alone and len(free) > 1):
        names = listing([path.name for path in own or free])
        raise CheckpointError(
            checkpoint, f"{names} are in the same folder: say with --mask which of them holds its masks"
        )
    if len(free) == 1 and (alone or not _owner(free[0])):
        return MaskFile(free[0], alone), ()
    return None, tuple(path.name for path in free)


@dataclass(frozen=True)
class _FolderListing:
    """What the file names in a folder say.

    Attributes:
        masks: name of a checkpoint up to its first dot -> the files of masks named after it.
        free: those of these names that belong to no checkpoint.
        models: number of checkpoints.
    """

    masks: Mapping[str, tuple[str, ...]]
    free: tuple[str, ...]
    models: int


def _folder_listing(folder: Path) -> _FolderListing:
    try:
        return _cached_listing(str(folder), os.stat(folder).st_mtime_ns)
    except OSError:
        return _FolderListing({}, (), 0)


@lru_cache(maxsize=8)
def _cached_listing(folder: str, changed: int) -> _FolderListing:
    """Sort the names in a folder; cached by folder and modification time, so that thousands of checkpoints in it list it
    once.
    """
    masks: dict[str, tuple[str, ...]] = {}
    models = []
    for path in map(Path, sorted(os.listdir(folder))):
        if is_mask_file(path):
            masks[_owner(path)] = (*masks.get(_owner(path), ()), path.name)
        elif path.name.endswith(_CHECKPOINTS):
            models.append(path.name.partition(".")[0])
    return _FolderListing(masks, tuple(sorted(masks.keys() - set(models))), len(models))


def _present(folder: Path, names: Iterable[str]) -> list[Path]:
    return sorted(path for path in (folder / name for name in names) if is_file(path))


def _owner(mask: Path) -> str:
    match = _STEM.fullmatch(_stem(mask.name) or "")
    return match["owner"] if match is not None else ""


def in_folder(folder: Path, usual: str) -> Path:
    """Return the file of masks in a folder.

    Args:
        folder: the folder given with --mask.
        usual: the name that is tried first.

    Raises:
        CheckpointError: when there is none, or several.
    """
    masks = [path for path in entries(folder) if is_mask_file(path) and is_file(path)]
    named = [path for path in masks if path.name == usual]
    if len(named or masks) != 1:
        found = (
            f"holds {listing([path.name for path in masks])}: name one" if masks else "holds no file of masks"
        )
        raise CheckpointError(folder, found)
    return (named or masks)[0]

"""Which checkpoints lie below files, folders and patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from boundcalc.checkpoint import open_lth
from boundcalc.checkpoint.safetensors_file import INDEX_SUFFIX, shard_files
from boundcalc.errors import CheckpointError
from boundcalc.tickets.paths import STATE

SUFFIXES = (".bin", ".ckpt", ".pt", ".pt2", ".pth", ".pth.tar", ".safetensors")
"""How the name of a checkpoint ends, where a folder is searched; a file that is named is taken whatever its name."""
MASKS = ("mask", "_mask")
"""How the name of a file of masks ends before its suffix: it belongs to --mask, and is no checkpoint."""


def discover(given: Sequence[str | Path]) -> tuple[Path, ...]:
    """Find checkpoints of every convention of `boundcalc formats`.

    A folder is searched with everything below it, hidden folders and links to folders left out. A ticket of open_lth is the folder
    ``main`` of its level, once, whatever else lies in it; ``level_pretrain`` and initial weights are references of the tickets
    beside them and not tickets, unless nothing else is there. A safetensors index stands for its shards. Files of masks
    are left out, and what `boundcalc train --resume` goes on from.

    Args:
        given: files, folders, or patterns with ``*``, ``?``, ``[...]`` and ``**``.

    Returns:
        Absolute paths of files and of open_lth's folders, each once, sorted within each folder.

    Raises:
        CheckpointError: there is nothing at a path, or no checkpoint in a folder.
    """
    found: dict[Path, None] = {}
    for word in given:
        for place in _matches(str(word)):
            found.update(dict.fromkeys(_below(place)))
    return tuple(found)


def _matches(word: str) -> list[Path]:
    place = Path(os.path.abspath(os.path.expanduser(word)))
    if place.exists():
        return [place]
    matched = sorted(glob.glob(str(place), recursive=True)) if glob.has_magic(word) else []
    if not matched:
        raise CheckpointError(word, "matches nothing" if glob.has_magic(word) else "no such file or folder")
    return [Path(match) for match in matched]


def _below(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    found = list(_tickets(place))
    if not found:
        raise CheckpointError(
            place, f"no checkpoint in this folder (names that end in {', '.join(SUFFIXES)})"
        )
    return found


def _tickets(folder: Path) -> Iterator[Path]:
    if (home := _home(folder)) is not None:
        yield home
        return
    try:
        entries = sorted(folder.iterdir(), key=open_lth.natural)
    except OSError as problem:
        raise CheckpointError(folder, f"cannot be listed: {problem.strerror}") from None
    yield from _files([entry for entry in entries if entry.is_file()])
    folders = [
        entry
        for entry in entries
        if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith(".")
    ]
    for entry in _trained(folders):
        yield from _tickets(entry)


def _home(folder: Path) -> Path | None:
    """Return the folder of the ticket whose level or own folder this is, None for any other folder."""
    main = folder / "main"
    if folder.name.startswith("level_") and main.is_dir() and open_lth.holds_models(main):
        return main
    return folder if open_lth.holds_models(folder) else None


def _trained(folders: list[Path]) -> list[Path]:
    levels = [folder for folder in folders if folder.name.startswith("level_")]
    trained = [folder for folder in levels if folder.name != open_lth.PRETRAIN]
    return [folder for folder in folders if folder.name != open_lth.PRETRAIN] if trained else folders


def _files(files: list[Path]) -> list[Path]:
    indices = [file for file in files if file.name.endswith(INDEX_SUFFIX)]
    shards = {shard for index in indices for shard in _shards(index)}
    return [
        file
        for file in files
        if file not in shards and (file in indices or (_is_named_so(file) and not _is_mask(file)))
    ]


def _shards(index: Path) -> tuple[Path, ...]:
    try:
        return shard_files(index)[1:]
    except CheckpointError:
        return ()


def _is_named_so(file: Path) -> bool:
    unfinished = file.name == STATE and file.parent.name.startswith("replicate_")
    return not file.name.startswith(".") and file.name.endswith(SUFFIXES) and not unfinished


def _is_mask(file: Path) -> bool:
    stem = file.name.partition(".")[0]
    return stem == MASKS[0] or stem.endswith(MASKS[1])

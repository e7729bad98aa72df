"""Search of files, folders and patterns for checkpoints."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from boundcalc.batch.rows import natural
from boundcalc.checkpoint import foreign, open_lth
from boundcalc.checkpoint.folders import SUFFIXES, is_companion
from boundcalc.checkpoint.masks.folder import is_no_ticket
from boundcalc.checkpoint.shards import INDEX_SUFFIXES, shard_files
from boundcalc.errors import CheckpointError
from boundcalc.files import is_folder, system_problem
from boundcalc.tickets.paths import STATE

_NAMES = f"(names that end in {', '.join(SUFFIXES)})"


def discover(given: Sequence[str | Path]) -> tuple[Path, ...]:
    """Find checkpoints of every convention of `boundcalc formats`.

    A folder is searched recursively, except for hidden folders and links to folders. A ticket of open_lth is found once, as the
    folder ``main`` of its level, whatever other files are there; ``level_pretrain`` and initial weights are references of the
    tickets beside them, and count as tickets only if nothing else is there. An index of shards stands for its shards. Files of
    masks are read with the checkpoints beside them; they are found only where there are no such checkpoints, and reading them
    then reports what they are; so are files for resuming a training, such as optimizer.pt. The state of `boundcalc train
    --resume` is left out. The matches of a pattern are searched as if they were in one folder. A folder that cannot be listed,
    and a pipe, device or broken link whose name is that of a checkpoint, are found too: reading them reports what is wrong. Only
    indices of shards are opened.

    Args:
        given: files, folders, or patterns with ``*``, ``?``, ``[...]`` and ``**``.

    Returns:
        Absolute paths of files and of open_lth's folders, without duplicates, sorted within each folder.

    Raises:
        CheckpointError: there is nothing at a path, or no checkpoint in a folder or among the matches of a pattern.
    """
    found: dict[Path, None] = {}
    for word in map(str, given):
        place = _absolute(word)
        named = os.path.lexists(place) or not glob.has_magic(word)
        found.update(dict.fromkeys(_checkpoints_in(word, place) if named else _matching(word)))
    return tuple(found)


def _absolute(word: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(word)))


def _checkpoints_in(word: str, place: Path) -> list[Path]:
    try:
        os.lstat(place)
    except (OSError, ValueError) as problem:
        raise CheckpointError(word, system_problem(problem)) from None
    if not is_folder(place):
        return [place]
    found = list(_tickets(place))
    if not found:
        raise CheckpointError(word, foreign.folder(place) or f"no checkpoint in this folder {_NAMES}")
    return found


def _matching(pattern: str) -> list[Path]:
    matched = sorted(
        map(_absolute, glob.glob(os.path.expanduser(pattern), recursive=True)),
        key=lambda place: natural(str(place)),
    )
    among = set(matched)
    topmost = [place for place in matched if among.isdisjoint(place.parents)]
    found = _files([place for place in topmost if not is_folder(place)])
    for folder in _without_pretrained([place for place in topmost if is_folder(place)]):
        found += _tickets(folder)
    if not found:
        raise CheckpointError(pattern, f"matches no checkpoint {_NAMES}" if matched else "matches nothing")
    return found


def _tickets(folder: Path) -> Iterator[Path]:
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            files, folders = _listed(place)
            home = _ticket_folder(place, files)
        except (CheckpointError, OSError):
            yield place
            continue
        if home is not None:
            yield home
            continue
        yield from _files(files)
        waiting += reversed(_without_pretrained(folders))


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the entries of a folder: those that are not folders, and the folders to search."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders += [] if entry.name.startswith(".") else [folder / entry.name]
            elif not (entry.is_symlink() and is_folder(entry.path)):
                files.append(folder / entry.name)
    return sorted(files, key=open_lth.natural), sorted(folders, key=open_lth.natural)


def _ticket_folder(folder: Path, files: list[Path]) -> Path | None:
    """Return the ticket's folder if this folder is the ticket's own or its level's, else None."""
    main = folder / "main"
    if folder.name.startswith("level_") and is_folder(main) and open_lth.holds_models(main):
        return main
    return folder if open_lth.has_models(files) else None


def _without_pretrained(folders: list[Path]) -> list[Path]:
    """Leave out the folder of pretrained weights, or its ``main``, if there is a folder of a trained level."""
    levels = [folder for folder in folders if _level(folder).startswith("level_")]
    trained = [folder for folder in levels if _level(folder) != open_lth.PRETRAIN]
    return [folder for folder in folders if _level(folder) != open_lth.PRETRAIN] if trained else folders


def _level(folder: Path) -> str:
    return folder.parent.name if folder.name == "main" else folder.name


def _files(files: list[Path]) -> list[Path]:
    indices = {file for file in files if file.name.endswith(INDEX_SUFFIXES)}
    shards = {shard for index in indices for shard in _shards(index)}
    named = [file for file in files if file not in shards and (file in indices or _is_named_so(file))]
    stems: dict[Path, set[str]] = {}
    for file in named:
        stems.setdefault(file.parent, set()).add(file.name.partition(".")[0])
    checkpoints = [
        file for file in named if not is_no_ticket(file, stems[file.parent]) and not is_companion(file.name)
    ]
    return checkpoints or named


def _shards(index: Path) -> tuple[Path, ...]:
    try:
        return shard_files(index)[1:]
    except CheckpointError:
        return ()


def _is_named_so(file: Path) -> bool:
    unfinished = file.name == STATE and file.parent.name.startswith("replicate_")
    return not file.name.startswith(".") and file.name.endswith(SUFFIXES) and not unfinished

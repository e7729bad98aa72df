"""The one place where files that a user names are opened: regular files only, never blocking, never longer than asked for.

A pipe, a device or a socket under a checkpoint's name would block for ever or yield bytes without end, so a path is looked at before
it is opened, opened without blocking, and looked at once more through the open file.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from boundcalc.errors import BoundcalcError, CheckpointError
from boundcalc.nearest import path_hint

Refuse = Callable[[str | Path, str], BoundcalcError]
"""Makes the error for a path and what is wrong with it: `CheckpointError`, or `DataError.at`."""

MOST_JSON = 1 << 26
"""The longest index, report or calibration that is read, in bytes."""

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_HUB_FOLDERS = ("snapshots", "blobs")


@dataclass(frozen=True)
class Stamp:
    """What tells one state of a file from another.

    Attributes:
        device: of the file system.
        inode: of the file on it.
        size: in bytes.
        modified: nanoseconds since the epoch.
    """

    device: int
    inode: int
    size: int
    modified: int


def look(path: str | Path, refuse: Refuse = CheckpointError) -> Stamp:
    """Check that a path is a regular file, without opening it.

    Args:
        path: any path; symbolic links are followed.
        refuse: makes the error.

    Returns:
        The file's state.

    Raises:
        BoundcalcError: it is missing, no regular file, or cannot be looked at; of the kind that `refuse` makes.
    """
    try:
        return _stamp(os.stat(path), path, refuse)
    except (OSError, ValueError) as problem:
        raise refuse(path, system_problem(problem)) from None


def open_file(path: str | Path, refuse: Refuse = CheckpointError, *, most: int | None = None) -> BinaryIO:
    """Open a regular file for reading.

    Args:
        path: any path; symbolic links are followed.
        refuse: makes the error.
        most: the largest size in bytes that is opened; None for any.

    Returns:
        The open file, buffered, at its start.

    Raises:
        BoundcalcError: as `look` does, and for a file that is too large; of the kind that `refuse` makes.
    """
    before = look(path, refuse)
    if most is not None and before.size > most:
        raise refuse(path, f"{before.size} bytes, where at most {most} are read")
    try:
        handle = os.open(path, _FLAGS)
    except (OSError, ValueError) as problem:
        raise refuse(path, system_problem(problem)) from None
    try:
        if _stamp(os.fstat(handle), path, refuse) != before:
            raise refuse(path, "changed while it was read; try again when nothing writes it")
    except BaseException:
        os.close(handle)
        raise
    return open(handle, "rb")


def read_bytes(path: str | Path, refuse: Refuse = CheckpointError, *, most: int | None = None) -> bytes:
    """Read a regular file whole.

    Args:
        path: any path.
        refuse: makes the error.
        most: the largest size in bytes that is read; None for any.

    Raises:
        BoundcalcError: as `open_file` does, or when reading fails; of the kind that `refuse` makes.
    """
    with open_file(path, refuse, most=most) as file:
        try:
            return file.read(os.fstat(file.fileno()).st_size)
        except OSError as problem:
            raise refuse(path, system_problem(problem)) from None


def read_text(path: str | Path, refuse: Refuse = CheckpointError, *, most: int = MOST_JSON) -> str:
    """Read a file of text in UTF-8.

    Args:
        path: any path.
        refuse: makes the error.
        most: the largest size in bytes that is read.

    Raises:
        BoundcalcError: as `read_bytes` does, or when it is no UTF-8; of the kind that `refuse` makes.
    """
    try:
        return read_bytes(path, refuse, most=most).decode("utf-8")
    except UnicodeDecodeError:
        raise refuse(path, "not a text file in UTF-8") from None


def read_json(
    path: str | Path, refuse: Refuse = CheckpointError, *, most: int = MOST_JSON, **options: Any
) -> Any:
    """Read a JSON file.

    Args:
        path: any path.
        refuse: makes the error.
        most: the largest size in bytes that is read.
        **options: of `json.loads`.

    Raises:
        BoundcalcError: as `read_text` does, or when it is no JSON; of the kind that `refuse` makes.
    """
    text = read_text(path, refuse, most=most)
    try:
        return json.loads(text, **options)
    except RecursionError:
        raise refuse(path, "not JSON that is read: nested too deep") from None
    except (ValueError, OverflowError) as problem:
        raise refuse(path, f"not JSON: {problem}") from None


def is_file(path: str | Path) -> bool:
    """Return whether a path leads to a regular file; False where that cannot be told."""
    return _is(stat.S_ISREG, path)


def is_folder(path: str | Path) -> bool:
    """Return whether a path leads to a folder; False where that cannot be told."""
    return _is(stat.S_ISDIR, path)


def entries(folder: str | Path, refuse: Refuse = CheckpointError) -> list[Path]:
    """List a folder.

    Args:
        folder: any path.
        refuse: makes the error.

    Returns:
        What lies in it, sorted by name.

    Raises:
        BoundcalcError: it cannot be listed; of the kind that `refuse` makes.
    """
    try:
        return sorted(Path(folder).iterdir())
    except (OSError, ValueError) as problem:
        raise refuse(folder, f"cannot be listed: {_reason(problem)}") from None


def check_inside(path: Path, folder: Path, refuse: Refuse = CheckpointError) -> Path:
    """Check that a file which something else names, not the user, lies in the folder that the user means.

    Links are resolved first. A snapshot in the cache of the Hugging Face hub consists of links into the folder ``blobs`` of its
    repository; they count as inside.

    Args:
        path: of the file, which need not exist.
        folder: of the subject.
        refuse: makes the error.

    Returns:
        The path as it was given.

    Raises:
        BoundcalcError: it lies elsewhere, or is a chain of links without end; of the kind that `refuse` makes.
    """
    try:
        target, home = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    except (OSError, ValueError) as problem:
        raise refuse(path, system_problem(problem)) from None
    if not target.is_relative_to(home) and not target.is_relative_to(_repository(home)):
        raise refuse(path, f"leads out of the folder {folder}; put the file itself there")
    return path


def stamps(paths: Iterable[Path], refuse: Refuse = CheckpointError) -> dict[Path, Stamp]:
    """Return the state of files before they are read, for `check_unchanged`.

    Args:
        paths: regular files.
        refuse: makes the error.
    """
    return {path: look(path, refuse) for path in paths}


def check_unchanged(before: Mapping[Path, Stamp], refuse: Refuse = CheckpointError) -> None:
    """Check that files are still as they were before they were read.

    Args:
        before: what `stamps` returned.
        refuse: makes the error.

    Raises:
        BoundcalcError: a file has another size, time or inode; of the kind that `refuse` makes.
    """
    for path, stamp in before.items():
        if look(path, refuse) != stamp:
            raise refuse(path, "changed while it was read; try again when nothing writes it")


def system_problem(problem: OSError | ValueError) -> str:
    """Say in words why the system gave no file.

    Args:
        problem: what it raised.
    """
    if isinstance(problem, FileNotFoundError):
        return "no such file or folder" + (path_hint(problem.filename) if problem.filename else "")
    return f"cannot be opened: {_reason(problem)}"


def _reason(problem: OSError | ValueError) -> str:
    reason = problem.strerror if isinstance(problem, OSError) else None
    return reason or str(problem)


def _stamp(status: os.stat_result, path: str | Path, refuse: Refuse) -> Stamp:
    if stat.S_ISDIR(status.st_mode):
        raise refuse(path, "is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise refuse(path, "not a regular file (a device, pipe or socket)")
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _is(test: Callable[[int], bool], path: str | Path) -> bool:
    try:
        return test(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _repository(snapshot: Path) -> Path:
    """Return the folder of a repository in the hub's cache, given that of one of its snapshots; any other folder as it is."""
    parent, repository = snapshot.parent, snapshot.parent.parent
    return repository / _HUB_FOLDERS[1] if parent.name == _HUB_FOLDERS[0] else snapshot

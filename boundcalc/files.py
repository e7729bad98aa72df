"""The only module that opens files named by the user: regular files only, without blocking, up to a maximal size.

A pipe, a device or a socket under a checkpoint's name would block forever or yield bytes without end; hence a path is checked
before it is opened, opened without blocking, and checked again through the open file.
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
"""Function from a path and a problem to the error: `CheckpointError`, or `DataError.at`."""

MOST_JSON = 1 << 26
"""Largest index, report or calibration that is read, in bytes."""

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_HUB_FOLDERS = ("snapshots", "blobs")


@dataclass(frozen=True)
class Stamp:
    """The properties by which two states of a file are distinguished.

    Attributes:
        device: device of the file system.
        inode: inode of the file on the device.
        size: size in bytes.
        modified: time of the last change, in nanoseconds since the epoch.
    """

    device: int
    inode: int
    size: int
    modified: int


def stamp_of(path: str | Path, refuse: Refuse = CheckpointError) -> Stamp:
    """Check that a path is a regular file, without opening it.

    Args:
        path: any path; symbolic links are followed.
        refuse: function that makes the error.

    Returns:
        The file's state.

    Raises:
        BoundcalcError: the file is missing, is not a regular file, or cannot be examined; the error is made by `refuse`.
    """
    try:
        return _stamp(os.stat(path), path, refuse)
    except (OSError, ValueError) as problem:
        raise refuse(path, system_problem(problem)) from None


def open_file(path: str | Path, refuse: Refuse = CheckpointError, *, most: int | None = None) -> BinaryIO:
    """Open a regular file for reading.

    Args:
        path: any path; symbolic links are followed.
        refuse: function that makes the error.
        most: the largest size in bytes that is opened; None for no limit.

    Returns:
        The open file, buffered, at its start.

    Raises:
        BoundcalcError: as for `look`, or the file is too large; the error is made by `refuse`.
    """
    before = stamp_of(path, refuse)
    if most is not None and before.size > most:
        raise refuse(path, f"too large: {before.size} bytes, and at most {most} are read")
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
    """Read a whole regular file.

    Args:
        path: any path.
        refuse: function that makes the error.
        most: the largest size in bytes that is read; None for no limit.

    Raises:
        BoundcalcError: as for `open_file`, or reading fails; the error is made by `refuse`.
    """
    with open_file(path, refuse, most=most) as file:
        try:
            return file.read(os.fstat(file.fileno()).st_size)
        except OSError as problem:
            raise refuse(path, system_problem(problem)) from None


def read_text(path: str | Path, refuse: Refuse = CheckpointError, *, most: int = MOST_JSON) -> str:
    """Read a UTF-8 text file.

    Args:
        path: any path.
        refuse: function that makes the error.
        most: the largest size in bytes that is read.

    Raises:
        BoundcalcError: as for `read_bytes`, or the file is not UTF-8; the error is made by `refuse`.
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
        refuse: function that makes the error.
        most: the largest size in bytes that is read.
        **options: options of `json.loads`.

    Raises:
        BoundcalcError: as for `read_text`, or the file is not JSON; the error is made by `refuse`.
    """
    text = read_text(path, refuse, most=most)
    try:
        return json.loads(text, **options)
    except RecursionError:
        raise refuse(path, "JSON that is nested too deeply") from None
    except (ValueError, OverflowError) as problem:
        raise refuse(path, f"not JSON: {problem}") from None


def is_file(path: str | Path) -> bool:
    """Return whether a path leads to a regular file; False if that cannot be determined."""
    return _is(stat.S_ISREG, path)


def is_folder(path: str | Path) -> bool:
    """Return whether a path leads to a folder; False if that cannot be determined."""
    return _is(stat.S_ISDIR, path)


def entries(folder: str | Path, refuse: Refuse = CheckpointError) -> list[Path]:
    """List a folder.

    Args:
        folder: any path.
        refuse: function that makes the error.

    Returns:
        The entries of the folder, sorted by name.

    Raises:
        BoundcalcError: the folder cannot be listed; the error is made by `refuse`.
    """
    try:
        return sorted(Path(folder).iterdir())
    except (OSError, ValueError) as problem:
        raise refuse(folder, f"cannot be listed: {_reason(problem)}") from None


def check_inside(path: Path, folder: Path, refuse: Refuse = CheckpointError) -> Path:
    """Check that a file named by another file, not by the user, is inside the folder that the user named.

    Links are resolved first. A snapshot in the cache of the Hugging Face hub consists of links to the folder ``blobs`` of its
    repository; these count as inside.

    Args:
        path: path of the file, which need not exist.
        folder: path of the folder.
        refuse: function that makes the error.

    Returns:
        The path as it was given.

    Raises:
        BoundcalcError: the file is elsewhere, or its links form a cycle; the error is made by `refuse`.
    """
    try:
        target, home = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    except (OSError, ValueError) as problem:
        raise refuse(path, system_problem(problem)) from None
    if not target.is_relative_to(home) and not target.is_relative_to(_repository(home)):
        raise refuse(path, f"points to a file outside the folder {folder}; put the file itself there")
    return path


def stamps(paths: Iterable[Path], refuse: Refuse = CheckpointError) -> dict[Path, Stamp]:
    """Return the state of files before they are read, for `check_unchanged`.

    Args:
        paths: regular files.
        refuse: function that makes the error.
    """
    return {path: stamp_of(path, refuse) for path in paths}


def check_unchanged(before: Mapping[Path, Stamp], refuse: Refuse = CheckpointError) -> None:
    """Check that files have not changed since before they were read.

    Args:
        before: the result of `stamps`.
        refuse: function that makes the error.

    Raises:
        BoundcalcError: a file has another size, time or inode; the error is made by `refuse`.
    """
    for path, stamp in before.items():
        if stamp_of(path, refuse) != stamp:
            raise refuse(path, "changed while it was read; try again when nothing writes it")


def system_problem(problem: OSError | ValueError) -> str:
    """Return in words why the system could not provide a file.

    Args:
        problem: the exception that was raised.
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
    """Return the blobs folder that belongs to a snapshot in the hub's cache; any other folder is returned as it is."""
    parent, repository = snapshot.parent, snapshot.parent.parent
    return repository / _HUB_FOLDERS[1] if parent.name == _HUB_FOLDERS[0] else snapshot

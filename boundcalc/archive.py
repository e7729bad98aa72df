"""Zip archives, opened only if all programs read the same content from them and if they unpack to a plausible size."""

from __future__ import annotations

import struct
from collections import Counter
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from boundcalc.errors import CheckpointError
from boundcalc.files import Refuse

MOST_EXPANSION = 64
"""Largest ratio of the unpacked size of a checkpoint's members to the archive's own size."""

SMALL = 1 << 20
"""Number of bytes to which any archive may unpack, whatever its size."""

OLD_EXPORT = "serialized_exported_program.json"
"""The graph in a torch.export archive of before PyTorch 2.8."""

_ROOT_MARKS = ("/data.pkl", "/archive_format")
"""Ends of the member that marks the root of an archive by torch.save or by torch.export."""


def open_zip(
    file: BinaryIO,
    path: Path | str,
    refuse: Refuse = CheckpointError,
    *,
    most_expansion: float | None = MOST_EXPANSION,
    unreadable: str = "truncated or damaged zip archive",
) -> ZipFile:
    """Open a zip archive whose members have plausible sizes and whose content is unambiguous.

    Args:
        file: the archive's bytes, seekable.
        path: path of the file, for errors.
        refuse: function that makes the error.
        most_expansion: how many times its own size the archive may unpack to; None if members are streamed rather than held.
        unreadable: message about a file that is not an archive, or only a part of one.

    Returns:
        The archive, open for reading.

    Raises:
        BoundcalcError: the archive is truncated, damaged or a decompression bomb, or has two members of one name or two roots;
            the error is made by `refuse`.
    """
    try:
        archive = ZipFile(file)
    except (BadZipFile, OSError, ValueError, NotImplementedError, OverflowError, struct.error) as problem:
        raise refuse(path, f"{unreadable} ({problem})") from None
    wrong = _decompression_bomb(archive.infolist(), file.seek(0, SEEK_END), most_expansion) or _ambiguous(
        archive.namelist()
    )
    if wrong:
        archive.close()
        raise refuse(path, wrong)
    return archive


def unpacked_size(archive: ZipFile) -> int:
    """Return the unpacked size of all members of an archive together, in bytes."""
    return sum(member.file_size for member in archive.infolist())


def _decompression_bomb(members: list[ZipInfo], size: int, most_expansion: float | None) -> str | None:
    unpacked = sum(member.file_size for member in members)
    overlapping = sum(member.compress_size for member in members) > size
    if overlapping or (most_expansion is not None and unpacked > most_expansion * size + SMALL):
        return f"refused: a zip archive of {size} bytes that would unpack to {unpacked} bytes"
    return None


def _ambiguous(names: list[str]) -> str | None:
    """Return why two programs may read different contents: two members have the same name, or there are two root folders."""
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        return f"zip archive with two members called {twice}; save it again"
    roots = sorted(name for name in names if name == OLD_EXPORT or name.endswith(_ROOT_MARKS))
    if len(roots) > 1:
        return (
            f"zip archive with two roots, {roots[0]} and {roots[1]}: two checkpoints in one; save each alone"
        )
    return None

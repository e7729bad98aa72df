"""Results go to standard output or, whole or not at all, to a file."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from boundcalc.errors import UsageError


def write(text: str, place: str | None) -> None:
    """Print a result, or put it into a file by way of a temporary one.

    Args:
        text: the result.
        place: the file, or None for standard output.

    Raises:
        UsageError: the file cannot be written.
    """
    text = text if text.endswith("\n") else text + "\n"
    if place is None:
        sys.stdout.write(text)
        return
    target = Path(place)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise UsageError(f"{place}: cannot be written: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

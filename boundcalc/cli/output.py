"""Output of results to standard output or to a file, which is written completely or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.errors import UsageError
from boundcalc.plain_text import message as as_message
from boundcalc.plain_text import visible

if TYPE_CHECKING:
    from boundcalc.report.views.table import Style


def check(place: str | None) -> None:
    """Refuse a destination that cannot be written, before anything is computed for it.

    Args:
        place: the file, or None for standard output.

    Raises:
        UsageError: the folder is missing or not writable, or the destination is a folder.
    """
    if place is None:
        return
    folder = Path(os.path.realpath(place)).parent
    if Path(place).is_dir():
        raise UsageError(f"{place}: is a folder; name a file")
    if not folder.is_dir():
        raise UsageError(f"{place}: cannot be written: no such folder")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{place}: cannot be written: permission denied")


def style(place: str | None, verbose: bool = False) -> Style:
    """Return the layout of tables: as wide as the terminal, and in color on a terminal unless NO_COLOR is set.

    Args:
        place: the file to which they are written, or None for standard output.
        verbose: whether everything is shown.
    """
    from boundcalc.report.views.table import WIDTH, Style

    seen = place is None and getattr(sys.stdout, "isatty", bool)() and os.environ.get("TERM") != "dumb"
    width = shutil.get_terminal_size((WIDTH, 24)).columns if place is None else WIDTH
    return Style(width, verbose, color=seen and not os.environ.get("NO_COLOR"))


def write(text: str, place: str | None, *, laid_out: bool = False) -> None:
    """Print a result, or write it to a file by way of a temporary file; links, pipes and devices are written through.

    Characters that a terminal would act on or hide are escaped, because names come from files.

    Args:
        text: the result.
        place: the file, or None for standard output.
        laid_out: whether the text is a table, whose cells are escaped already and whose colors are kept.

    Raises:
        UsageError: the destination cannot be written.
        BrokenPipeError: the reader of standard output is gone.
    """
    text = text if text.endswith("\n") else text + "\n"
    text = text if laid_out else visible(text)
    if place is not None:
        write_bytes(text.encode(), place)
        return
    try:
        sys.stdout.write(_encodable(text))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_standard_output()
        raise UsageError(f"standard output: cannot be written: {error.strerror}") from error


def note(text: str) -> None:
    """Print a message on standard error, as one line even if it quotes several.

    Args:
        text: the message, without the program's name.
    """
    print(f"boundcalc: {as_message(text)}", file=sys.stderr)  # noqa: T201


def write_bytes(data: bytes, place: str) -> None:
    """Write bytes to a file by way of a temporary file; links, pipes and devices are written through.

    Raises:
        UsageError: the file cannot be written.
        BrokenPipeError: the reader of the pipe is gone.
    """
    try:
        if os.path.exists(place) and not os.path.isfile(place):
            Path(place).write_bytes(data)
        else:
            _replace(Path(os.path.realpath(place)), data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"{place}: cannot be written: {error.strerror}") from error


def _encodable(text: str) -> str:
    """Return text that standard output can encode: characters outside its encoding are escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def drop_standard_output() -> None:
    """Discard what standard output still buffers, so that the interpreter does not report an error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _replace(target: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""Results go to standard output or, whole or not at all, to a file."""

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
    """Refuse a place that cannot be written, before anything is computed for it.

    Args:
        place: the file, or None for standard output.

    Raises:
        UsageError: its folder is missing or closed, or it is a folder.
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
    """Return how tables are laid out: as wide as the terminal, in colour where somebody sees it and NO_COLOR is not set.

    Args:
        place: the file that they go to, or None for standard output.
        verbose: whether all is told.
    """
    from boundcalc.report.views.table import WIDTH, Style

    seen = place is None and getattr(sys.stdout, "isatty", bool)() and os.environ.get("TERM") != "dumb"
    width = shutil.get_terminal_size((WIDTH, 24)).columns if place is None else WIDTH
    return Style(width, verbose, colour=seen and not os.environ.get("NO_COLOR"))


def write(text: str, place: str | None, *, laid_out: bool = False) -> None:
    """Print a result, or put it into a file by way of a temporary one; links, pipes and devices are written through.

    What a terminal would act on or hide is escaped: names come from files.

    Args:
        text: the result.
        place: the file, or None for standard output.
        laid_out: a table, whose texts are escaped already; its colours stay.

    Raises:
        UsageError: it cannot be written.
        BrokenPipeError: nobody reads standard output any more.
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
    """Print a message on standard error: one line, whatever it quotes.

    Args:
        text: without the program's name.
    """
    print(f"boundcalc: {as_message(text)}", file=sys.stderr)  # noqa: T201


def write_bytes(data: bytes, place: str) -> None:
    """Put bytes into a file by way of a temporary one; links, pipes and devices are written through.

    Raises:
        UsageError: it cannot be written.
        BrokenPipeError: nobody reads the pipe any more.
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
    """Return text that standard output takes: letters outside its encoding as escapes."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def drop_standard_output() -> None:
    """Send what is still buffered nowhere, so that the interpreter does not complain of it on its way out."""
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

"""The entry point: selects the command, and turns errors into one line and an exit status."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module

from boundcalc.cli import commands
from boundcalc.cli.output import drop_standard_output, note
from boundcalc.errors import BoundcalcError, UsageError, first_line, is_allocation_failure
from boundcalc.plain_text import short_path

DEFAULT = frozenset({"analyze", "analyse", "report", "run", "check"})
"""Words that users may try as the name of the main command, which has none."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run boundcalc.

    OpenMP threads sleep while they wait: threads that spin are several times slower as soon as another process needs a core.

    Args:
        argv: words after the program's name; None for the process's own arguments.

    Returns:
        The exit status: 0 done, 1 a requested part failed, 2 wrong usage, 3 unreadable input, 4 a theorem violated.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        status = _command(words)(words)
        sys.stdout.flush()
    except BoundcalcError as error:
        _print_error(str(error))
        return error.exit_status
    except BrokenPipeError:
        drop_standard_output()
        return 0
    except KeyboardInterrupt:
        _print_error("interrupted")
        return 130
    except Exception as error:
        _print_error(_internal(error, words))
        return 1
    return status


def _print_error(message: str) -> None:
    """Print one line on standard error, preceded by the traceback of the current exception if BOUNDCALC_DEBUG is set."""
    if os.environ.get("BOUNDCALC_DEBUG"):
        traceback.print_exc()
    note(message)


def _internal(error: Exception, words: list[str]) -> str:
    """Return the message for a bug or too little memory; problems of input files are raised by their readers as `BoundcalcError`."""
    subject = next((word for word in words if os.path.exists(word)), "boundcalc")
    if is_allocation_failure(error):
        return f"{short_path(subject)}: not enough memory for the analysis; try a part of it with --only"
    return (
        f"{short_path(subject)}: internal error, which is a bug of boundcalc: {first_line(error)}; "
        "please report it with the traceback that BOUNDCALC_DEBUG=1 shows"
    )


def _command(words: list[str]) -> Callable[[list[str]], int]:
    if words[:1] == ["help"] and not os.path.exists("help"):
        words[:] = [*words[1:2], "--help"]
    first = words[0] if words else ""
    if not words:
        raise UsageError("give a CHECKPOINT or a command; boundcalc --help lists them")
    _check_command(first)
    if first in commands.NAMES:
        run: Callable[[list[str]], int] = import_module(f"boundcalc.cli.{first}").run
        return lambda given: run(given[1:])
    analyze: Callable[[list[str]], int] = import_module("boundcalc.cli.analyze").run
    return analyze


def _check_command(word: str) -> None:
    """Refuse a word that looks like a mistyped command.

    Raises:
        UsageError: the word resembles a command, which the message names, or it is a usual name for the main command, which has
            none.
    """
    if (
        word in commands.NAMES
        or not word.replace("-", "").isalpha()
        or word[0] == "-"
        or os.path.exists(word)
    ):
        return
    if word in DEFAULT:
        raise UsageError(
            f"unknown command {word!r}: a report needs no command, give just the checkpoint: boundcalc "
            "CHECKPOINT"
        )
    near = get_close_matches(word.lower(), commands.NAMES, 1)
    if near:
        raise UsageError(f"unknown command {word!r}: did you mean {near[0]}?")

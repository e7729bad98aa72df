"""The entry point: picks the command, turns errors into one line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from boundcalc.cli.output import drop_standard_output
from boundcalc.errors import BoundcalcError

COMMANDS = ("formats", "bounds", "compare", "batch", "train", "explain", "falsify")
"""Words that name a command; anything else is a checkpoint (write ./formats for a file of that name)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run boundcalc.

    Threads of torch sleep while they wait: a team that spins is several times slower as soon as another process wants a core.

    Args:
        argv: words after the program's name; None for those of the process.

    Returns:
        The exit status: 0 done, 1 a part asked for failed, 2 wrong usage, 3 unreadable input, 4 a theorem violated.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        status = _command(words)(words)
        sys.stdout.flush()
    except BoundcalcError as error:
        print(f"boundcalc: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_status
    except BrokenPipeError:
        drop_standard_output()
        return 0
    except KeyboardInterrupt:
        print("boundcalc: interrupted", file=sys.stderr)  # noqa: T201
        return 130
    return status


def _command(words: list[str]) -> Callable[[list[str]], int]:
    first = words[0] if words else ""
    if first in COMMANDS:
        run: Callable[[list[str]], int] = import_module(f"boundcalc.cli.{first}").run
        return lambda given: run(given[1:])
    analyze: Callable[[list[str]], int] = import_module("boundcalc.cli.analyze").run
    return analyze

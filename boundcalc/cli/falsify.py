"""`boundcalc falsify`: attempts to falsify the claims of bounds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from boundcalc.cli import groups
from boundcalc.cli.output import check, note, write
from boundcalc.cli.words import Parser, option
from boundcalc.errors import UsageError

if TYPE_CHECKING:
    from boundcalc.bounds.catalogue import Bound

EXIT_VIOLATED = 4

EPILOG = """\
examples:
  boundcalc falsify                                      every bound, 200 trials each
  boundcalc falsify peeling path_norm --trials 1000 --seed 7
  boundcalc falsify --format json -o found.json          violations, with everything needed to replay them
  boundcalc falsify --replay found.json                  attack the same violations again

exit status: 0 no theorem violated, 4 a theorem violated, 1 a refuted bound that its counter-example does not
violate, 2 wrong usage, 3 unreadable --replay file
"""


def make_parser() -> Parser:
    """Return the parser of the command."""
    made = Parser(
        prog="boundcalc falsify",
        usage="boundcalc falsify [BOUND...] [OPTION...]",
        description="Search for small networks, masks and samples that violate a bound: gradient ascent over "
        "the class of\nfunctions that the bound covers, and training sets on which its bound on "
        "the error fails.",
        epilog=EPILOG,
    )
    made.add_argument("bounds", metavar="BOUND", nargs="*", help="names of bounds (default: all)")
    option(made, "--trials N", "random cases for each bound (200)", type=int, default=200)
    option(made, "--seed S", "seed of all random numbers (0)", type=int, default=0)
    option(made, "--replay FILE", "attack the violations in this JSON report again")
    groups.output_options(made)
    return made


def run(words: list[str]) -> int:
    """Attack bounds and print the violations.

    Args:
        words: the command line after the command.

    Returns:
        0, or 4 if a bound of status theorem is violated.

    Raises:
        NotRefuted: no theorem is violated, but neither is a bound of status refuted; the result is printed before.
        UsageError: a bound is unknown, or a number is out of range.
    """
    given = make_parser().parse_all(words)
    groups.check_format(given)
    if given.trials < 1:
        raise UsageError(f"--trials {given.trials}: give at least 1")
    if given.replay is not None and given.bounds:
        raise UsageError("--replay takes its bounds from the file: name no BOUND")
    check(given.output)

    from boundcalc.theory.falsify import falsify
    from boundcalc.theory.falsify_found import NotRefuted
    from boundcalc.theory.falsify_replay import replay
    from boundcalc.theory.falsify_report import render
    from boundcalc.threads import one_thread

    failed: NotRefuted | None = None
    with one_thread():
        if given.replay is not None:
            found = replay(given.replay)
        else:
            progress = iter if given.quiet or not _on_terminal() else _bar
            try:
                found = falsify(_named(given.bounds), given.trials, given.seed, progress)
            except NotRefuted as error:
                failed, found = error, error.found
    write(render(found, given.format, given.csv_raw), given.output)
    for name in found.theorems_violated:
        note(f"{name} is violated although its status is theorem")
    if found.theorems_violated:
        return EXIT_VIOLATED
    if failed is not None:
        raise failed
    return 0


def _named(names: list[str]) -> list[Bound]:
    from boundcalc.bounds.catalogue import registry
    from boundcalc.nearest import hint

    for name in names:
        if name not in registry:
            raise UsageError(f"unknown bound {name!r}{hint(name, registry, 'boundcalc bounds lists them')}")
    return [registry[name] for name in dict.fromkeys(names)] or list(registry.values())


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _bar(trials: Iterable[int]) -> Iterator[int]:
    from tqdm import tqdm

    yield from tqdm(trials, desc="trials", leave=False, file=sys.stderr)

"""`boundcalc compare CHECKPOINT CHECKPOINT...`: networks side by side."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from boundcalc.cli import parser
from boundcalc.cli.output import check, write
from boundcalc.errors import CheckpointError, UsageError
from boundcalc.options import Options

if TYPE_CHECKING:
    from boundcalc.report.comparison import Comparison


def run(words: list[str]) -> int:
    """Compare checkpoints and print what was found.

    Args:
        words: the command line after the command.

    Returns:
        0.

    Raises:
        UsageError: fewer than two checkpoints.
    """
    given = parser.make_compare().parse_all(words)
    options = parser.options(given)
    check(given.output)
    check(given.store)
    if given.workers is not None and given.store is None:
        raise UsageError("--workers needs --store: the batch that they fill")
    if (
        len(given.checkpoints) < 2
        and not os.path.isdir(given.checkpoints[0])
        and os.path.exists(given.checkpoints[0])
    ):
        raise UsageError("compare needs at least two checkpoints; see boundcalc compare --help")

    found = _stored(given, options) if given.store is not None else _fresh(given, options)
    write(found.to(given.format), given.output)
    return 0


def _fresh(given: argparse.Namespace, options: Options) -> Comparison:
    from boundcalc.comparison import compare

    return compare(*_places(given.checkpoints), against=given.against, **vars(options))


def _stored(given: argparse.Namespace, options: Options) -> Comparison:
    """Let a batch do what is new, and compare what is in its store.

    Raises:
        CheckpointError: a checkpoint failed.
    """
    from boundcalc.batch.runner import run as analyse
    from boundcalc.batch.store import opened
    from boundcalc.comparison import compare_reports

    places = _places(given.checkpoints)
    done = analyse(places, given.store, options, given.workers)
    with opened(given.store) as store:
        rows = store.rows(done.ids)
        for row in rows:
            if row.error is not None:
                raise CheckpointError(row.path, row.error.removeprefix(f"{row.path}: "))
        reports = [store.report(row.id) for row in rows]
    for row, report in zip(rows, reports, strict=True):
        report["checkpoint"]["path"] = row.path
    return compare_reports([row.path for row in rows], reports, options, given.against)


def _places(words: list[str]) -> list[str]:
    """Return the checkpoints that words mean: one each, under its own name, or those below a folder."""
    from boundcalc.batch.discover import discover

    found: list[str] = []
    for word in words:
        places = discover([word])
        found += [word] if len(places) == 1 else map(str, places)
    return found

"""`boundcalc compare CHECKPOINT CHECKPOINT...`: networks side by side."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.cli import groups
from boundcalc.cli.batch import check_apart
from boundcalc.cli.output import check, note, style, write
from boundcalc.cli.parser import make_compare as make_parser
from boundcalc.errors import CheckpointError, UsageError
from boundcalc.options import Options

if TYPE_CHECKING:
    from boundcalc.report.comparison import Comparison


def run(words: list[str]) -> int:
    """Compare checkpoints and print the comparison.

    Args:
        words: the command line after the command.

    Returns:
        0.

    Raises:
        UsageError: there are fewer than two checkpoints.
    """
    given = make_parser().parse_all(words)
    options = groups.options(given)
    groups.check_format(given)
    check(given.output)
    check(given.store)
    check_apart(given.output, given.store)
    if given.workers is not None and given.store is None:
        raise UsageError("--workers needs --store: give the store that the workers write to")
    if (
        len(given.checkpoints) < 2
        and not os.path.isdir(given.checkpoints[0])
        and os.path.exists(given.checkpoints[0])
    ):
        raise UsageError("compare needs at least two checkpoints; see boundcalc compare --help")

    found = _stored(given, options) if given.store is not None else _computed(given, options)
    if not given.quiet:
        for pair in found.tree["unmatched"]:
            note(str(pair["reason"]))
    if given.format == "table":
        write(found.table(style(given.output)), given.output, laid_out=True)
    else:
        write(found.to(given.format, given.csv_raw), given.output)
    return 0


def _computed(given: argparse.Namespace, options: Options) -> Comparison:
    from boundcalc.comparison import compare

    named = {**vars(options), **options.further}
    del named["further"]
    return compare(*(name for name, _ in _named(given.checkpoints)), against=given.against, **named)


def _stored(given: argparse.Namespace, options: Options) -> Comparison:
    """Analyze the new checkpoints by a batch, and compare the reports in its store.

    Raises:
        CheckpointError: a checkpoint failed.
    """
    from boundcalc.batch.runner import run as analyze
    from boundcalc.batch.store import opened
    from boundcalc.comparison import check as check_comparable
    from boundcalc.comparison import compare_reports

    places = _named(given.checkpoints)
    check_comparable(len(places), given.against)
    done = analyze([place for _, place in places], given.store, options, given.workers)
    with opened(given.store) as store:
        rows = {row.id: row for row in store.rows(done.ids)}
        for row in rows.values():
            if row.error is not None:
                raise CheckpointError(row.path, row.error)
        reports = [store.report(done.found[str(place)]) for _, place in places]
    names = [name for name, _ in places]
    for name, report in zip(names, reports, strict=True):
        report["checkpoint"]["path"] = name
    return compare_reports(names, reports, options, given.against)


def _named(words: list[str]) -> list[tuple[str, Path]]:
    """Return name and path of the given checkpoints: a single one keeps the word as its name, those of a folder have their paths."""
    from boundcalc.batch.discover import discover

    found: list[tuple[str, Path]] = []
    for word in words:
        places = discover([word])
        found += [(word, places[0])] if len(places) == 1 else [(str(place), place) for place in places]
    return found

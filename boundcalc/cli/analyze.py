"""`boundcalc CHECKPOINT`: the main command."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from boundcalc.cli import beside, groups
from boundcalc.cli.output import check, note, style, write
from boundcalc.cli.parser import make as make_parser
from boundcalc.cli.progress import Stages
from boundcalc.errors import BoundcalcError

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult
    from boundcalc.report.tree import Report


def run(words: list[str]) -> int:
    """Analyze one checkpoint and print the report.

    Args:
        words: the command line after the program's name.

    Returns:
        0, or 1 if a part requested by --only did not run.
    """
    given = make_parser().parse_all(words)
    options = groups.options(given)
    groups.check_format(given)
    check(given.output)
    beside.check(given, options)

    from boundcalc.analysis import checkpoint_of, run_analysis
    from boundcalc.report.assemble import assemble

    with Stages(given.quiet):
        checkpoint = checkpoint_of(given.checkpoint, options)
        result = run_analysis(checkpoint, options)
    if not given.quiet:
        for line in result.warnings:
            note(f"warning: {line}")
    unsaved = _save(result, given.save_quantised)
    saved = None if unsaved is not None else given.save_quantised
    report = assemble(result, saved)
    _write(report, given)
    beside.save(result, report, given)
    if unsaved is not None:
        raise unsaved
    if given.only is None:
        return 0
    for part, reason in result.skipped.items():
        note(f"{part} did not run: {reason}")
    return 1 if result.skipped else 0


def _write(report: Report, given: argparse.Namespace) -> None:
    if given.format == "table":
        from boundcalc.report.views.table import styled

        write(styled(report.to_dict(), style(given.output, given.full)), given.output, laid_out=True)
    else:
        write(report.to(given.format, given.csv_raw, given.full), given.output)


def _save(result: AnalysisResult, place: str | None) -> BoundcalcError | None:
    """Write the certified network, so that the report can name the file; return the error if it cannot be written."""
    if place is None:
        return None
    try:
        beside.save_quantized(result, place)
    except BoundcalcError as problem:
        return problem
    return None

"""`boundcalc plot STORE|CHECKPOINT... --what NAME -o FILE`: figures for a paper."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc.cli import groups
from boundcalc.cli.output import check, note, write_bytes
from boundcalc.cli.progress import Stages
from boundcalc.cli.words import Parser, option
from boundcalc.errors import BoundcalcError, CheckpointError, DataError, UsageError
from boundcalc.figures import pictures
from boundcalc.nearest import hint
from boundcalc.options import Options

if TYPE_CHECKING:
    from boundcalc.figures.picture import NamedReport, Picture

SUFFIXES = ("pdf", "svg", "png")
STORE = b"SQLite format 3\0"
EPILOG = """\
examples:
  boundcalc plot runs.sqlite --what bounds -o bounds.pdf
  boundcalc plot lottery_x/replicate_1/level_* --what gap --data mnist:DIR -o gap.png
  boundcalc plot ticket.pt --what graphons -o masks.svg
  boundcalc plot data/certificates/mnist_pick --what examples --data mnist:DIR -o picked.png
"""


def make_parser() -> Parser:
    """Return the parser of the command."""
    drawn = "\n".join(f"  {name:<12}{one.title}" for name, one in pictures().items())
    parser = Parser(
        prog="boundcalc plot",
        usage="boundcalc plot STORE|CHECKPOINT... --what NAME -o FILE.{pdf,svg,png} [OPTION...]",
        description="Draw a figure that is one column of a paper wide and can be printed in gray. From a store "
        "of boundcalc batch, the\nstored reports are drawn; for checkpoints, the parts that the "
        f"figure needs are computed first.\n\nfigures:\n{drawn}",
        epilog=EPILOG,
    )
    parser.add_argument("sources", metavar="STORE|CHECKPOINT", nargs="+", help="stores, files or folders")
    group = parser.add_argument_group("the figure")
    option(group, "--what NAME", f"one of {', '.join(pictures())}", required=True)
    option(group, "-o --output FILE", "ends in .pdf, .svg or .png", required=True)
    option(group, "--quiet", "no progress and no notes on standard error")
    groups.analysis_options(parser)
    return parser


def run(words: list[str]) -> int:
    """Draw a figure into a file, and print what a reader of the figure has to know.

    Args:
        words: the command line after the command.

    Returns:
        0, or 1 if some of several checkpoints are unreadable or refused: they are reported, and the others are drawn.

    Raises:
        UsageError: the figure or the kind of file is unknown, or there is nothing to draw.
        CheckpointError: no checkpoint is readable.
        DataError: the data is not readable.
    """
    given = make_parser().parse_all(words)
    options = groups.options(given)
    picture = _picture(given.what)
    kind = Path(given.output).suffix.lower().removeprefix(".")
    if kind not in SUFFIXES:
        raise UsageError(
            f"-o {given.output}: name a file that ends in {', '.join(f'.{one}' for one in SUFFIXES)}"
        )
    check(given.output)
    sources = [Path(word).expanduser() for word in given.sources]
    if any(os.path.realpath(given.output) == os.path.realpath(source) for source in sources):
        raise UsageError(f"-o {given.output}: this is one of the inputs; name another file")

    from boundcalc.figures.files import render
    from boundcalc.figures.picture import tickets_of

    found = list(_reports(sources, picture, options, quiet=given.quiet))
    trees = [one for one in found if isinstance(one, dict)]
    failed = [one for one in found if isinstance(one, BoundcalcError)]
    if failed and not trees:
        raise failed[0]
    for problem in failed:
        note(f"left out: {problem}")
    folders = [_folder(tree["checkpoint"]["path"]) for tree in trees]
    tickets = tickets_of(trees, folders, options.data if isinstance(options.data, str) else "")
    drawn = picture.of(tickets)
    if drawn is None:
        raise UsageError(_why_empty(picture, tickets))
    write_bytes(render(drawn, kind), given.output)
    if not given.quiet:
        note(drawn.caption)
    return 1 if failed else 0


def _picture(name: str) -> Picture:
    known = pictures()
    if name not in known:
        raise UsageError(f"--what {name}: unknown figure{hint(name, known)} (figures: {', '.join(known)})")
    return known[name]


def _folder(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


def _reports(
    sources: Sequence[Path], picture: Picture, options: Options, *, quiet: bool
) -> Iterator[dict[str, Any] | BoundcalcError]:
    """Yield the reports of stores and of the checkpoints at paths; the error for a checkpoint that has no report."""
    for source in sources:
        yield from _stored(source) if _is_store(source) else _computed(source, picture, options, quiet=quiet)


def _stored(source: Path) -> Iterator[dict[str, Any]]:
    from boundcalc.batch.store import opened

    with opened(source) as store:
        for row in store.rows():
            if row.state == "done":
                tree = store.report(row.id)
                tree["checkpoint"]["path"] = row.path
                yield tree


def _computed(
    source: Path, picture: Picture, options: Options, *, quiet: bool
) -> Iterator[dict[str, Any] | BoundcalcError]:
    from boundcalc.analysis import checkpoint_of, run_analysis
    from boundcalc.batch.discover import discover
    from boundcalc.report.assemble import assemble

    own = options if options.only is not None else replace(options, only=picture.parts)
    for place in discover([source]):
        try:
            with Stages(quiet):
                tree = assemble(run_analysis(checkpoint_of(place, own), own)).to_dict()
        except (CheckpointError, DataError) as problem:
            yield problem
            continue
        tree["checkpoint"]["path"] = str(place)
        yield tree


def _is_store(source: Path) -> bool:
    try:
        with open(source, "rb") as file:
            return file.read(len(STORE)) == STORE
    except OSError:
        return False


def _why_empty(picture: Picture, tickets: Sequence[NamedReport]) -> str:
    """Return why there is nothing to draw: the reason given by a part, or that the part is missing."""
    if not tickets:
        return f"--what {picture.name}: nothing to draw, no ticket was analyzed"
    if not picture.parts:
        return f"--what {picture.name}: nothing to draw, no ticket has what it shows"
    part = picture.parts[0]
    told = (
        item["reason"] for one in tickets for item in one.tree.get("skipped") or () if item["part"] == part
    )
    why = next(told, f"no ticket has the part {part}")
    return f"--what {picture.name}: nothing to draw: {why}"

"""The parsers of the main command and of the commands with the same options."""

from __future__ import annotations

from boundcalc._version import __version__
from boundcalc.cli import commands, groups
from boundcalc.cli.words import Parser, option
from boundcalc.options import COMPARE_AGAINST
from boundcalc.report.views import FORMATS

DESCRIPTION = f"""\
Report what theory says about a pruned neural network: how sparse it is, what
is proved about its error, what was measured, and what looks wrong.

commands:
{commands.listing()}

examples:
  boundcalc ticket.pt                       what was read, and how sparse it is
  boundcalc ticket.pt --data sample         bounds, and the measured errors
  boundcalc ticket.pt --samples 60000 --input-bound 1     bounds without data
  boundcalc ticket.pt --data sample --format html -o ticket.html
  boundcalc level_22/main --data mnist:DIR --normalize 0.1307,0.3081
  boundcalc net.pt --model net.py:make --data npz:cifar.npz
  boundcalc COMMAND --help                  options and examples of a command\
"""

EPILOG = """\
exit status: 0 done, 1 a part of --only failed, 2 wrong usage, 3 unreadable or refused input
"""

COMPARE_EPILOG = """\
examples:
  boundcalc compare dense.pt pruned.pt                        masks and weights alone
  boundcalc compare level_*/main --data sample --against previous
  boundcalc compare runs/imp --data sample --store runs.sqlite --format html -o runs.html
"""

BATCH_EPILOG = """\
examples:
  boundcalc batch runs/ --store runs.sqlite --data sample
  boundcalc batch 'lottery_*/replicate_*/level_*' --store lth.sqlite --samples 60000 --input-bound 1 --workers 8
  boundcalc batch runs/ --store runs.sqlite --data mnist:DIR --scheduler tcp://host:8786
  boundcalc batch --store runs.sqlite --format csv -o runs.csv
  boundcalc batch --store runs.sqlite --format parquet -o runs.parquet

exit status: 0 done, 1 a checkpoint failed (the others are in the store) or a part of --only did not run,
2 wrong usage, 3 nothing at a path, or unreadable data
"""

EXPLAIN_EPILOG = """\
examples:
  boundcalc explain peeling
  boundcalc explain bartlett2017 ticket.pt --data sample       the formula with the numbers of a network
  boundcalc explain path_norm --format latex -o path_norm.tex
"""


def make() -> Parser:
    """Return the parser of `boundcalc CHECKPOINT`."""
    parser = Parser(
        prog="boundcalc",
        usage="boundcalc CHECKPOINT [--data DATA] [OPTION...]\n       boundcalc COMMAND ...",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a file or folder; see boundcalc formats")
    parser.add_argument("--version", action="version", version=f"boundcalc {__version__}")
    groups.analysis_options(parser)
    group = parser.add_argument_group("output")
    groups.output_options(group)
    option(
        group,
        "--verbose --full",
        "show everything: evidence, terms and timings in the table view, entries of graphons in csv, "
        "every table in latex",
        dest="full",
    )
    groups.picture_options(parser.add_argument_group("files beside the report"))
    return parser


def make_compare() -> Parser:
    """Return the parser of `boundcalc compare CHECKPOINT CHECKPOINT...`."""
    parser = Parser(
        prog="boundcalc compare",
        usage="boundcalc compare CHECKPOINT CHECKPOINT... [OPTION...]",
        description="Show networks side by side: every quantity of their reports, ordered by lottery and "
        "density, and how far apart\ntheir masks are, layer by layer (L2 distance and cut norm of "
        "the difference of their graphons; layers are matched\nby name, or else by order; widths "
        "may differ). With --data, also Kendall's tau between every quantity and the\nmeasured "
        "gap, and between it and accuracy, with a bootstrap interval, and the same with density "
        "held fixed.",
        epilog=COMPARE_EPILOG,
    )
    parser.add_argument(
        "checkpoints",
        metavar="CHECKPOINT",
        nargs="+",
        help="two or more checkpoint files, or folders of such files",
    )
    group = parser.add_argument_group("comparison")
    option(
        group,
        "--against",
        "the checkpoint with which the others are compared (first)",
        choices=COMPARE_AGAINST,
        default="first",
    )
    option(
        group,
        "--store FILE",
        "store of boundcalc batch: known reports are read from it, and new reports are added to it",
    )
    option(
        group,
        "--workers N",
        "worker processes on this machine, with --store (default: one per core)",
        type=int,
    )
    groups.analysis_options(parser)
    groups.output_options(parser.add_argument_group("output"))
    return parser


def make_batch() -> Parser:
    """Return the parser of `boundcalc batch PATH... --store FILE`."""
    parser = Parser(
        prog="boundcalc batch",
        usage="boundcalc batch PATH... --store FILE [OPTION...]",
        description="Analyze any number of checkpoints, given as files, folders and patterns, into one SQLite "
        "file. Reports that it\nalready holds are not computed again: a second run, after an "
        "interruption or with new files, analyzes only the\nnew checkpoints. Without PATH, the "
        "contents of the store are printed.",
        epilog=BATCH_EPILOG,
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="files, folders and patterns such as 'runs/**/main'"
    )
    group = parser.add_argument_group("store")
    option(group, "--store FILE", "the SQLite file; created if it does not exist", required=True)
    option(group, "--workers N", "worker processes on this machine (default: one per core)", type=int)
    option(
        group,
        "--scheduler ADDRESS",
        "address of a Dask scheduler whose cluster is used instead of this machine",
    )
    groups.analysis_options(parser)
    groups.output_options(parser.add_argument_group("output"), (*FORMATS, groups.PARQUET))
    return parser


def make_explain() -> Parser:
    """Return the parser of `boundcalc explain BOUND [CHECKPOINT]`."""
    parser = Parser(
        prog="boundcalc explain",
        usage="boundcalc explain BOUND [CHECKPOINT --data DATA] [OPTION...]",
        description="Show what a bound says: formula, assumptions, status, source, why it holds and how it "
        "changes with its inputs;\nwith a checkpoint and a sample, also the formula with its "
        "numbers, layer by layer.",
        epilog=EXPLAIN_EPILOG,
    )
    parser.add_argument("bound", metavar="BOUND", help="name of a bound; see boundcalc bounds")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", nargs="?", help="a file or folder")
    groups.analysis_options(parser)
    groups.output_options(parser.add_argument_group("output"), groups.EXPLAIN_FORMATS)
    return parser

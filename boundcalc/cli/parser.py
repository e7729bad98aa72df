"""The parsers of the main command and of those that take the same options."""

from __future__ import annotations

import argparse

from boundcalc._version import __version__
from boundcalc.cli import groups
from boundcalc.cli.words import Parser
from boundcalc.options import AGAINST

EPILOG = """\
examples:
  boundcalc ticket.pt                                what was read, how sparse each layer is
  boundcalc ticket.pt --data sample                  bounds and the measured gap
  boundcalc ticket.pt --samples 60000 --input-bound 1    bounds without data
  boundcalc net.pt --model net.py:make --input-shape 3,32,32 --data npz:cifar.npz
  boundcalc level_22/main --data mnist:DIR --normalize 0.1307,0.3081 --format latex -o table.tex

other commands:
  boundcalc formats       which checkpoints can be read
  boundcalc bounds        every bound with its kind, status, source and assumptions
  boundcalc compare A B   networks side by side
  boundcalc batch PATH... --store FILE.sqlite  checkpoints by the hundred
  boundcalc explain BOUND [CHECKPOINT]  what a bound says, and why it holds
  boundcalc falsify       attacks what bounds claim; see boundcalc falsify --help
  boundcalc train         makes lottery tickets; see boundcalc train --help
  boundcalc verify FILE   whether a certificate of boundcalc train --certify pick holds

exit status: 0 done, 1 a part of --only failed, 2 wrong usage, 3 unreadable or refused input
"""


BATCH_EPILOG = """\
examples:
  boundcalc batch runs/ --store runs.sqlite --data sample
  boundcalc batch 'lottery_*/replicate_*/level_*' --store lth.sqlite --samples 60000 --input-bound 1 --workers 8
  boundcalc batch runs/ --store runs.sqlite --data mnist:DIR --scheduler tcp://host:8786
  boundcalc batch --store runs.sqlite --format csv -o runs.csv

exit status: 0 done, 1 a checkpoint failed (the others are in the store) or a part of --only did not run,
2 wrong usage, 3 nothing at a path, or unreadable data
"""


def make() -> Parser:
    """Return the parser of `boundcalc CHECKPOINT`."""
    parser = Parser(
        prog="boundcalc",
        description="What theory says about a pruned ReLU or CNN checkpoint: sparse and Toeplitz-norm\n"
        "generalization bounds, each with its status, and the measured gap.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a file or folder; see boundcalc formats")
    parser.add_argument("--version", action="version", version=f"boundcalc {__version__}")
    groups.network_options(parser.add_argument_group("network"))
    groups.sample_options(parser.add_argument_group("sample"))
    groups.bound_options(parser.add_argument_group("bounds"))
    groups.part_options(parser.add_argument_group("sample complexity, topology and graphons"))
    group = parser.add_argument_group("output")
    groups.output_options(group)
    groups.picture_options(group)
    return parser


def make_compare() -> Parser:
    """Return the parser of `boundcalc compare CHECKPOINT CHECKPOINT...`."""
    parser = Parser(
        prog="boundcalc compare",
        description="Networks side by side: every quantity of their reports by lottery and density, and how far their masks are\n"
        "apart, layer by layer (L2 distance and cut norm of the difference of their graphons; layers are matched by\n"
        "name, else by order; widths may differ). With --data, Kendall's tau of every quantity with the measured\n"
        "gap and with accuracy, a bootstrap interval, and the same partial to density.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "checkpoints", metavar="CHECKPOINT", nargs="+", help="two or more files, or folders of them"
    )
    group = parser.add_argument_group("comparison")
    group.add_argument(
        "--against",
        choices=AGAINST,
        default="first",
        help="what each checkpoint is put beside (first)",
    )
    group.add_argument(
        "--store", metavar="FILE", help="of boundcalc batch: takes reports from it, and puts new ones in"
    )
    group.add_argument(
        "--workers", type=int, metavar="N", help="processes of this machine, with --store (one a core)"
    )
    groups.network_options(parser.add_argument_group("network"))
    groups.sample_options(parser.add_argument_group("sample"))
    groups.bound_options(parser.add_argument_group("bounds"))
    groups.part_options(parser.add_argument_group("sample complexity, topology and graphons"))
    groups.output_options(parser.add_argument_group("output"))
    return parser


def make_batch() -> Parser:
    """Return the parser of `boundcalc batch PATH... --store FILE`."""
    parser = Parser(
        prog="boundcalc batch",
        description="Analyses checkpoints, folders and patterns of any size into one SQLite file. What is in it already is\n"
        "not computed again: a second run, after an interruption or with new files, does only what is new.\n"
        "Without PATH the store is printed as it is.",
        epilog=BATCH_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="files, folders and patterns such as 'runs/**/main'"
    )
    group = parser.add_argument_group("store")
    group.add_argument(
        "--store", metavar="FILE", required=True, help="the SQLite file; made where it is not there"
    )
    group.add_argument("--workers", type=int, metavar="N", help="processes of this machine (one a core)")
    group.add_argument(
        "--scheduler", metavar="ADDRESS", help="of a Dask cluster, in place of processes of this machine"
    )
    groups.network_options(parser.add_argument_group("network"))
    groups.sample_options(parser.add_argument_group("sample"))
    groups.bound_options(parser.add_argument_group("bounds"))
    groups.part_options(parser.add_argument_group("sample complexity, topology and graphons"))
    groups.output_options(parser.add_argument_group("output"), groups.BATCH_FORMATS)
    return parser


def make_explain() -> Parser:
    """Return the parser of `boundcalc explain BOUND [CHECKPOINT]`."""
    parser = Parser(
        prog="boundcalc explain",
        description="What a bound says: formula, assumptions, status, source, why it holds and how it moves; with a\n"
        "checkpoint and a sample, the formula with its numbers, layer by layer.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("bound", metavar="BOUND", help="its name; see boundcalc bounds")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", nargs="?", help="a file or folder")
    groups.network_options(parser.add_argument_group("network"))
    groups.sample_options(parser.add_argument_group("sample"))
    groups.bound_options(parser.add_argument_group("bounds"))
    groups.part_options(parser.add_argument_group("sample complexity, topology and graphons (not used)"))
    groups.output_options(parser.add_argument_group("output"), groups.EXPLAIN_FORMATS)
    return parser

"""The options of the main command, and how their words become values."""

from __future__ import annotations

import argparse
import difflib
from typing import NoReturn

from boundcalc._version import __version__
from boundcalc.errors import UsageError
from boundcalc.options import AGAINST, DEVICES, ENCODINGS, MASK_ORIGINS, PARTS, Options

FORMATS = ("table", "json", "csv", "markdown", "latex", "html")
BATCH_FORMATS = ("table", "json", "csv", "markdown", "latex", "html")
EXPLAIN_FORMATS = ("text", "markdown", "latex")

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


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors that name the option nearest to a mistyped one."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message}; see {self.prog} --help")

    def parse_all(self, words: list[str]) -> argparse.Namespace:
        """Parse all words.

        Raises:
            UsageError: an unknown option; the message proposes the nearest one.
        """
        self._check_names(words)
        options, rest = self.parse_known_intermixed_args(words)
        if rest and not rest[0].startswith("-"):
            raise UsageError(f"one checkpoint at a time: what is {rest[0]}? see {self.prog} --help")
        if rest:
            raise self._unknown(rest[0])
        return options

    def _check_names(self, words: list[str]) -> None:
        """Name a mistyped option before what is missing for it."""
        given = words[: words.index("--")] if "--" in words else words
        for word in given:
            name = word.partition("=")[0]
            if word.startswith("--") and " " not in word and name not in self._option_string_actions:
                raise self._unknown(word)

    def _unknown(self, word: str) -> UsageError:
        near = difflib.get_close_matches(word.partition("=")[0], self._option_string_actions, 1)
        return UsageError(
            f"unknown option {word}" + (f"; did you mean {near[0]}?" if near else f"; see {self.prog} --help")
        )


def numbers(text: str) -> tuple[float, ...]:
    """Read comma-separated numbers.

    Raises:
        ArgumentTypeError: a word that is no number.
    """
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of numbers such as 0.1307,0.3081"
        ) from error


def shape(text: str) -> tuple[int, ...]:
    """Read a shape such as 1,28,28 or 1x28x28.

    Raises:
        ArgumentTypeError: a word that is no positive integer.
    """
    try:
        sizes = tuple(int(word) for word in text.replace("x", ",").split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape such as 1,28,28") from error
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: sizes are positive")
    return sizes


def margin(text: str) -> float | None:
    """Read a margin: a number, or None for auto.

    Raises:
        ArgumentTypeError: neither.
    """
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a number") from error


def parts(text: str) -> tuple[str, ...]:
    """Read comma-separated parts.

    Raises:
        ArgumentTypeError: an unknown part; the message proposes the nearest one.
    """
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in PARTS:
            near = difflib.get_close_matches(word, PARTS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise argparse.ArgumentTypeError(f"unknown part {word!r}{hint} (parts: {', '.join(PARTS)})")
    if not words:
        raise argparse.ArgumentTypeError(f"name at least one part of {', '.join(PARTS)}")
    return words


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
    _network_options(parser.add_argument_group("network"))
    _sample_options(parser.add_argument_group("sample"))
    _bound_options(parser.add_argument_group("bounds"))
    _part_options(parser.add_argument_group("sample complexity, topology and graphons"))
    group = parser.add_argument_group("output")
    _output_options(group)
    _picture_options(group)
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
    _network_options(parser.add_argument_group("network"))
    _sample_options(parser.add_argument_group("sample"))
    _bound_options(parser.add_argument_group("bounds"))
    _part_options(parser.add_argument_group("sample complexity, topology and graphons"))
    _output_options(parser.add_argument_group("output"))
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
    _network_options(parser.add_argument_group("network"))
    _sample_options(parser.add_argument_group("sample"))
    _bound_options(parser.add_argument_group("bounds"))
    _part_options(parser.add_argument_group("sample complexity, topology and graphons"))
    _output_options(parser.add_argument_group("output"), BATCH_FORMATS)
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
    _network_options(parser.add_argument_group("network"))
    _sample_options(parser.add_argument_group("sample"))
    _bound_options(parser.add_argument_group("bounds"))
    _part_options(parser.add_argument_group("sample complexity, topology and graphons (not used)"))
    _output_options(parser.add_argument_group("output"), EXPLAIN_FORMATS)
    return parser


def _cells_option(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--cells", type=int, default=64, metavar="K", help="cells a side of a graphon (64)")


def _model_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model",
        metavar="FILE.py:CALLABLE|package.module:CALLABLE",
        help="makes the torch module the weights belong to; runs your code",
    )
    group.add_argument("--input-shape", type=shape, metavar="1,28,28", help="one sample's shape")


def _network_options(group: argparse._ArgumentGroup) -> None:
    _model_options(group)
    group.add_argument("--reference", metavar="CHECKPOINT", help="the initialisation, for distances")
    group.add_argument("--mask", metavar="FILE", help="masks kept in a file of their own")


def _sample_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--data",
        metavar="DATA",
        help="mnist:DIR, npz:FILE, digits, sample, package.module:CALLABLE or FILE.py:CALLABLE",
    )
    group.add_argument(
        "--normalize", type=numbers, metavar="MEAN,STD", help="applied to inputs in [0, 1], as in training"
    )
    group.add_argument("--samples", type=int, metavar="M", help="sample size, for bounds without data")
    group.add_argument("--input-bound", type=float, metavar="B", help="|x| <= B in every coordinate")


def _bound_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--only", type=parts, metavar="PART,...", help=f"parts: {', '.join(PARTS)}")
    group.add_argument("--delta", type=float, default=0.05, help="failure probability of each bound (0.05)")
    group.add_argument(
        "--margin", type=margin, default=None, metavar="auto|NUMBER", help="fixed in advance, or auto"
    )
    group.add_argument(
        "--mask-origin",
        choices=MASK_ORIGINS,
        default="data",
        help="whether the mask depends on the training sample (data: it is paid for)",
    )
    group.add_argument(
        "--passes",
        type=int,
        metavar="N",
        help="over the sample that occam's search makes; 0 for k-means alone (as many as are quick)",
    )
    group.add_argument("--device", choices=DEVICES, default="auto", help="where the network is run (auto)")
    group.add_argument("--seed", type=int, default=0, help="of anything random (0)")


def _part_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--calibration",
        metavar="FILE",
        help="the constant of the sample complexity, e.g. data/calibration.json",
    )
    group.add_argument(
        "--target-error", type=float, metavar="EPS", help="accuracy for which N is asked; needs --calibration"
    )
    group.add_argument(
        "--encoding",
        choices=ENCODINGS,
        default="unrolled",
        help="of a convolution's mask as a graph (unrolled)",
    )
    _cells_option(group)
    _kernel_options(group)


def _kernel_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--batch", type=int, default=1024, metavar="M", help="samples of the graphon NTK (1024)"
    )
    group.add_argument(
        "--sigma-w2",
        type=float,
        default=1.0,
        metavar="V",
        help="weight variance times fan-in of the graphon NTK (1)",
    )
    group.add_argument(
        "--exact", action="store_true", help="graphon NTK of the masks themselves, a cell a unit"
    )
    group.add_argument(
        "--max-memory", type=float, default=2.0, metavar="GB", help="that the graphon NTK may take (2)"
    )
    group.add_argument(
        "--learning-rate", type=float, metavar="ETA", help="of its residual curve (1 / largest eigenvalue)"
    )


def _output_options(group: argparse._ArgumentGroup, formats: tuple[str, ...] = FORMATS) -> None:
    first = formats[0]
    group.add_argument("--format", choices=formats, default=first, help=f"of the report ({first})")
    group.add_argument("-o", "--output", metavar="FILE", help="write there instead of standard output")
    group.add_argument("--quiet", action="store_true", help="no progress and no notes on standard error")


def _picture_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--figure", metavar="FILE.png|pdf|svg", help="draw the graphons of all layers (needs matplotlib)"
    )
    group.add_argument(
        "--save-quantised",
        metavar="FILE",
        help="write the network that occam certifies (.pt, .pth or .safetensors)",
    )


def options(given: argparse.Namespace) -> Options:
    """Return the options of an analysis.

    Raises:
        UsageError: they contradict each other.
    """
    return Options(
        data=given.data,
        model=given.model,
        input_shape=given.input_shape,
        reference=given.reference,
        mask=given.mask,
        samples=given.samples,
        input_bound=given.input_bound,
        parts=given.only,
        normalize=given.normalize,
        device=given.device,
        seed=given.seed,
        delta=given.delta,
        passes=given.passes,
        margin=given.margin,
        mask_origin=given.mask_origin,
        calibration=given.calibration,
        target_error=given.target_error,
        encoding=given.encoding,
        cells=given.cells,
        batch=given.batch,
        sigma_w2=given.sigma_w2,
        exact=given.exact,
        max_memory=given.max_memory,
        learning_rate=given.learning_rate,
    )

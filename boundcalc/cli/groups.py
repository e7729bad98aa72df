"""The options that several commands share, by subject, and the `Options` that they make."""

from __future__ import annotations

import argparse
from dataclasses import fields

from boundcalc.cli.words import margin, normalization, parts, shape
from boundcalc.data.normalizations import NAMED
from boundcalc.errors import UsageError
from boundcalc.options import DEVICES, MASK_ORIGINS, Options, further_options, options_of
from boundcalc.parts import registry
from boundcalc.report.views import FORMATS

PARQUET = "parquet"
"""The format of a store that is no text."""
EXPLAIN_FORMATS = ("text", "markdown", "latex")


def analysis_options(parser: argparse.ArgumentParser) -> None:
    """Add, in groups, everything that an analysis depends on."""
    _network_options(parser.add_argument_group("the network"))
    _sample_options(parser.add_argument_group("the data"))
    _run_options(parser.add_argument_group("what to compute"))
    for part in registry.values():
        if part.options:
            group = parser.add_argument_group(f"{part.title} only")
            for option in part.options:
                option.add(group)


def _network_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model",
        metavar="FILE.py:CALLABLE",
        help="your code that makes the torch module of the weights (or package.module:CALLABLE); it is run",
    )
    group.add_argument("--input-shape", type=shape, metavar="1,28,28", help="shape of one sample")
    group.add_argument(
        "--reference", metavar="CHECKPOINT", help="the initialization, from which distances are measured"
    )
    group.add_argument("--mask", metavar="FILE", help="file of the masks, if they are not in the checkpoint")
    group.add_argument(
        "--mask-from-scores",
        type=float,
        metavar="DENSITY",
        help="for edge-popup: keep this share of each layer, the weights with the largest scores",
    )
    group.add_argument(
        "--mask-origin",
        choices=MASK_ORIGINS,
        default="data",
        help="whether the mask depends on the training sample; bounds pay for one that does (data)",
    )
    group.add_argument(
        "--prefix",
        metavar="NAME",
        help="how the keys of the network begin, in a file that holds several networks",
    )


def _sample_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--data",
        metavar="DATA",
        help="mnist:DIR, cifar10:DIR, folder:DIR (images by class), parquet:FILE, npz:FILE, digits, sample, "
        "package.module:CALLABLE or FILE.py:CALLABLE",
    )
    data_options(group)
    group.add_argument(
        "--normalize-fixed",
        action="store_true",
        help="the numbers of --normalize were fixed before the sample, so bounds do not pay for them",
    )
    group.add_argument(
        "--samples", type=int, metavar="M", help="sample size, for bounds without data (with --input-bound)"
    )
    group.add_argument(
        "--input-bound", type=float, metavar="B", help="|x| <= B in every coordinate, for bounds without data"
    )


def data_options(group: argparse._ActionsContainer) -> None:
    """Add what is said of the data beside their form."""
    group.add_argument(
        "--normalize",
        type=normalization,
        metavar="MEAN,STD",
        help="normalization of inputs in [0, 1], as in training: two numbers, or one of each for every channel "
        f"(MEAN/MEAN/MEAN,STD/STD/STD), or the name {', '.join(NAMED)}",
    )
    group.add_argument(
        "--holdout",
        type=float,
        metavar="P",
        help="share of the samples to test on, where the data has no test split; drawn by --seed, and not to be trained on",
    )


def _run_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--only", type=parts, metavar="PART,...", help=f"compute these parts alone: {', '.join(registry)}"
    )
    group.add_argument("--delta", type=float, default=0.05, help="failure probability of each bound (0.05)")
    group.add_argument(
        "--margin",
        type=margin,
        default=None,
        metavar="auto|NUMBER",
        help="margin fixed before the sample, or found by search (auto)",
    )
    group.add_argument(
        "--passes",
        type=int,
        metavar="N",
        help="search epochs of the compression (occam; default: up to 20; more give smaller certificates)",
    )
    group.add_argument(
        "--quick",
        dest="passes",
        action="store_const",
        const=0,
        help="compress by k-means alone, without a search (as --passes 0)",
    )
    group.add_argument(
        "--certificate",
        metavar="FILE,...",
        help="certificate of this network, or of another one with --unlabelled (default: the one beside the checkpoint)",
    )
    group.add_argument(
        "--unlabelled",
        metavar="DATA",
        help="examples that no network saw; they carry the certificate of another network over to this one",
    )
    group.add_argument(
        "--device", choices=DEVICES, default="auto", help="device that the network is run on (auto)"
    )
    group.add_argument("--seed", type=int, default=0, help="seed of all random numbers (0)")
    group.add_argument(
        "--max-memory",
        type=float,
        metavar="GB",
        help="memory that one file may take (default: 4 times its size, at least 2 GB), and that the graphon NTK may (2)",
    )


def output_options(group: argparse._ActionsContainer, formats: tuple[str, ...] = FORMATS) -> None:
    """Add where the report goes."""
    first = formats[0]
    group.add_argument("--format", choices=formats, default=first, help=f"format of the output ({first})")
    if "csv" in formats:
        group.add_argument(
            "--csv-raw",
            action="store_true",
            help="csv without the apostrophe that keeps a spreadsheet from running text that begins with = + - @",
        )
    group.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of standard output")
    group.add_argument("--quiet", action="store_true", help="no progress and no notes on standard error")


def picture_options(group: argparse._ArgumentGroup) -> None:
    """Add what is written beside the report."""
    group.add_argument(
        "--figure", metavar="FILE.png|pdf|svg", help="draw the graphons of all layers into this file"
    )
    group.add_argument(
        "--save-plain",
        metavar="FILE",
        help="write a state dict of the weights, zero where pruned, and the masks (.pt, .pth or .safetensors)",
    )
    group.add_argument(
        "--save-quantised",
        metavar="FILE",
        help="write the network that occam certifies (.pt, .pth or .safetensors)",
    )
    group.add_argument(
        "--save-certificate",
        metavar="FILE.json",
        help="write the certificate of the network that pacbayes draws, for boundcalc verify (with --passes N)",
    )


def check_format(given: argparse.Namespace) -> None:
    """Refuse what the chosen format does not take.

    Raises:
        UsageError: --csv-raw with another format.
    """
    if given.csv_raw and given.format != "csv":
        raise UsageError(f"--csv-raw goes with --format csv, not {given.format}")


def options(given: argparse.Namespace) -> Options:
    """Return the options of an analysis.

    Raises:
        UsageError: they contradict each other.
    """
    names = [*(field.name for field in fields(Options)), *(one.name for one in further_options())]
    return options_of({name: getattr(given, name) for name in names if name != "further"})

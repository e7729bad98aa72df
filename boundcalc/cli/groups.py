"""The options that several commands share, grouped by subject, and the `Options` that are made from them."""

from __future__ import annotations

import argparse
from dataclasses import fields
from functools import partial

from boundcalc.cli.words import margin, normalization, option, parts, shape
from boundcalc.data.normalizations import NAMED
from boundcalc.errors import UsageError
from boundcalc.options import DEVICES, MASK_ORIGINS, Options, further_options, options_of
from boundcalc.parts import registry
from boundcalc.report.views import FORMATS

PARQUET = "parquet"
"""The format of a store that is no text."""
EXPLAIN_FORMATS = ("text", "markdown", "latex")


def analysis_options(parser: argparse.ArgumentParser) -> None:
    """Add all options of an analysis, in groups."""
    _network_options(parser.add_argument_group("the network"))
    _sample_options(parser.add_argument_group("the data"))
    _run_options(parser.add_argument_group("what to compute"))
    for part in registry.values():
        if part.options:
            group = parser.add_argument_group(f"{part.title} only")
            for option in part.options:
                option.add(group)


def _network_options(group: argparse._ArgumentGroup) -> None:
    add = partial(option, group)
    add(
        "--model FILE.py:CALLABLE",
        "your code that makes the torch module of the weights (or package.module:CALLABLE); it is run",
    )
    add("--input-shape 1,28,28", "shape of one sample", type=shape)
    add("--reference CHECKPOINT", "the initialization, from which distances are measured")
    add("--mask FILE", "file of the masks, if they are not in the checkpoint")
    add(
        "--mask-from-scores DENSITY",
        "for edge-popup: keep this share of each layer, the weights with the largest scores",
        type=float,
    )
    add(
        "--mask-origin",
        "whether the mask depends on the training sample; bounds pay for one that does (data)",
        choices=MASK_ORIGINS,
        default="data",
    )
    add("--prefix NAME", "how the keys of the network begin, in a file that holds several networks")


def _sample_options(group: argparse._ArgumentGroup) -> None:
    add = partial(option, group)
    add(
        "--data DATA",
        "mnist:DIR, cifar10:DIR, folder:DIR (images by class), parquet:FILE, npz:FILE, digits, sample, "
        "package.module:CALLABLE or FILE.py:CALLABLE",
    )
    data_options(group)
    add(
        "--normalize-fixed",
        "the numbers of --normalize were fixed before the sample, so bounds do not pay for them",
    )
    add("--samples M", "sample size, for bounds without data (with --input-bound)", type=int)
    add("--input-bound B", "|x| <= B in every coordinate, for bounds without data", type=float)


def data_options(group: argparse._ActionsContainer) -> None:
    """Add the options that describe the data, besides their source."""
    option(
        group,
        "--normalize MEAN,STD",
        "normalization of inputs in [0, 1], as in training: two numbers, or one of each for every channel "
        f"(MEAN/MEAN/MEAN,STD/STD/STD), or the name {', '.join(NAMED)}",
        type=normalization,
    )
    option(
        group,
        "--holdout P",
        "share of the samples to test on, where the data has no test split; drawn by --seed, and not to be trained on",
        type=float,
    )


def _run_options(group: argparse._ArgumentGroup) -> None:
    add = partial(option, group)
    add("--only PART,...", f"compute these parts alone: {', '.join(registry)}", type=parts)
    add("--delta", "failure probability of each bound (0.05)", type=float, default=0.05)
    add(
        "--margin auto|NUMBER",
        "margin fixed before the sample, or found by search (auto)",
        type=margin,
        default=None,
    )
    add(
        "--passes N",
        "search epochs of the compression (occam; default: up to 20; more give smaller certificates)",
        type=int,
    )
    add(
        "--quick",
        "compress by k-means alone, without a search (as --passes 0)",
        dest="passes",
        action="store_const",
        const=0,
    )
    add(
        "--certificate FILE,...",
        "certificate of this network, or of another one with --unlabelled (default: the one beside the checkpoint)",
    )
    add(
        "--unlabelled DATA",
        "examples that no network saw; they carry the certificate of another network over to this one",
    )
    add("--device", "device that the network is run on (auto)", choices=DEVICES, default="auto")
    add("--seed", "seed of all random numbers (0)", type=int, default=0)
    add(
        "--max-memory GB",
        "memory for one file (default: 4 times its size, at least 2 GB), and for the graphon NTK (2)",
        type=float,
    )


def output_options(group: argparse._ActionsContainer, formats: tuple[str, ...] = FORMATS) -> None:
    """Add the options for the format and the destination of the report."""
    add = partial(option, group)
    first = formats[0]
    add("--format", f"format of the output ({first})", choices=formats, default=first)
    if "csv" in formats:
        add(
            "--csv-raw",
            "csv without the apostrophe that keeps a spreadsheet from running text that begins with = + - @",
        )
    add("-o --output FILE", "write to this file instead of standard output")
    add("--quiet", "no progress and no notes on standard error")


def picture_options(group: argparse._ArgumentGroup) -> None:
    """Add the options for the files written beside the report."""
    add = partial(option, group)
    add("--figure FILE.png|pdf|svg", "draw the graphons of all layers into this file")
    add(
        "--save-plain FILE",
        "write a state dict of the weights, zero where pruned, and the masks (.pt, .pth or .safetensors)",
    )
    add("--save-quantised FILE", "write the network that occam certifies (.pt, .pth or .safetensors)")
    add(
        "--save-certificate FILE.json",
        "write the certificate of the network that pacbayes draws, for boundcalc verify (with --passes N)",
    )


def check_format(given: argparse.Namespace) -> None:
    """Refuse options that the chosen format does not support.

    Raises:
        UsageError: --csv-raw is given with another format than csv.
    """
    if given.csv_raw and given.format != "csv":
        raise UsageError(f"--csv-raw goes with --format csv, not {given.format}")


def options(given: argparse.Namespace) -> Options:
    """Return the options of an analysis.

    Raises:
        UsageError: Options contradict each other.
    """
    names = [*(field.name for field in fields(Options)), *(one.name for one in further_options())]
    return options_of({name: getattr(given, name) for name in names if name != "further"})

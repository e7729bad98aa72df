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
"""The binary format of a store's export."""
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
        "your function that returns the torch module to which the weights belong (or "
        "package.module:CALLABLE); your code is run",
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
        "whether the mask depends on the training sample; bounds pay for a mask that does (data)",
        choices=MASK_ORIGINS,
        default="data",
    )
    add("--prefix NAME", "prefix of the keys of the network to read, in a file that holds several networks")


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
        "share of the samples to hold out as test data if the data has no test split; drawn with "
        "--seed; the network must not have been trained on them",
        type=float,
    )


def _run_options(group: argparse._ArgumentGroup) -> None:
    add = partial(option, group)
    add("--only PART,...", f"compute only these parts: {', '.join(registry)}", type=parts)
    add("--delta", "failure probability of each bound (0.05)", type=float, default=0.05)
    add(
        "--margin auto|NUMBER",
        "a margin that was fixed before the sample, or auto: the margin is found by search (auto)",
        type=margin,
        default=None,
    )
    add(
        "--passes N",
        "epochs of the search for a compression (occam; default: up to 20; more epochs give smaller "
        "certificates)",
        type=int,
    )
    add(
        "--quick",
        "compress with k-means alone, without a search (same as --passes 0)",
        dest="passes",
        action="store_const",
        const=0,
    )
    add(
        "--certificate FILE,...",
        "certificate of this network, or with --unlabelled of another network (default: the "
        "certificate beside the checkpoint)",
    )
    add(
        "--unlabelled DATA",
        "unlabelled examples that neither network was trained or selected on; they transfer the "
        "certificate of another network to this one",
    )
    add("--device", "device on which the network is run (auto)", choices=DEVICES, default="auto")
    add("--seed", "seed of all random numbers (0)", type=int, default=0)
    add(
        "--max-memory GB",
        "limit on the memory for one file (default: 4 times its size, at least 2 GB) and for the "
        "graphon NTK (default: 2)",
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
            "write csv without the apostrophe that stops spreadsheets from running text that begins "
            "with = + - @ as a formula",
        )
    add("-o --output FILE", "write to this file instead of standard output")
    add("--quiet", "show no progress and no notes on standard error")


def picture_options(group: argparse._ArgumentGroup) -> None:
    """Add the options for the files written beside the report."""
    add = partial(option, group)
    add("--figure FILE.png|pdf|svg", "write a figure of the graphons of all layers to this file")
    add(
        "--save-plain FILE",
        "write a state dict of the weights, with zeros where pruned, and of the masks (.pt, .pth or "
        ".safetensors)",
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

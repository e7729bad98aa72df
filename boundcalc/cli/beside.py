"""The files that the main command writes beside the report: a figure, the certified network, a certificate, a plain state dict."""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.cli import output
from boundcalc.errors import BoundcalcError, UsageError
from boundcalc.options import Options

if TYPE_CHECKING:
    import torch

    from boundcalc.analysis_result import AnalysisResult
    from boundcalc.report.tree import Report

FIGURES = ("png", "pdf", "svg")
STATE_DICTS = ("pt", "pth", "safetensors")


def check(given: argparse.Namespace, options: Options) -> None:
    """Refuse a file that cannot be written, before anything is computed for it.

    Args:
        given: the command line.
        options: the options of the analysis.

    Raises:
        UsageError: a file has an unknown ending, needs a part or data that was not requested, cannot be written, or is one of the
            files that are read.
    """
    if given.figure is not None:
        _check_ending("--figure", given.figure, FIGURES)
        if not options.wants("graphon"):
            raise UsageError("--figure draws the part graphon: add graphon to --only")
        output.check(given.figure)
    searched = options.data is not None and options.wants("bounds")
    if given.save_quantised is not None:
        _check_ending("--save-quantised", given.save_quantised, STATE_DICTS)
        output.check(given.save_quantised)
        if not searched:
            raise UsageError(
                "--save-quantised needs the bound occam: give --data, and add bounds to --only if you "
                "give --only"
            )
    if given.save_certificate is not None:
        if not (searched and options.passes):
            raise UsageError(
                "--save-certificate needs a search by pacbayes: give --data and --passes N, and add "
                "bounds to --only if you give --only"
            )
        output.check(given.save_certificate)
    if given.save_plain is not None:
        _check_ending("--save-plain", given.save_plain, STATE_DICTS)
        output.check(given.save_plain)
        for read in _read_files(given.checkpoint, options):
            if (
                os.path.exists(read)
                and os.path.exists(given.save_plain)
                and os.path.samefile(read, given.save_plain)
            ):
                raise UsageError(
                    f"--save-plain {given.save_plain}: this is {read}, which the analysis reads; name another file"
                )


def save(result: AnalysisResult, report: Report, given: argparse.Namespace) -> None:
    """Write the figure, the plain state dict and the certificate, if they were requested.

    Raises:
        BoundcalcError: there is nothing to write, or a file cannot be written; the message says why.
    """
    if given.figure is not None:
        _draw(report, given.figure)
    if given.save_plain is not None:
        _save_plain(result, given.save_plain)
    if given.save_certificate is not None:
        found = result.bounds["pacbayes"]
        certificate = getattr(found.outcome, "certificate", None)
        if certificate is None:
            raise BoundcalcError(f"--save-certificate {given.save_certificate}: pacbayes is {found.reason}")
        output.write_bytes(certificate.text().encode(), given.save_certificate)


def save_quantized(result: AnalysisResult, place: str) -> None:
    """Write the network to which the description-length certificate applies, as a state dict.

    Raises:
        BoundcalcError: there is no certified network; the message says why.
        UsageError: the file cannot be written.
    """
    occam = result.bounds["occam"]
    if occam.risk is None or occam.risk.coded is None:
        raise BoundcalcError(f"--save-quantised {place}: occam is {occam.reason}")
    from boundcalc.checkpoint.plain_state import in_order
    from boundcalc.network import bare
    from boundcalc.occam.state import state_dict

    stored = bare.with_layer_name(result.checkpoint).tensors
    found = state_dict(stored, result.network, occam.risk.coded.network)
    if not result.checkpoint.ordered:
        found = in_order(found, [layer.name for layer in result.network.layers()]) or found
    _write({bare.key_in_file(key, result.checkpoint): tensor for key, tensor in found.items()}, place)


def _draw(report: Report, place: str) -> None:
    from boundcalc.figures.files import render
    from boundcalc.figures.graphons import PICTURE
    from boundcalc.figures.picture import tickets_of

    drawn = PICTURE.of(tickets_of([report.to_dict()]))
    if drawn is None:
        raise UsageError(f"--figure {place}: nothing to draw: no layer has a graphon")
    output.write_bytes(render(drawn, _ending(place)), place)


def _save_plain(result: AnalysisResult, place: str) -> None:
    """Write weights, zero where pruned, and masks, in the order of the layers, which the network may know if the file does not."""
    from boundcalc.checkpoint.plain_state import in_order, plain_state
    from boundcalc.network.fit import select_prefix

    own = select_prefix(result.checkpoint, result.options.prefix).checkpoint
    state = plain_state(own)
    if own.ordered:
        _write(state, place)
        return
    found = in_order(state, [layer.name for layer in result.network.layers()])
    _write(found or state, place, ordered=found is not None)


def _read_files(checkpoint: str, options: Options) -> list[str]:
    from boundcalc.checkpoint.reader import files_of

    others = [str(path) for path in (options.mask, options.reference) if path is not None]
    inside = [str(path) for path in files_of(checkpoint)] if os.path.exists(checkpoint) else []
    return [checkpoint, *inside, *others]


def _write(state: Mapping[str, torch.Tensor], place: str, *, ordered: bool = True) -> None:
    """Write a state dict in the format of the file's ending; torch.save also keeps the keys' order, that of the layers if `ordered`.

    Raises:
        UsageError: the file cannot be written, or its format keeps the order of keys and the order of the layers is not known.
    """
    if _ending(place) == "safetensors":
        from boundcalc.checkpoint.safetensors_file import as_bytes

        output.write_bytes(as_bytes(state, ordered=ordered), place)
        return
    if not ordered:
        raise UsageError(
            f"{place}: this format stores the order of the layers, which is not known here: name a "
            "file that ends in .safetensors, or give --model"
        )
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    output.write_bytes(buffer.getvalue(), place)


def _check_ending(option: str, place: str, kinds: tuple[str, ...]) -> None:
    if _ending(place) not in kinds:
        endings = ", ".join(f".{kind}" for kind in kinds)
        raise UsageError(f"{option} {place}: name a file that ends in {endings}")


def _ending(place: str) -> str:
    return Path(place).suffix.lower().removeprefix(".")

"""State dicts that the command line writes: by torch.save or as safetensors, as the file's ending says."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.cli import output
from boundcalc.errors import UsageError

if TYPE_CHECKING:
    import torch

KINDS = ("pt", "pth", "safetensors")


def check(option: str, place: str) -> None:
    """Refuse a place that no state dict can be written to.

    Args:
        option: that named it, for the error.
        place: the file.

    Raises:
        UsageError: an unknown ending, or a place that cannot be written.
    """
    if _kind(place) not in KINDS:
        endings = ", ".join(f".{kind}" for kind in KINDS)
        raise UsageError(f"{option} {place}: name a file that ends in {endings}")
    output.check(place)


def write(state: Mapping[str, torch.Tensor], place: str, *, ordered: bool = True) -> None:
    """Write a state dict, whole or not at all.

    Args:
        state: plain tensors.
        place: the file.
        ordered: whether they are in the order of the layers, which is kept.

    Raises:
        UsageError: it cannot be written, or is of a kind whose order says something, and the order is not known.
    """
    if _kind(place) == "safetensors":
        from boundcalc.checkpoint.safetensors_file import as_bytes

        output.write_bytes(as_bytes(state, ordered=ordered), place)
        return
    if not ordered:
        raise UsageError(
            f"{place}: would say in which order the layers follow one another, which is not known: "
            "name a file that ends in .safetensors, or give --model"
        )
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    output.write_bytes(buffer.getvalue(), place)


def _kind(place: str) -> str:
    return Path(place).suffix.lower().removeprefix(".")

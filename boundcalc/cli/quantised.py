"""`--save-quantised FILE`: the network that the description-length certificate speaks of."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.cli import output
from boundcalc.errors import BoundcalcError, UsageError
from boundcalc.options import Options

if TYPE_CHECKING:
    from boundcalc.findings import Findings

KINDS = ("pt", "pth", "safetensors")


def check(place: str, options: Options) -> None:
    """Refuse what cannot be saved, before anything is computed for it.

    Args:
        place: the file; its ending says what kind.
        options: of the analysis.

    Raises:
        UsageError: an unknown ending, no data, no bounds asked for, or a place that cannot be written.
    """
    if _kind(place) not in KINDS:
        raise UsageError(
            f"--save-quantised {place}: name a file that ends in {', '.join(f'.{kind}' for kind in KINDS)}"
        )
    if options.data is None or not options.wants("bounds"):
        raise UsageError(
            "--save-quantised needs the bound occam: give --data, and bounds in --only if you use it"
        )
    output.check(place)


def save(findings: Findings, place: str) -> None:
    """Write the certified network as a state dict.

    Raises:
        BoundcalcError: there is no certified network; the message says why.
        UsageError: the file cannot be written.
    """
    result = findings.bounds["occam"]
    if result.judged is None or result.judged.coded is None:
        raise BoundcalcError(f"--save-quantised {place}: occam is {result.reason}")
    import torch

    from boundcalc.occam.state import state_dict

    state = state_dict(findings.checkpoint.tensors, findings.network, result.judged.coded.network)
    if _kind(place) == "safetensors":
        from safetensors.torch import save as as_bytes

        output.write_bytes(as_bytes(state), place)
        return
    buffer = io.BytesIO()
    torch.save(state, buffer)
    output.write_bytes(buffer.getvalue(), place)


def _kind(place: str) -> str:
    return Path(place).suffix.lower().removeprefix(".")

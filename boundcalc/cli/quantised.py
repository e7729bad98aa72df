"""`--save-quantised FILE`: the network that the description-length certificate speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boundcalc.cli import state_file
from boundcalc.errors import BoundcalcError, UsageError
from boundcalc.options import Options

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult


def check(place: str, options: Options) -> None:
    """Refuse what cannot be saved, before anything is computed for it.

    Args:
        place: the file; its ending says what kind.
        options: of the analysis.

    Raises:
        UsageError: an unknown ending, no data, no bounds asked for, or a place that cannot be written.
    """
    state_file.check("--save-quantised", place)
    if options.data is None or not options.wants("bounds"):
        raise UsageError(
            "--save-quantised needs the bound occam: give --data, and bounds in --only if you use it"
        )


def save(result: AnalysisResult, place: str) -> None:
    """Write the certified network as a state dict.

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

    stored = bare.with_layer(result.checkpoint).tensors
    found = state_dict(stored, result.network, occam.risk.coded.network)
    if not result.checkpoint.ordered:
        found = in_order(found, [layer.name for layer in result.network.layers()]) or found
    state_file.write({bare.in_file(key, result.checkpoint): tensor for key, tensor in found.items()}, place)

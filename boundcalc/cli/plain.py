"""`--save-plain FILE`: what was read, as a state dict of weights and masks that any tool reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from boundcalc.cli import state_file
from boundcalc.errors import UsageError
from boundcalc.options import Options

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult

OPTION = "--save-plain"


def check(place: str, checkpoint: str, options: Options) -> None:
    """Refuse a place that cannot be written or that holds what is read, before anything is read.

    Args:
        place: the file; its ending says what kind.
        checkpoint: the path that is read.
        options: of the analysis.

    Raises:
        UsageError: an unknown ending, a place that cannot be written, or one of the files that are read.
    """
    state_file.check(OPTION, place)
    for given in _read_files(checkpoint, options):
        if os.path.exists(given) and os.path.exists(place) and os.path.samefile(given, place):
            raise UsageError(f"{OPTION} {place}: that is {given}, which is read; name another file")


def save(result: AnalysisResult, place: str) -> None:
    """Write a checkpoint's weights, zero where they are pruned, and its masks beside them.

    Args:
        result: what was read, and the network that it is, which may put layers in order.
        place: the file.

    Raises:
        CheckpointError: no key begins with the prefix, or a mask's name is taken.
        UsageError: the file cannot be written.
    """
    from boundcalc.checkpoint.plain_state import in_order, plain_state
    from boundcalc.network.fit import under

    own = under(result.checkpoint, result.options.prefix).checkpoint
    state = plain_state(own)
    if own.ordered:
        state_file.write(state, place)
        return
    found = in_order(state, [layer.name for layer in result.network.layers()])
    state_file.write(found or state, place, ordered=found is not None)


def _read_files(checkpoint: str, options: Options) -> list[str]:
    from boundcalc.checkpoint.reader import files_of

    others = [str(path) for path in (options.mask, options.reference) if path is not None]
    inside = [str(path) for path in files_of(checkpoint)] if os.path.exists(checkpoint) else []
    return [checkpoint, *inside, *others]

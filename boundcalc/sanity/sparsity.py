"""Compare the density that a sparsity report or ticket.json beside the checkpoint states with what was read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc.errors import BoundcalcError
from boundcalc.files import is_file, is_folder, read_json
from boundcalc.tickets import paths

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult

LEVEL_0 = "level_0"
"""The level of a lottery before anything is pruned."""

MOST_BYTES = 2**20
"""Largest report that is read, in bytes."""


@dataclass(frozen=True)
class ReportedCounts:
    """Numbers of weights stated in a file.

    Attributes:
        file: the file.
        total: number of all weights.
        kept: number of weights that are not pruned.
    """

    file: Path
    total: int
    kept: int


def sparsity(result: AnalysisResult) -> list[str]:
    """Warn if a report agrees on the total number of weights but not on the number that are kept.

    A report counts either the masked weights or all weights; a report on any other total is about another network and
    is ignored. There is no threshold, because both numbers are counts.

    Args:
        result: result of one analysis.
    """
    network, masks = result.network, result.checkpoint.masks
    counted = {
        network.parameters: (network.surviving, "weights that are not zero"),
        sum(mask.numel() for mask in masks.values()): (
            sum(int((mask != 0).sum()) for mask in masks.values()),
            "weights that the masks keep",
        ),
    }
    for said in reported_counts(result):
        found, what = counted.get(said.total, (None, ""))
        if found is not None and found != said.kept:
            return [
                f"{said.file}: says that {said.kept} of {said.total} weights stay "
                f"({said.kept / said.total:.3g}), but {found} {what} were read "
                f"({found / said.total:.3g}): is this the mask of this checkpoint (--mask FILE)?"
            ]
    return []


def expected_dense(result: AnalysisResult) -> bool:
    """Return whether a report beside the checkpoint, or the name of its folder (level_0 of a lottery), says that
    nothing is pruned.
    """
    folder = folder_of(result)
    if folder is not None and LEVEL_0 in {folder.name, folder.absolute().parent.name}:
        return True
    return any(said.kept == said.total for said in reported_counts(result))


def reported_counts(result: AnalysisResult) -> list[ReportedCounts]:
    """Return the counts in reports beside the checkpoint; files that are missing, damaged or of another kind are ignored."""
    folder = folder_of(result)
    if folder is None:
        return []
    found = []
    for name, total, kept in ((paths.REPORT, "total", "unpruned"), (paths.TICKET, "parameters", "surviving")):
        tree = tree_at(folder / name)
        numbers = [count_or_none(tree.get(total)), count_or_none(tree.get(kept))]
        if numbers[0] and numbers[1] is not None:
            found.append(ReportedCounts(folder / name, numbers[0], numbers[1]))
    return found


def folder_of(result: AnalysisResult) -> Path | None:
    """Return the folder of the weights, in an open_lth folder that of its ticket; None if the checkpoint is not on disk."""
    from boundcalc.checkpoint.open_lth import ticket_at

    path = Path(result.checkpoint.path)
    if is_file(path):
        return path.parent
    if not is_folder(path):
        return None
    try:
        ticket = ticket_at(path)
    except BoundcalcError:
        return path
    return path if ticket is None else ticket.model.parent


def tree_at(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an empty one if the file is missing, damaged, too long or not an object."""
    try:
        tree = read_json(file, most=MOST_BYTES)
    except BoundcalcError:
        return {}
    return tree if isinstance(tree, dict) else {}


def count_or_none(value: object) -> int | None:
    """Return a number as an integer if it is whole and >= 0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value) if value == int(value) else None

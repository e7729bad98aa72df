"""What a sparsity report or ticket.json beside the checkpoint says of its density, against what was read."""

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
"""The longest report that is read."""


@dataclass(frozen=True)
class Said:
    """How many weights a file says there are.

    Attributes:
        file: the file.
        total: all of them.
        kept: those that stay.
    """

    file: Path
    total: int
    kept: int


def sparsity(result: AnalysisResult) -> list[str]:
    """Tell where a report speaks of the same number of weights and of another number that stay.

    It speaks of the masked weights or of all weights; a report on any other number is of another network and
    is not heard. No
    threshold: both are counts.

    Args:
        result: of one analysis.
    """
    network, masks = result.network, result.checkpoint.masks
    counted = {
        network.parameters: (network.surviving, "weights that are not zero"),
        sum(mask.numel() for mask in masks.values()): (
            sum(int((mask != 0).sum()) for mask in masks.values()),
            "weights that the masks keep",
        ),
    }
    for said in said_of(result):
        found, what = counted.get(said.total, (None, ""))
        if found is not None and found != said.kept:
            return [
                f"{said.file}: says that {said.kept} of {said.total} weights stay "
                f"({said.kept / said.total:.3g}), but {found} {what} were read"
                f" ({found / said.total:.3g}): is the mask the one of this checkpoint (--mask FILE)?"
            ]
    return []


def expected_dense(result: AnalysisResult) -> bool:
    """Return whether a report beside the checkpoint says that no weight is pruned, or its folder's name: level_0 of a lottery."""
    folder = folder_of(result)
    if folder is not None and LEVEL_0 in {folder.name, folder.absolute().parent.name}:
        return True
    return any(said.kept == said.total for said in said_of(result))


def said_of(result: AnalysisResult) -> list[Said]:
    """Return what reports beside the checkpoint say; files that are missing, damaged or of another kind say nothing."""
    folder = folder_of(result)
    if folder is None:
        return []
    found = []
    for name, total, kept in ((paths.REPORT, "total", "unpruned"), (paths.TICKET, "parameters", "surviving")):
        tree = tree_at(folder / name)
        numbers = [whole(tree.get(total)), whole(tree.get(kept))]
        if numbers[0] and numbers[1] is not None:
            found.append(Said(folder / name, numbers[0], numbers[1]))
    return found


def folder_of(result: AnalysisResult) -> Path | None:
    """Return the folder in which the weights lie: of open_lth's folders the ticket's own; None for what is not on disk."""
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
    """Return the object that a JSON file holds; an empty one where it is missing, damaged, too long or no object."""
    try:
        tree = read_json(file, most=MOST_BYTES)
    except BoundcalcError:
        return {}
    return tree if isinstance(tree, dict) else {}


def whole(value: object) -> int | None:
    """Return a number as a whole one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value) if value == int(value) else None

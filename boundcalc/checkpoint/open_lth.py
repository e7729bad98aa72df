"""Result folders of facebookresearch/open_lth: which model, which mask, which initialization.

``<root>/lottery_<md5>/replicate_<r>/level_<k>/main/`` (or another branch) with ``model_ep<E>_it<I>.pth``, ``mask.pth`` and
``sparsity_report.json``; ``level_pretrain/main`` and ``train_<md5>/replicate_<r>/main`` hold models without a mask.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from boundcalc.checkpoint.arrays import count_nonzero
from boundcalc.errors import CheckpointError
from boundcalc.files import check_inside, entries, is_file, is_folder, read_json

_MODEL = re.compile(r"model_ep(\d{1,9})_it(\d{1,9})\.pth")
_FOLDER = re.compile(r"(lottery|train|replicate|level|branch)_\w+")
_INITIAL = "model_ep0_it0.pth"
MASK = "mask.pth"
_REPORT = "sparsity_report.json"
PRETRAIN = "level_pretrain"
_DEEPEST = 5


@dataclass(frozen=True)
class OpenLthTicket:
    """The files of one trained ticket.

    Attributes:
        model: path of the state dict.
        mask: the mask beside it, if there is one.
        report: the sparsity report beside it, if there is one.
        reference: the initialization, unless the model itself is it.
        needs_mask: whether a model in such a place is useless without a mask.
    """

    model: Path
    mask: Path | None
    report: Path | None
    reference: Path | None
    needs_mask: bool

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the ticket, without the initialization."""
        return tuple(path for path in (self.model, self.mask, self.report) if path is not None)


def ticket_at(path: Path) -> OpenLthTicket | None:
    """Find the ticket that a path refers to.

    Args:
        path: a ticket's folder, a folder above it, or a model file in it.

    Returns:
        The ticket; None for a file in another place or a folder of another kind.

    Raises:
        CheckpointError: when the folder holds several tickets; the message names them.
    """
    if is_folder(path):
        tickets = _tickets(path, _DEEPEST)
        if len(tickets) > 1:
            names = ", ".join(str(ticket.relative_to(path)) for ticket in tickets[:12])
            more = f" and {len(tickets) - 12} more" if len(tickets) > 12 else ""
            raise CheckpointError(
                path, f"holds {len(tickets)} open_lth tickets; give the path of one: {names}{more}"
            )
        return _ticket(check_inside(_newest(tickets[0]), path), path) if tickets else None
    if _MODEL.fullmatch(path.name) and (is_file(path.parent / MASK) or _is_level(path.absolute().parent)):
        return _ticket(path, path.parent)
    return None


def check_report(ticket: OpenLthTicket, masks: Mapping[str, torch.Tensor]) -> str | None:
    """Compare the sparsity report with the masks.

    Args:
        ticket: the ticket, with its report.
        masks: the ticket's masks.

    Returns:
        A sentence for the evidence, or None without a report.

    Raises:
        CheckpointError: when the report is malformed or contradicts the masks; the message names it.
    """
    if ticket.report is None or not masks:
        return None
    report = read_json(ticket.report)
    try:
        said = (float(report["total"]), float(report["unpruned"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        raise CheckpointError(ticket.report, "not a sparsity report with total and unpruned") from None
    counted = (
        sum(mask.numel() for mask in masks.values()),
        sum(count_nonzero(mask) for mask in masks.values()),
    )
    if said != counted:
        raise CheckpointError(
            ticket.report,
            f"reports {said[1]:.0f} of {said[0]:.0f} weights as kept, but mask.pth keeps {counted[1]} "
            f"of {counted[0]}: give the mask of this level with --mask",
        )
    return f"{_REPORT} agrees: {counted[1]} of {counted[0]} weights unpruned"


def _tickets(folder: Path, depth: int) -> list[Path]:
    folders = sorted((entry for entry in entries(folder) if is_folder(entry)), key=natural)
    if holds_models(folder):
        return [folder]
    if depth == 0:
        return []
    main = [entry for entry in folders if entry.name == "main"]
    inner = main or [entry for entry in folders if _FOLDER.fullmatch(entry.name) or _is_level(folder)]
    found = [ticket for entry in inner for ticket in _tickets(entry, depth - 1)]
    trained = [ticket for ticket in found if PRETRAIN not in ticket.relative_to(folder).parts]
    return trained or found


def _is_level(folder: Path) -> bool:
    return any(part.name.startswith(("level_", "replicate_")) for part in (folder, folder.parent))


def holds_models(folder: Path) -> bool:
    """Return whether a folder directly contains files ``model_ep<E>_it<I>.pth``."""
    return has_models(entries(folder))


def has_models(files: Iterable[Path]) -> bool:
    """Return whether any of the files is named ``model_ep<E>_it<I>.pth``."""
    return any(_MODEL.fullmatch(file.name) for file in files)


def natural(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that orders numbers in names by their value."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _step(model: Path) -> tuple[int, int]:
    match = _MODEL.fullmatch(model.name)
    return (int(match[1]), int(match[2])) if match else (-1, -1)


def _newest(folder: Path) -> Path:
    return max((entry for entry in entries(folder) if _MODEL.fullmatch(entry.name)), key=_step)


def _ticket(model: Path, given: Path) -> OpenLthTicket:
    folder = model.parent
    level = folder.absolute().parent
    run = level.parent if level.name.startswith("level_") else folder
    home = given if run.is_relative_to(given.absolute()) else run
    reference = _reference(model)
    return OpenLthTicket(
        model=model,
        mask=_existing(folder / MASK, given),
        report=_existing(folder / _REPORT, given),
        reference=None if reference is None else check_inside(reference, home),
        needs_mask=level.name.startswith("level_") and level.name != PRETRAIN,
    )


def _existing(path: Path, home: Path) -> Path | None:
    """Return a file beside the model if its name exists, even as a pipe or broken link: it is either read or makes the
    ticket be refused.
    """
    return check_inside(path, home) if os.path.lexists(path) else None


def _reference(model: Path) -> Path | None:
    folder = model.parent
    level = folder.absolute().parent
    homes = [folder]
    if level.name.startswith("level_"):
        homes = [level.parent / PRETRAIN / "main", level.parent / "level_0" / "main", folder]
    found = next((home / _INITIAL for home in homes if is_file(home / _INITIAL)), None)
    same = found is not None and os.path.realpath(found) == os.path.realpath(model)
    return None if same else found

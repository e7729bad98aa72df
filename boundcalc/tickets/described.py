"""The architecture that the ticket.json beside a checkpoint names; shapes alone do not always determine it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc.errors import CheckpointError, DataError, UsageError
from boundcalc.files import read_json
from boundcalc.tickets import paths

if TYPE_CHECKING:
    import torch

_CLASSES = 10


def described(checkpoint: str, shape: tuple[int, ...]) -> torch.nn.Module | None:
    """Return the network of a ticket that boundcalc train wrote, as its ticket.json names it.

    Args:
        checkpoint: path of a file, of a ticket's folder, or of its level's folder.
        shape: shape of one sample, an image with its channels.

    Returns:
        The network, or None if there is no usable ticket.json that names one of boundcalc's own networks.
    """
    place = Path(checkpoint)
    for folder in (place, place / "main") if place.is_dir() else (place.parent,):
        if (folder / paths.TICKET).is_file():
            return _rebuilt(folder / paths.TICKET, shape)
    return None


def _rebuilt(file: Path, shape: tuple[int, ...]) -> torch.nn.Module | None:
    try:
        ticket: Any = read_json(file)
    except CheckpointError:
        return None
    if not isinstance(ticket, dict):
        return None
    arch, stage = ticket.get("arch"), ticket.get("first_stage")
    if not isinstance(arch, str):
        return None
    import torch

    from boundcalc.tickets.networks import by_name

    try:
        with torch.random.fork_rng(devices=[]):
            return by_name(arch, shape, int(ticket.get("classes") or _CLASSES), stage)
    except (DataError, UsageError, ValueError, TypeError):
        return None

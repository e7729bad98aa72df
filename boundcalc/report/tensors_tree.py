"""What became of every tensor of a file: as the reader saw it, and as the network that was made of it takes it."""

from __future__ import annotations

from boundcalc.checkpoint.types import Checkpoint, Entry
from boundcalc.network import apart
from boundcalc.network.network import Network
from boundcalc.network.weights import plain_key
from boundcalc.report.types import TensorEntry

_ROLES = {
    "bias": ("bias", "as stored"),
    "normalisation": ("buffer", "scale or shift of a normalisation"),
    "buffer": ("buffer", "no parameter of the model"),
}
"""Roles of tensors that the reader, which knows names and shapes only, takes for weights."""


def tree(checkpoint: Checkpoint, network: Network) -> list[TensorEntry]:
    """Return the report's ``checkpoint.tensors``: key, role and reason of every tensor of the file once.

    Args:
        checkpoint: what was read.
        network: what was made of it.
    """
    aside, roles = dict(network.set_aside), dict(network.roles)
    return [_entry(entry, aside, roles) for entry in checkpoint.entries]


def _entry(entry: Entry, aside: dict[str, str], roles: dict[str, str]) -> TensorEntry:
    role, why = entry.role, entry.why
    name = entry.tensor if entry.tensor in aside else plain_key(entry.tensor)
    if role in {"weight", "bias"} and name in aside:
        role, why = apart.role_of(aside[name]), aside[name]
    elif role == "weight" and roles.get(name) in _ROLES:
        role, why = _ROLES[roles[name]]
    return {"key": entry.key, "role": role, "why": why}

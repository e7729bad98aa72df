"""One file a convention: what it is known by, and how weights and masks come out of it."""

from __future__ import annotations

from boundcalc.checkpoint.conventions import (
    parametrizations,
    plain,
    prune,
    spectral_norm,
    weight_norm,
)
from boundcalc.checkpoint.conventions.state import State

_IN_ORDER = (prune, parametrizations, weight_norm, spectral_norm, plain)


def decode(state: State) -> State:
    """Undo every convention that a state dict shows.

    Args:
        state: with wrappers and the attribute of a LightningModule cut off.

    Returns:
        Plain weights and declared masks, with the evidence.
    """
    for convention in _IN_ORDER:
        state = convention.decode(state)
    return state

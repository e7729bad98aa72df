"""The storage conventions, one file each: how a convention is recognized, and how weights and masks are obtained from it.

A convention about keys is one `Convention`, either in a file of this folder or under the entry-point group
``boundcalc.conventions``. The other files handle what surrounds a state dict: a nested file, a wrapper, a tool's dict.
"""

from __future__ import annotations

from boundcalc.checkpoint.conventions.state import Convention, StateDict
from boundcalc.registry import Registry

registry: Registry[Convention] = Registry(
    Convention, __name__, "boundcalc.conventions", lambda one: (one.rank, one.name)
)


def decode(state: StateDict) -> StateDict:
    """Undo every convention that a state dict uses.

    Args:
        state: the state dict, without wrapper prefixes and without a LightningModule's attribute.

    Returns:
        Plain weights and declared masks, with the evidence.
    """
    for convention in registry.values():
        state = convention.decode(state)
    return state

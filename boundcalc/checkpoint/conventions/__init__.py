"""One file a convention: what it is known by, and how weights and masks come out of it.

A convention of keys is one `Convention` in a file of this folder, or under the entry-point group ``boundcalc.conventions``. The other
files are of what a state dict lies in: a nested file, a wrapper, a tool's dict.
"""

from __future__ import annotations

from boundcalc.checkpoint.conventions.state import Convention, StateDict
from boundcalc.registry import Registry

registry: Registry[Convention] = Registry(
    Convention, __name__, "boundcalc.conventions", lambda one: (one.rank, one.name)
)


def decode(state: StateDict) -> StateDict:
    """Undo every convention that a state dict shows.

    Args:
        state: with wrappers and the attribute of a LightningModule cut off.

    Returns:
        Plain weights and declared masks, with the evidence.
    """
    for convention in registry.values():
        state = convention.decode(state)
    return state

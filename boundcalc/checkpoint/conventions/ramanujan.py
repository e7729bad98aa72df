"""ramanujan-on-pai: {epoch, state_dict}, with masks as keys of the state dict that contain "mask".

Its weights are stored as live pruning or Synaptic-Flow stores them, and the code for those conventions decodes them. A file
``<n>_mask.pth.tar`` holds a whole state dict, of which --mask uses only the masks.
"""

from __future__ import annotations

from typing import Any

from boundcalc.checkpoint.conventions.state import StateDict

NAME = "ramanujan-on-pai"
LIGHTNING = "pytorch-lightning_version"


def recognize(saved: dict[str, Any], taken: str, state: StateDict) -> StateDict:
    """Return the state, with evidence if the file `saved`, whose state dict is under the key `taken`, follows this convention."""
    masks = any("mask" in str(key) for key in saved[taken])
    if taken == "state_dict" and "epoch" in saved and masks and LIGHTNING not in saved:
        return state.with_note(
            "keys epoch and state_dict, masks among its tensors, as ramanujan-on-pai saves", NAME
        )
    return state

"""Synaptic-Flow: each layer has ``weight`` and ``weight_mask`` (and ``bias_mask``); the weight is not zeroed.

The weight is weight * weight_mask. ``L.mask`` beside ``L.weight`` is read in the same way. The file
``model.pt`` of a multi-shot run is the network at initialisation.
"""

from __future__ import annotations

from boundcalc.checkpoint.conventions.state import Part, State, listing
from boundcalc.checkpoint.masking import masked
from boundcalc.errors import CheckpointError

NAME = "synaptic-flow"


def decode(state: State) -> State:
    """Multiply tensors by the masks beside them.

    Refused as a `CheckpointError` when a mask is none, belongs to no tensor, or prunes an infinity or a NaN.

    Args:
        state: without reparametrisations.

    Returns:
        The state with masked tensors, and the masks.
    """
    owners = {key: owner for key in state.tensors if (owner := _owner(state, key)) is not None}
    if not owners:
        return state
    parts = {owner: _part(state, owner, key) for key, owner in owners.items()}
    first = next(iter(owners))
    return state.with_parts(parts).noting(
        f"{first} beside {owners[first]}: masks apart from {listing(owners.values())}", NAME
    )


def _owner(state: State, key: str) -> str | None:
    if key.endswith("_mask") and key[:-5] in state.tensors:
        return key[:-5]
    if key.endswith((".weight_mask", ".bias_mask")) or key in {"weight_mask", "bias_mask"}:
        raise CheckpointError(
            state.path, f"{key} is a mask without a tensor: neither {key[:-5]} nor {key[:-5]}_orig is there"
        )
    if key.endswith(".mask") and f"{key[:-4]}weight" in state.tensors:
        return f"{key[:-4]}weight"
    return None


def _part(state: State, name: str, mask_key: str) -> Part:
    tensor, keep = masked(state.path, name, state.tensors[name], state.tensors[mask_key])
    earlier = state.masks.get(name)
    return Part(tensor, (name, mask_key), keep if earlier is None else keep & earlier)

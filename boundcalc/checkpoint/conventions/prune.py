"""torch.nn.utils.prune before ``prune.remove``: ``L.weight_orig`` and ``L.weight_mask`` instead of ``L.weight``.

The weight is orig * mask. A structured mask is stored in full shape. ``_orig`` without ``_mask`` is not pruning (the old
spectral_norm writes it).
"""

from __future__ import annotations

from boundcalc.checkpoint.conventions.state import Convention, DecodedTensor, StateDict, listing
from boundcalc.checkpoint.masking import masked
from boundcalc.errors import CheckpointError

NAME = "prune-live"


def decode(state: StateDict) -> StateDict:
    """Multiply original weights by their masks.

    Raises a `CheckpointError` when a mask has values other than 0 and 1, or prunes an infinity or a NaN.

    Args:
        state: the state dict, without wrapper prefixes.

    Returns:
        The state with plain names, and the masks.
    """
    keys = state.tensors
    pruned = [
        key.removesuffix("_orig") for key in keys if key.endswith("_orig") and f"{key[:-5]}_mask" in keys
    ]
    if not pruned:
        return state
    parts = {name: _part(state, name) for name in pruned}
    return state.with_parts(parts).with_note(
        f"{pruned[0]}_orig with {pruned[0]}_mask: live pruning of {listing(pruned)}", NAME
    )


def _part(state: StateDict, name: str) -> DecodedTensor:
    of = (f"{name}_orig", f"{name}_mask")
    if f"{name}_u" in state.tensors:
        raise CheckpointError(
            state.path,
            f"{name} has _orig, _mask and _u: it was pruned and spectrally normalized, in an order "
            "that the file does not record",
        )
    tensor, keep = masked(state, of[0], *(state.tensors[key] for key in of))
    return DecodedTensor(tensor, of, keep)


CONVENTION = Convention(NAME, 10, decode)

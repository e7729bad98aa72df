"""A plain state dict, permanently pruned or dense: the mask is where weights are not exactly zero.

This convention runs last: a name that only a reparametrization writes and that is still present was not understood.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import replace

import torch

from boundcalc.checkpoint.arrays import count_nonzero
from boundcalc.checkpoint.conventions.state import Convention, StateDict, listing
from boundcalc.errors import CheckpointError

NAME = "dense-zeros"
_LEFT_OVER = re.compile(r"(?:.*\.)?(?:weight|bias)(?:_orig|_mask|_g|_v|_u)+")


def decode(state: StateDict) -> StateDict:
    """Set counters aside and check that no part of a reparametrization is left over.

    Args:
        state: the state dict, with all other conventions undone.

    Returns:
        The state, reduced to weights, biases and the like.

    Raises:
        CheckpointError: when a key belongs to a reparametrization whose other half is missing; the message names it.
    """
    left_over = [
        key for key in state.tensors if _LEFT_OVER.fullmatch(key) and not _of_attention(key, state.tensors)
    ]
    if left_over:
        raise CheckpointError(
            state.path, f"{listing(left_over)}: part of a reparametrization whose other tensors are missing"
        )
    counters = [key for key, tensor in state.tensors.items() if _is_counter(key, tensor)]
    kept = {key: tensor for key, tensor in state.tensors.items() if key not in counters}
    return replace(state, tensors=kept, ignored=(*state.ignored, *counters), formats=(*state.formats, NAME))


def _of_attention(key: str, tensors: Container[str]) -> bool:
    """Return whether a key is the ``bias_v`` of a torch.nn.MultiheadAttention, which comes with ``bias_k``, and not a part
    of weight_norm.
    """
    return key.endswith("bias_v") and f"{key[:-1]}k" in tensors


def note_inferred_masks(state: StateDict) -> StateDict:
    """Add evidence about the masks that are inferred from zeros.

    Args:
        state: the state dict, with all masks applied.

    Returns:
        The state, with a sentence on weights without a declared mask if there are any.
    """
    undeclared = {
        key: tensor for key, tensor in state.tensors.items() if tensor.dim() > 1 and key not in state.masks
    }
    zeros = {key: tensor.numel() - count_nonzero(tensor) for key, tensor in undeclared.items()}
    sparse = [key for key, count in zeros.items() if count]
    if sparse:
        half = any(undeclared[key].dtype is torch.float16 for key in sparse)
        doubt = "; float16, so some may be underflow" if half else ""
        return state.with_note(f"mask inferred from exact zeros of {listing(sparse)}{doubt}")
    if undeclared:
        return state.with_note(f"no mask and no exact zeros: {listing(undeclared)} dense")
    return state


def _is_counter(key: str, tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() and key.rpartition(".")[2] not in {"weight", "bias"}


CONVENTION = Convention(NAME, 50, decode)

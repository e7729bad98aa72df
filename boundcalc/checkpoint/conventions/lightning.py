"""PyTorch Lightning checkpoints: ``state_dict`` with the attribute's name before every key.

Evidence: a top-level entry ``pytorch-lightning_version`` or ``hyper_parameters``. ModelPruning writes mask * weight under
the plain name. Buffers of metrics (integers and single numbers) are stored among the weights and are set aside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from boundcalc.checkpoint.conventions.state import StateDict
from boundcalc.checkpoint.conventions.wrappers import cut, leaves_bare_names
from boundcalc.checkpoint.masks.words import mentions_masks

NAME = "lightning"
_MARKS = ("pytorch-lightning_version", "hyper_parameters")


def recognize(saved: dict[str, Any], taken: str, state: StateDict) -> StateDict:
    """Return the state, with evidence if the file `saved`, whose state dict is under the key `taken`, follows this convention."""
    marks = [mark for mark in _MARKS if mark in saved]
    if taken == "state_dict" and marks:
        return state.with_note(f"the key {marks[0]}, which Lightning writes", NAME)
    return state


def decode(state: StateDict) -> StateDict:
    """Set metrics aside and remove the prefix of the attribute that holds the network, if all weights share it.

    Args:
        state: the state dict, without wrapper prefixes.

    Returns:
        The state with the network's own names.
    """
    if NAME not in state.formats:
        return state
    metrics = [key for key, tensor in state.tensors.items() if _is_metric(key, tensor)]
    kept = {key: tensor for key, tensor in state.tensors.items() if key not in metrics}
    state = replace(state, tensors=kept, ignored=(*state.ignored, *metrics))
    while (prefix := _attribute(state)) is not None:
        state = cut(state, prefix).with_note(
            f"the prefix {prefix} is common to all keys: it is the attribute of the LightningModule "
            "that holds the network"
        )
    return state


def _is_metric(key: str, tensor: torch.Tensor) -> bool:
    is_mask = any(mentions_masks(part) for part in key.split("."))
    single = tensor.dim() == 0 and not key.endswith(("_g", ".original0", "num_batches_tracked"))
    return single or (not tensor.is_floating_point() and tensor.dim() == 1 and not is_mask)


def _attribute(state: StateDict) -> str | None:
    firsts = {key.partition(".")[0] for key in state.tensors}
    if len(firsts) != 1:
        return None
    prefix = f"{firsts.pop()}."
    inner = [key.partition(".")[2] for key in state.tensors]
    is_layer_list = all(name.partition(".")[0].isdecimal() for name in inner)
    if leaves_bare_names(state.tensors, prefix) or (prefix[:-1].isdecimal() and is_layer_list):
        return None
    return prefix

"""Which keys of a state dict name one tensor."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn.parameter import is_lazy

Groups = tuple[tuple[str, ...], ...]
"""Keys that name one tensor, two or more to a group."""


def same_memory(key: str, tensor: torch.Tensor) -> tuple[object, ...]:
    """Return what is equal for two names of one tensor and for no others.

    Args:
        key: of the tensor.
        tensor: of any type and layout.
    """
    if is_lazy(tensor) or tensor.layout is not torch.strided or not tensor.numel():
        return (key,)
    return tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()


def groups(state: Mapping[str, torch.Tensor]) -> Groups:
    """Return the keys of a state dict that name one tensor, as those of a module or of a file that keeps what is shared.

    Args:
        state: tensors by key.

    Example:
        >>> weight, bias = torch.ones(2, 2), torch.ones(2)
        >>> groups({"a.weight": weight, "b.weight": weight, "b.bias": bias})
        (('a.weight', 'b.weight'),)
    """
    found: dict[tuple[object, ...], list[str]] = {}
    for key, tensor in state.items():
        found.setdefault(same_memory(key, tensor), []).append(key)
    return tuple(tuple(keys) for keys in found.values() if len(keys) > 1)

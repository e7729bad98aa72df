"""Find the keys of a state dict that name the same tensor."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn.parameter import is_lazy

Groups = tuple[tuple[str, ...], ...]
"""Keys that name one tensor, two or more to a group."""


def same_memory(key: str, tensor: torch.Tensor) -> tuple[object, ...]:
    """Return an identifier that is equal for two names of the same tensor and differs otherwise.

    Args:
        key: key of the tensor.
        tensor: a tensor of any type and layout.
    """
    if is_lazy(tensor) or tensor.layout is not torch.strided or not tensor.numel():
        return (key,)
    return tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()


def groups(state: Mapping[str, torch.Tensor]) -> Groups:
    """Return the groups of keys that name the same tensor, in a module's state dict or that of a file that preserves
    sharing.

    Args:
        state: key -> tensor.

    Example:
        >>> weight, bias = torch.ones(2, 2), torch.ones(2)
        >>> groups({"a.weight": weight, "b.weight": weight, "b.bias": bias})
        (('a.weight', 'b.weight'),)
    """
    found: dict[tuple[object, ...], list[str]] = {}
    for key, tensor in state.items():
        found.setdefault(same_memory(key, tensor), []).append(key)
    return tuple(tuple(keys) for keys in found.values() if len(keys) > 1)

"""The checks that every checkpoint must pass: on the tensors as stored, and on the resulting network."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace

import torch

from boundcalc.checkpoint.arrays import all_finite
from boundcalc.checkpoint.conventions.state import StateDict
from boundcalc.errors import CheckpointError

_FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_COUNTS = {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}


def usable(state: StateDict) -> StateDict:
    """Check stored tensors before anything is computed with them.

    Raises a `CheckpointError` that names the tensor when one is quantized, complex, of a type without arithmetic, without
    data, or larger than its bytes in the file, or when it makes the total exceed the file's budget. A sparse tensor counts
    with its dense size, and a storage counts once for every tensor that uses it.

    Args:
        state: the state dict as stored in the file.

    Returns:
        The state with plain, dense tensors without gradients.
    """
    for key, tensor in (*state.tensors.items(), *state.unapplied_masks.items()):
        _check(state, key, tensor.detach())
    tensors = {key: _plain(state, key, tensor) for key, tensor in state.tensors.items()}
    apart = {key: _plain(state, key, tensor) for key, tensor in state.unapplied_masks.items()}
    return replace(state, tensors=tensors, unapplied_masks=apart)


def network(state: StateDict) -> None:
    """Check that the decoded tensors can be a network's weights.

    Args:
        state: the decoded and masked state.

    Raises:
        CheckpointError: when there are no weight matrices, or a tensor is an integer, infinite or NaN.
    """
    if not state.tensors:
        raise CheckpointError(state.path, "contains no weights")
    for key, tensor in state.tensors.items():
        if not tensor.is_floating_point():
            raise CheckpointError(
                state.path,
                f"{key} has dtype {_name(tensor)}: quantized or integer weights are not supported; "
                "save the weights in floating point",
            )
        if not all_finite(tensor):
            raise CheckpointError(state.path, f"{key} has infinite or NaN entries; save finite weights")
    if not any(tensor.dim() > 1 and tensor.numel() for tensor in state.tensors.values()):
        first = next(iter(state.tensors))
        raise CheckpointError(
            state.path,
            f"contains no weight matrices: all its tensors are one-dimensional or empty ({first}, ...)",
        )


def readable(tensor: torch.Tensor) -> bool:
    """Return whether the values of a tensor can be examined without conversion.

    Args:
        tensor: a tensor of any kind.
    """
    plain = (
        tensor.layout is torch.strided
        and not tensor.is_quantized
        and not tensor.is_meta
        and not tensor.is_nested
    )
    known = type(tensor) is torch.Tensor and tensor.dtype in _FLOATS | _COUNTS
    return plain and known and not _is_expanded(tensor) and _extent(tensor) <= sys.maxsize


def _check(state: StateDict, key: str, tensor: torch.Tensor) -> None:
    for wrong, problem in _WRONG:
        if wrong(tensor):
            raise CheckpointError(state.path, f"{key} is {problem}")
    shape, sparse = tuple(tensor.shape), tensor.layout is torch.sparse_coo
    if not sparse and tensor.layout is not torch.strided:
        raise CheckpointError(
            state.path, f"{key} is stored as {tensor.layout}; save it dense, with its .to_dense()"
        )
    if not sparse and _is_expanded(tensor):
        raise CheckpointError(
            state.path,
            f"{key} of shape {shape} is expanded from "
            f"{tensor.untyped_storage().nbytes()} bytes; save it after .contiguous()",
        )
    if tensor.dtype not in _FLOATS | _COUNTS:
        raise CheckpointError(
            state.path,
            f"{key} has dtype {_name(tensor)}, which is not supported; save the weights in a "
            "floating-point dtype",
        )
    what = f"{key}, a sparse tensor of shape {shape} made dense," if sparse else f"{key} of shape {shape}"
    state.take(math.prod(shape) * tensor.element_size(), what)


def _plain(state: StateDict, key: str, tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach()
    return _dense(state, key, tensor) if tensor.layout is torch.sparse_coo else tensor


def _dense(state: StateDict, key: str, tensor: torch.Tensor) -> torch.Tensor:
    indices, values = tensor._indices(), tensor._values()
    limits = torch.tensor(tensor.shape[: tensor.sparse_dim()]).unsqueeze(1)
    fits = (
        indices.dim() == 2
        and indices.shape[0] == tensor.sparse_dim()
        and values.shape[:1] == indices.shape[1:]
    )
    if not fits or not bool(((indices >= 0) & (indices < limits)).all()):
        raise CheckpointError(
            state.path, f"{key} is a sparse tensor with positions outside its shape {tuple(tensor.shape)}"
        )
    return tensor.to_dense()


def _is_expanded(tensor: torch.Tensor) -> bool:
    """Return whether a strided tensor has more entries than its storage can hold."""
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def _extent(tensor: torch.Tensor) -> int:
    """Return the bytes that a shape would take if its sizes of 0 were 1: NumPy can refuse the shape of an empty tensor."""
    return math.prod(max(1, size) for size in tensor.shape) * tensor.element_size()


def _name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


_WRONG: tuple[tuple[Callable[[torch.Tensor], bool], str], ...] = (
    (
        lambda tensor: type(tensor) is not torch.Tensor,
        (
            "an instance of a tensor subclass, not a plain tensor: convert it with its .full_tensor(), "
            ".to_dense() or .dequantize() before saving"
        ),
    ),
    (lambda tensor: tensor.is_nested, "a nested tensor, which is not supported: save plain tensors"),
    (
        lambda tensor: tensor.is_meta,
        "without data (it was saved from the meta device): save the real weights",
    ),
    (lambda tensor: tensor.is_quantized, "quantized: dequantize the network before saving it"),
    (lambda tensor: tensor.is_complex(), "complex: only real weights are supported"),
    (lambda tensor: _extent(tensor) > sys.maxsize, "of a shape too large for any array"),
)

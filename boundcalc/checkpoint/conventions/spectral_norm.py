"""The old torch.nn.utils.spectral_norm: ``L.weight_orig``, ``L.weight_u``, ``L.weight_v``. This is not pruning.

The weight is orig / sigma with sigma = u . (W v), as the module computes it in eval mode: no power iteration. The length of
u identifies the axis of the weight's rows (the second for transposed convolutions).
"""

from __future__ import annotations

import torch

from boundcalc.checkpoint.conventions.state import Convention, DecodedTensor, StateDict, listing
from boundcalc.errors import CheckpointError

NAME = "spectral-norm"
_SAME = 1e-3


def decode(state: StateDict) -> StateDict:
    """Divide original weights by their spectral norms.

    Raises a `CheckpointError` when u and v do not fit the weight, or sigma is zero.

    Args:
        state: the state dict, with pruning undone.

    Returns:
        The state with plain weights.
    """
    keys = state.tensors
    names = [
        key[:-5]
        for key in keys
        if key.endswith("_orig") and {f"{key[:-5]}_u", f"{key[:-5]}_v"} <= keys.keys()
    ]
    if not names:
        return state
    parts = {name: _part(state, name) for name in names}
    sentence = f"{names[0]}_orig with {names[0]}_u and no mask: spectral_norm of {listing(names)}"
    return state.with_parts(parts).with_note(sentence, NAME)


def normed(state: StateDict, name: str, weight: torch.Tensor, u_key: str, v_key: str) -> torch.Tensor:
    """Compute one weight as torch.nn.utils.spectral_norm does in eval mode.

    Args:
        state: the state dict that holds u and v.
        name: name of the weight, for errors.
        weight: the original weight.
        u_key: key of the left singular vector.
        v_key: key of the right singular vector.

    Returns:
        The weight divided by u . (W v).

    Raises:
        CheckpointError: when u and v do not fit the weight, or sigma is zero or not finite.
    """
    u, v = state.tensors[u_key], state.tensors[v_key]
    if not (u.dtype == v.dtype == weight.dtype and weight.is_floating_point()):
        raise CheckpointError(
            state.path, f"{u_key}, {v_key} and {name} have different dtypes, so they are no spectral norm"
        )
    matrices = [matrix for axis in range(weight.dim()) if _fits(matrix := _matrix(weight, axis), u, v)]
    if not matrices:
        raise CheckpointError(state.path, f"{u_key} and {v_key} fit no axis of {name} {tuple(weight.shape)}")
    matrix = matrices[0] if len(matrices) == 1 else _most_consistent(matrices, u, v)
    sigma = torch.dot(u, torch.mv(matrix, v))
    if not bool(torch.isfinite(sigma)) or float(sigma) == 0.0:
        raise CheckpointError(
            state.path, f"the spectral norm of {name} is {float(sigma)}; its weight cannot be computed"
        )
    return weight / sigma


def _part(state: StateDict, name: str) -> DecodedTensor:
    of = (f"{name}_orig", f"{name}_u", f"{name}_v")
    weight = normed(state, of[0], state.tensors[of[0]], of[1], of[2])
    return DecodedTensor(weight, of, state.masks.get(of[0]))


def _matrix(weight: torch.Tensor, axis: int) -> torch.Tensor:
    rows_first = weight.permute(axis, *(other for other in range(weight.dim()) if other != axis))
    return rows_first.reshape(weight.shape[axis], -1)


def _fits(matrix: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> bool:
    return u.shape == matrix.shape[:1] and v.shape == matrix.shape[1:]


def _most_consistent(matrices: list[torch.Tensor], u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    errors = [_inconsistency(matrix, u, v) for matrix in matrices]
    best = min(errors)
    return matrices[0] if errors[0] <= best + _SAME else matrices[errors.index(best)]


def _inconsistency(matrix: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> float:
    image, preimage = torch.mv(matrix, v), torch.mv(matrix.t(), u)
    return min(_angle(image, u), _angle(preimage, v))


def _angle(image: torch.Tensor, unit: torch.Tensor) -> float:
    return float(1 - torch.dot(image, unit) / (image.norm() * unit.norm()).clamp_min(1e-30))


CONVENTION = Convention(NAME, 40, decode)

"""Warn of a reference that is the checkpoint itself, stored with fewer digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult

ROUNDED = 2.0**-8
"""Largest relative distance, in the Frobenius norm, that rounding to bfloat16 makes: half a unit of its 8 bits."""


def reference(result: AnalysisResult) -> list[str]:
    """Warn if in every layer the surviving weights equal those of the reference up to rounding.

    Weights that are equal bit by bit are refused when the reference is read. Training moves weights by far
    more than rounding to 16 bits does; a reference this close depends on the sample just as the checkpoint does.

    Args:
        result: result of one analysis.
    """
    if result.reference is None:
        return []
    moved = []
    for layer in result.network.layers():
        key = f"{layer.name}.weight"
        own, start = result.checkpoint.tensors.get(key), result.reference.tensors.get(key)
        if own is None or start is None or own.shape != start.shape:
            return []
        weight = own.double()
        size = float(torch.linalg.vector_norm(weight))
        distance = float(torch.linalg.vector_norm(start.double() * (weight != 0) - weight))
        moved.append(distance / size if size else 0.0)
    if not moved or max(moved) > ROUNDED:
        return []
    return [
        f"{result.reference.path}: its weights are the checkpoint's to {max(moved):.1g}: a reference is the "
        "initialization, which did not see the sample; distances from anything else bound nothing"
    ]

"""Warnings about masks that do not fit their weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from boundcalc.network.ops import Affine
from boundcalc.sanity.sparsity import expected_dense

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult

LARGEST_ACCIDENTAL_SHARE = 0.001
"""Largest share of nonzero pruned weights that is explained by the last training step."""

LEAST_DELIBERATE_SHARE = 0.9
"""Smallest share of nonzero pruned weights that a file stores on purpose, as live pruning does."""

MANY_ZEROS = 0.1
"""Smallest share of exactly zero kept weights that is reported: training leaves hardly any weight at exactly 0."""


@dataclass(frozen=True, eq=False)
class _Masked:
    """A weight, already multiplied by its mask, and the mask."""

    key: str
    weight: torch.Tensor
    mask: torch.Tensor


def nothing_pruned(result: AnalysisResult) -> list[str]:
    """Warn if there are masks but none of them prunes a weight.

    Silent if a sparsity report, ticket.json or the name of the folder also says so (level 0 of a lottery).

    Args:
        result: result of one analysis.
    """
    masks = result.checkpoint.masks
    if not masks or not all(bool(mask.all()) for mask in masks.values()) or expected_dense(result):
        return []
    count = sum(mask.numel() for mask in masks.values())
    given = result.options.mask
    where = (
        result.checkpoint.path
        if given is None
        else f"--mask {given}"
        if isinstance(given, str | Path)
        else "mask="
    )
    return [
        (
            f"{where}: the masks keep all {count} weights, so they prune nothing: are they the masks of "
            "another level?"
        )
    ]


def nothing_left(result: AnalysisResult) -> list[str]:
    """Warn if layers without nonzero weights cut every path from the input to the output.

    Args:
        result: result of one analysis.
    """
    network = result.network
    reached = [True]
    for node in network.nodes[1:]:
        alive = not isinstance(node, Affine) or bool((node.weight != 0).any())
        reached.append(alive and any(reached[i] for i in node.inputs))
    if reached[-1]:
        return []
    empty = [layer for layer in network.layers() if not bool((layer.weight != 0).any())]
    what = (
        f"layer {empty[0].name} keeps no weight"
        if not empty[0].kept
        else f"all weights of layer {empty[0].name} are 0"
    )
    return [f"{what}: the network's output does not depend on its input"]


def alive_under_mask(result: AnalysisResult) -> list[str]:
    """Warn if some, but not most, of the weights under mask 0 are not zero in the file.

    If all of them are nonzero, pruning is live or a mask was put on a dense network; if none is, the file was written
    after pruning. If a few per cent or half of them are nonzero, the mask belongs to another set of weights. Fires
    between 0.1 % and 90 % of at least 100 pruned weights.

    Args:
        result: of one analysis.
    """
    masks, counted = result.checkpoint.masks, result.checkpoint.alive
    pruned = sum(int((masks[key] == 0).sum()) for key in counted if key in masks)
    alive = sum(counted.values())
    if pruned < 100 or not LARGEST_ACCIDENTAL_SHARE < alive / pruned < LEAST_DELIBERATE_SHARE:
        return []
    return [
        f"{result.checkpoint.path}: {alive} of the {pruned} weights under mask 0 are not zero in the file: is the "
        "mask that of these weights (same level, same run)?"
    ]


def zero_under_mask(result: AnalysisResult) -> list[str]:
    """Warn if many weights that the masks keep are exactly zero, not counting layers that are entirely zero.

    A layer may start at zero, but single weights are exactly zero only because something else pruned them. Fires if
    these are more than a tenth of at least 100 kept weights of the layers that are not entirely zero.

    Args:
        result: result of one analysis.
    """
    found = [item for item in _masked(result) if bool(item.weight[item.mask].any())]
    kept = sum(int(item.mask.sum()) for item in found)
    zero = sum(int((item.weight[item.mask] == 0).sum()) for item in found)
    if kept < 100 or zero <= MANY_ZEROS * kept:
        return []
    return [
        f"{result.checkpoint.path}: {zero} of the {kept} weights that the masks keep are exactly zero: a mask of an "
        "earlier level, or weights pruned once more? They count as pruned here"
    ]


def _masked(result: AnalysisResult) -> Iterator[_Masked]:
    checkpoint = result.checkpoint
    for key, mask in checkpoint.masks.items():
        weight = checkpoint.tensors.get(key)
        if weight is not None and weight.shape == mask.shape and not weight.is_sparse:
            yield _Masked(key, weight, mask.bool())

"""Decide whether a 1 means that a weight is kept or that it is pruned."""

from __future__ import annotations

import torch

from boundcalc.checkpoint.arrays import pieces
from boundcalc.checkpoint.masks.assign import Fits, Problem
from boundcalc.checkpoint.masks.families import MaskFamily
from boundcalc.checkpoint.masks.targets import Targets
from boundcalc.checkpoint.masks.words import Says, direction

Masks = dict[str, torch.Tensor]


def orient(family: MaskFamily, fits: Fits, targets: Targets) -> tuple[Masks, str]:
    """Turn the entries of a family into masks of what is kept.

    The weights decide if they can: pruned weights are 0, so if all weights under the ones are 0 and others are not, the
    ones mark what was pruned. If the weights do not decide, the name must be one that is used for masks of what is kept.

    Args:
        family: the entries.
        fits: name of the weight -> where its entry is 1.
        targets: the weights.

    Returns:
        Name of the weight -> bool mask of what is kept, and a remark for the evidence, which may be empty.

    Raises:
        Problem: when neither weights nor name decide, they contradict each other, or the masks would prune everything.
    """
    under_ones, under_zeros = _alive(fits, targets)
    positions = any(one.positions for one in fits.values())
    says = direction(family.words)
    if not any(bool(one.ones.any()) for one in fits.values()):
        if positions and says is Says.PRUNED:
            return _inverted(fits, targets), "no position is pruned"
        raise Problem(family.name, "would prune every weight", masklike=family.named)
    if all(bool(one.ones.all()) for one in fits.values()) and not positions and says is not Says.PRUNED:
        return _kept(fits), "all ones: it prunes nothing"
    if under_ones == 0 and under_zeros > 0:
        if says is Says.KEPT:
            raise Problem(
                family.name,
                "should mark kept weights by its name, but all weights that it marks are 0 and others "
                "are not",
            )
        return _inverted(fits, targets), "1 means pruned: all weights that it marks by 1 are 0"
    if under_zeros == 0 and under_ones > 0 and not (positions and says is Says.PRUNED):
        return _kept(fits), ""
    if positions and says in {Says.KEPT, Says.PRUNED}:
        return (
            (_kept(fits), "")
            if says is Says.KEPT
            else (_inverted(fits, targets), "positions of pruned weights")
        )
    if positions or not family.named or says in {None, Says.PRUNED}:
        raise Problem(family.name, "does not say whether 1 means kept or pruned")
    return _kept(fits), ""


def _alive(fits: Fits, targets: Targets) -> tuple[int, int]:
    """Count nonzero weights under the ones and under the zeros; a tensor that is all 0 adds to neither."""
    under_ones = under_zeros = 0
    for name, one in fits.items():
        for values, where in pieces(targets.tensors[name], one.ones):
            alive = values != 0
            under_ones += int((alive & where).sum())
            under_zeros += int((alive & ~where).sum())
    return under_ones, under_zeros


def _kept(fits: Fits) -> Masks:
    return {name: one.ones for name, one in fits.items()}


def _inverted(fits: Fits, targets: Targets) -> Masks:
    for name, one in fits.items():
        targets.take(one.ones.numel(), f"the mask of {name}")
    return {name: ~one.ones for name, one in fits.items()}

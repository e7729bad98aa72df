"""Pruners, one file each: a score for every weight, and the masks that keep the best; no torch until one is run.

Each score is that of its paper. What the papers' code does beside it, and is not done here: GraSP's draws the linear
layers anew before scoring, and sums gradients of two halves of the batch; Synaptic-Flow's gives no precedence to
what is already pruned.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from boundcalc.registry import Registry
from boundcalc.tickets.pruner import Pruner, PrunerInputs

if TYPE_CHECKING:
    from torch import nn

    from boundcalc.tickets.masks import Masks

registry: Registry[Pruner] = Registry(Pruner, __name__, "boundcalc.pruners", lambda one: (one.rank, one.name))

__all__ = ["Pruner", "PrunerInputs", "prune", "registry"]


def prune(module: nn.Module, pruner: str, density: float, scope: str, inputs: PrunerInputs) -> Masks:
    """Prune a network before training.

    In r rounds, round i keeps the share density^(i/r), with scores of what the round before has left.

    Args:
        module: at initialisation; left as it is.
        pruner: a name of the registry.
        density: share of the weights kept.
        scope: `"global"` or `"layerwise"`.
        inputs: what the pruner may look at.

    Returns:
        The masks; all of ones where density is 1.
    """
    from boundcalc.tickets.masks import apply, keep_best, ones

    own, masks = registry[pruner], ones(module)
    rounds = own.rounds if density < 1 else 0
    pruned = copy.deepcopy(module)
    for number in range(1, rounds + 1):
        masks = keep_best(own.score(pruned, inputs), masks, density ** (number / rounds), scope)
        apply(pruned, masks)
    return masks

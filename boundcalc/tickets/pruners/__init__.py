"""Pruners, one file each: a score for every weight, and the masks that keep the best; torch is imported only when one runs.

Each score is that of its paper. The following behavior of the papers' code is not reproduced: GraSP's code reinitializes
the linear layers before scoring, and sums gradients of two halves of the batch; Synaptic-Flow's code treats weights that
are already pruned like all others.
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

    Of r rounds, round i keeps the share density^(i/r) of the weights, scored in the network left by the previous round.

    Args:
        module: the network at initialization, which is not changed.
        pruner: name of a pruner in the registry.
        density: share of the weights that is kept.
        scope: `"global"` or `"layerwise"`.
        inputs: inputs that the pruner may use.

    Returns:
        The masks; they keep everything if density is 1.
    """
    from boundcalc.tickets.masks import apply, keep_best, ones

    own, masks = registry[pruner], ones(module)
    rounds = own.rounds if density < 1 else 0
    pruned = copy.deepcopy(module)
    for number in range(1, rounds + 1):
        masks = keep_best(own.score(pruned, inputs), masks, density ** (number / rounds), scope)
        apply(pruned, masks)
    return masks

"""Random pruning: scores are random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boundcalc.tickets.pruner import Pruner

if TYPE_CHECKING:
    from torch import nn

    from boundcalc.tickets.pruner import PrunerInputs, Scores


def score(module: nn.Module, inputs: PrunerInputs) -> Scores:
    """Score weights by independent uniform numbers.

    Args:
        module: the masked network.
        inputs: the inputs, of which the generator is used.
    """
    import torch

    from boundcalc.tickets.masks import weights

    return {
        key: torch.rand(weight.shape, generator=inputs.generator, dtype=torch.float64).to(weight.device)
        for key, weight in weights(module).items()
    }


PRUNER = Pruner("random", 1, score, blind=True)

"""SNIP (Lee et al. 2019): connection sensitivity."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from boundcalc.tickets.pruner import Pruner

if TYPE_CHECKING:
    from torch import nn

    from boundcalc.tickets.pruner import PrunerInputs, Scores


def score(module: nn.Module, inputs: PrunerInputs) -> Scores:
    """Score weights by connection sensitivity |w dL/dw|, without its normalization (Lee et al. 2019).

    Args:
        module: the masked network; BatchNorm uses the batch's statistics.
        inputs: the batch, and the loss L, which is a mean over it.
    """
    import torch

    from boundcalc.tickets.losses import LOSSES
    from boundcalc.tickets.masks import weights

    module = copy.deepcopy(module).train()
    parameters = weights(module)
    loss = LOSSES[inputs.loss](module(inputs.x), inputs.y)
    gradients = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True)
    return {
        key: (weight * gradient).detach().abs()
        for (key, weight), gradient in zip(parameters.items(), gradients, strict=True)
    }


PRUNER = Pruner("snip", 3, score)

"""GraSP (Wang et al. 2020): the effect of pruning on the gradient flow."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from boundcalc.tickets.pruner import Pruner

if TYPE_CHECKING:
    from torch import nn

    from boundcalc.tickets.pruner import PrunerInputs, Scores


TEMPERATURE = 200.0


def score(module: nn.Module, inputs: PrunerInputs) -> Scores:
    """Score weights by w (H g), with gradient g and Hessian H of the loss: minus the score of Wang et al. 2020.

    The paper's score is -w (H g), and the weights where it is highest are removed, so those with the highest w (H g) are
    kept. Cross-entropy is computed for logits / 200, as published; other losses have no temperature.

    Args:
        module: the masked network; BatchNorm uses the batch's statistics.
        inputs: the batch, and the loss, which is a mean over it.
    """
    import torch

    from boundcalc.tickets.losses import LOSSES
    from boundcalc.tickets.masks import weights

    module = copy.deepcopy(module).train()
    parameters = weights(module)
    values = list(parameters.values())
    temperature = TEMPERATURE if inputs.loss == "cross-entropy" else 1.0
    loss = LOSSES[inputs.loss](module(inputs.x) / temperature, inputs.y)
    gradients = torch.autograd.grad(loss, values, create_graph=True, materialize_grads=True)
    product = torch.stack([(gradient * gradient.detach()).sum() for gradient in gradients]).sum()
    products = torch.autograd.grad(product, values, materialize_grads=True)
    return {
        key: (weight * hg).detach() for (key, weight), hg in zip(parameters.items(), products, strict=True)
    }


PRUNER = Pruner("grasp", 4, score)

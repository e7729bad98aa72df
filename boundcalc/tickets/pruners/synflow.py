"""SynFlow (Tanaka et al. 2020): synaptic flow, computed in rounds."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from boundcalc.tickets.pruner import Pruner

if TYPE_CHECKING:
    from torch import nn

    from boundcalc.tickets.pruner import PrunerInputs, Scores


ROUNDS = 100


def score(module: nn.Module, inputs: PrunerInputs) -> Scores:
    """Score weights by synaptic flow |w| dR/d|w| (Tanaka et al. 2020).

    R is the sum of the outputs on an input of ones, in float64, with all parameters and buffers replaced by their absolute
    values and BatchNorm using its running statistics. No sample is used.

    Args:
        module: the masked network.
        inputs: the inputs, of which only the shape of the samples is used.
    """
    import torch

    from boundcalc.tickets.masks import weights

    module = copy.deepcopy(module).double().eval()
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.abs_()
    parameters = weights(module)
    ones_in = torch.ones(1, *inputs.x.shape[1:], dtype=torch.float64, device=inputs.x.device)
    flow = module(ones_in).sum()
    gradients = torch.autograd.grad(flow, list(parameters.values()), materialize_grads=True)
    return {
        key: (weight * gradient).detach()
        for (key, weight), gradient in zip(parameters.items(), gradients, strict=True)
    }


PRUNER = Pruner("synflow", 5, score, rounds=ROUNDS, blind=True)

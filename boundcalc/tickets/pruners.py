"""Pruners: an importance for every weight, and the masks that keep the most important ones.

Each score is that of its paper. What the papers' code does beside it, and is not done here: GraSP's draws the linear
layers anew before scoring, and sums gradients of two halves of the batch; Synaptic-Flow's gives no precedence to
what is already pruned.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from boundcalc.tickets.losses import LOSSES
from boundcalc.tickets.masks import Masks, apply, keep_best, ones, weights

Scores = dict[str, Tensor]
SYNFLOW_ROUNDS = 100
GRASP_TEMPERATURE = 200.0


@dataclass(frozen=True)
class Sight:
    """What a pruner may look at.

    Attributes:
        x: samples `(b, ...)` float, a few of every class.
        y: their labels `(b,)` int64.
        loss: name of the training loss.
        generator: of random numbers, on the CPU.
    """

    x: Tensor
    y: Tensor
    loss: str
    generator: torch.Generator


def random(module: nn.Module, sight: Sight) -> Scores:
    """Score weights by independent uniform numbers.

    Args:
        module: the masked network.
        sight: its generator is used.
    """
    return {
        key: torch.rand(weight.shape, generator=sight.generator, dtype=torch.float64).to(weight.device)
        for key, weight in weights(module).items()
    }


def magnitude(module: nn.Module, sight: Sight | None = None) -> Scores:
    """Score weights by |w| (Han et al. 2015; Frankle & Carbin 2019).

    Args:
        module: the masked network.
        sight: not looked at.
    """
    return {key: weight.detach().abs() for key, weight in weights(module).items()}


def snip(module: nn.Module, sight: Sight) -> Scores:
    """Score weights by connection sensitivity |w dL/dw|, without its normalisation (Lee et al. 2019).

    Args:
        module: the masked network; BatchNorm uses the batch's statistics.
        sight: the batch and the loss L, a mean over it.
    """
    module = copy.deepcopy(module).train()
    parameters = weights(module)
    loss = LOSSES[sight.loss](module(sight.x), sight.y)
    gradients = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True)
    return {
        key: (weight * gradient).detach().abs()
        for (key, weight), gradient in zip(parameters.items(), gradients, strict=True)
    }


def grasp(module: nn.Module, sight: Sight) -> Scores:
    """Score weights by w (H g), gradient g and Hessian H of the loss: minus the score of Wang et al. 2020.

    The paper's score is -w (H g), and the weights where it is highest are removed, so those with the highest w (H g)
    stay. Cross-entropy is that of logits / 200, as published; other losses have no temperature.

    Args:
        module: the masked network; BatchNorm uses the batch's statistics.
        sight: the batch and the loss, a mean over it.
    """
    module = copy.deepcopy(module).train()
    parameters = weights(module)
    values = list(parameters.values())
    temperature = GRASP_TEMPERATURE if sight.loss == "cross-entropy" else 1.0
    loss = LOSSES[sight.loss](module(sight.x) / temperature, sight.y)
    gradients = torch.autograd.grad(loss, values, create_graph=True, materialize_grads=True)
    product = torch.stack([(gradient * gradient.detach()).sum() for gradient in gradients]).sum()
    products = torch.autograd.grad(product, values, materialize_grads=True)
    return {
        key: (weight * hg).detach() for (key, weight), hg in zip(parameters.items(), products, strict=True)
    }


def synflow(module: nn.Module, sight: Sight) -> Scores:
    """Score weights by synaptic flow |w| dR/d|w| (Tanaka et al. 2020).

    R is the sum of the outputs on an input of ones, all parameters and buffers replaced by their absolute values, in
    float64, BatchNorm with its running statistics. No sample is looked at.

    Args:
        module: the masked network.
        sight: only the shape of its samples is used.
    """
    module = copy.deepcopy(module).double().eval()
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.abs_()
    parameters = weights(module)
    ones_in = torch.ones(1, *sight.x.shape[1:], dtype=torch.float64, device=sight.x.device)
    flow = module(ones_in).sum()
    gradients = torch.autograd.grad(flow, list(parameters.values()), materialize_grads=True)
    return {
        key: (weight * gradient).detach()
        for (key, weight), gradient in zip(parameters.items(), gradients, strict=True)
    }


SCORES: dict[str, Callable[[nn.Module, Sight], Scores]] = {
    "random": random,
    "magnitude": magnitude,
    "snip": snip,
    "grasp": grasp,
    "synflow": synflow,
}
ROUNDS = {"synflow": SYNFLOW_ROUNDS}
"""In how many rounds a pruner comes to its density; one where it is not named."""


def prune(module: nn.Module, pruner: str, density: float, scope: str, sight: Sight) -> Masks:
    """Prune a network before training.

    In r rounds, round i keeps the share density^(i/r), with scores of what the round before has left.

    Args:
        module: at initialisation; left as it is.
        pruner: a key of `SCORES`.
        density: share of the weights kept.
        scope: `"global"` or `"layerwise"`.
        sight: what the pruner may look at.

    Returns:
        The masks; all of ones where density is 1.
    """
    masks = ones(module)
    rounds = ROUNDS.get(pruner, 1) if density < 1 else 0
    pruned = copy.deepcopy(module)
    for number in range(1, rounds + 1):
        masks = keep_best(SCORES[pruner](pruned, sight), masks, density ** (number / rounds), scope)
        apply(pruned, masks)
    return masks

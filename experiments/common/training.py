"""Networks and tickets, made in memory by boundcalc's own pruners and trainer: no folder of checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

from boundcalc.tickets.architectures import ResNet
from boundcalc.tickets.masks import Masks, keep_best, ones
from boundcalc.tickets.networks import Weights, by_name, masked_module, plain_tensors
from boundcalc.tickets.pruners import PrunerInputs, prune
from boundcalc.tickets.recipe import Recipe
from boundcalc.tickets.samples import Samples
from boundcalc.tickets.training import Trainer, measure
from experiments.common.splits import CPU

NEAR = 0.05
"""Running training error below which the training error is measured."""


def network(arch: str, shape: tuple[int, ...], seed: int) -> nn.Module:
    """Return a network at initialization.

    Dropout is off: tickets are trained until they fit.

    Args:
        arch: one of boundcalc's; `resnet`, three blocks of 8, 16 and 32 channels on images at half their size; `small`, a
            perceptron for images of 8 x 8.
        shape: of an image.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if arch == "resnet":
            return nn.Sequential(nn.AvgPool2d(2), ResNet((1, 1, 1), 8))
        if arch == "small":
            return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
        module = by_name(arch, shape)
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return module


class Ticket(NamedTuple):
    """A pruned network, trained.

    Attributes:
        density: share of the weights that was asked for.
        masks: of its weights.
        weights: state dict after training, pruned weights 0.
        epochs: passes that its training took.
    """

    density: float
    masks: Masks
    weights: Weights
    epochs: int


def tickets(
    template: nn.Module, pruner: str, densities: Sequence[float], train: Samples, recipe: Recipe, seed: int, stop: bool = False
) -> Iterator[Ticket]:  # fmt: skip
    """Yield the tickets of a pruner, all from the same initial weights.

    `imp` trains the dense network, prunes the smallest weights of what it trained, and goes back to the initial ones.

    Args:
        template: at initialization; left as it is.
        pruner: a name of `boundcalc.tickets.pruners`, or `imp`.
        densities: falling.
        train: the sample.
        recipe: of every training.
        seed: of pruner and of the order of samples.
        stop: whether training ends once the training error is 0.
    """
    masks, trained = ones(template), None
    for density in densities:
        if pruner == "imp" and density < 1:
            trained = trained or fit(template, masks, train, recipe, seed, stop)[0]
            masks = keep_best({key: trained[key].abs() for key in masks}, masks, density, "global")
        elif density < 1:
            masks = pruned(template, pruner, density, train, recipe.loss, seed)
        trained, epochs = fit(template, masks, train, recipe, seed, stop)
        yield Ticket(density, masks, trained, epochs)


def pruned(
    template: nn.Module, pruner: str, density: float, train: Samples, loss: str, seed: int, scope: str = "global"
) -> Masks:  # fmt: skip
    """Return the masks that a pruner finds at initialization, with ten samples of every class."""
    random = torch.Generator().manual_seed(1_000_003 + seed)
    seen = train.of_each_class(10, random)
    return prune(template, pruner, density, scope, PrunerInputs(seen.x, seen.y, loss, random))


def fit(
    template: nn.Module, masks: Masks, train: Samples, recipe: Recipe, seed: int, stop: bool = False
) -> tuple[Weights, int]:
    """Train a network under masks, and return its weights and the number of epochs."""
    trainer = Trainer(masked_module(template, template.state_dict(), masks, normed=False), masks, recipe, CPU)
    done = 0
    for epoch in range(recipe.epochs):
        order = torch.Generator().manual_seed(8_000_003 + 1000 * seed + epoch)
        _, running = trainer.epoch(epoch, train, order)
        done = epoch + 1
        if stop and running < NEAR and measure(trainer.module, train, recipe.loss, CPU)[1] == 0:
            break
    return plain_tensors(trainer.module, template.state_dict()), done


def error_of(template: nn.Module, weights: Weights, samples: Samples) -> float:
    """Return the share of samples that a network gets wrong."""
    module = masked_module(template, weights, ones(template), normed=False)
    return measure(module, samples, "cross-entropy", CPU)[1]

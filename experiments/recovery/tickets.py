"""Lottery tickets of the LeNets by iterative magnitude pruning on samples of several sizes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from boundcalc.tickets.recipe import Recipe
from boundcalc.tickets.samples import Samples
from experiments.common.record import Tree
from experiments.common.splits import splits
from experiments.common.training import error_of, network, tickets


@dataclass(frozen=True)
class Lottery:
    """How tickets are made.

    Attributes:
        arch: of the networks.
        samples: sizes of the sample.
        levels: prunings.
        pruned: share of the surviving weights that a pruning removes.
        steps: of every training.
        seeds: one lottery each, with a sample of its own.
        errors: test errors for which the smallest sample is asked.
    """

    arch: str = "lenet300"
    samples: tuple[int, ...] = (500, 1000, 2000, 4000, 8000, 16000)
    levels: int = 6
    pruned: float = 0.6
    steps: int = 600
    seeds: int = 2
    errors: tuple[float, ...] = (0.12, 0.10, 0.08, 0.06)


BATCH = 60


def lottery(data: str, how: Lottery, samples: int, seed: int) -> Tree:
    """Return density, hidden survivors and errors of every level on a sample of one size."""
    whole, test = splits(data)
    rows = torch.randperm(whole.m, generator=torch.Generator().manual_seed(4_000_003 + seed))[:samples]
    train = Samples(whole.x[rows], whole.y[rows])
    template = network(how.arch, train.shape, seed)
    recipe = Recipe(
        epochs=max(1, round(how.steps / -(-samples // BATCH))), optimizer="adam", lr=0.0012, batch_size=BATCH
    )
    densities = [(1 - how.pruned) ** level for level in range(how.levels + 1)]
    made = list(tickets(template, "imp", densities, train, recipe, seed))
    return {
        "arch": how.arch, "N": samples, "seed": seed, "epochs": recipe.epochs,
        "density": densities,
        "surviving": [sum(int(mask.sum()) for mask in ticket.masks.values()) for ticket in made],
        "hidden": [sum(int(mask.sum()) for mask in [*ticket.masks.values()][:-1]) for ticket in made],
        "train_error": [error_of(template, ticket.weights, train) for ticket in made],
        "test_error": [error_of(template, ticket.weights, test) for ticket in made],
    }  # fmt: skip

"""Masks of MLPs by several pruners, as step graphons of their hidden layers."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from boundcalc.graphon.counts import EntryCounts
from boundcalc.graphon.estimate import by_sorting
from boundcalc.graphon.step import StepGraphon
from boundcalc.tickets.pruners import PrunerInputs, prune
from boundcalc.tickets.samples import Samples
from experiments.common.splits import splits

CELLS = 64


def mlp(inputs: int, width: int, hidden: int, outputs: int, seed: int) -> nn.Sequential:
    """Return an MLP without biases, its weights normal with variance 2 / fan-in.

    Args:
        inputs: coordinates of a sample.
        width: units of every hidden layer.
        hidden: number of hidden layers.
        outputs: number of classes.
        seed: of the weights.
    """
    random = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise((inputs, *[width] * hidden, outputs)):
        linear = nn.Linear(fan_in, fan_out, bias=False)
        with torch.no_grad():
            linear.weight.normal_(0.0, (2 / fan_in) ** 0.5, generator=random)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Source:
    """The data, and the masks that pruners find with it.

    Args:
        data: a form of `--data`.
        kept: folder of graphons that are made once; None to make them whenever they are asked for.
    """

    def __init__(self, data: str, kept: Path | None) -> None:
        self.data = data
        self.kept = kept

    @cached_property
    def train(self) -> Samples:
        """The training split."""
        return splits(self.data)[0]

    def pruned(self, width: int, hidden: int, density: float, pruner: str, seed: int) -> nn.Sequential:
        """Return a pruned network: every layer keeps the same share of its weights."""
        random = torch.Generator().manual_seed(1_000_003 + seed)
        seen = self.train.of_each_class(10, random)
        inputs, outputs = int(np.prod(self.train.shape)), int(self.train.y.max()) + 1
        module = mlp(inputs, width, hidden, outputs, seed)
        masks = prune(
            module, pruner, density, "layerwise", PrunerInputs(seen.x, seen.y, "cross-entropy", random)
        )
        with torch.no_grad():
            for key, weight in module.named_parameters():
                weight.mul_(masks[key])
        return module

    def graphons(self, width: int, hidden: int, density: float, pruner: str, seed: int) -> list[StepGraphon]:
        """Return the step graphons of the masks between hidden layers, rows and columns sorted by degree."""
        file = self.kept and self.kept / f"{hidden}-{width}-{density:g}-{pruner}-{seed}.npz"
        if file and file.is_file():
            with np.load(file) as stored:
                return [
                    StepGraphon(stored[f"v{k}"], stored[f"r{k}"], stored[f"c{k}"]) for k in range(hidden - 1)
                ]
        module = self.pruned(width, hidden, density, pruner, seed)
        weights = [weight.detach().numpy() for weight in module.parameters()][1:-1]
        found = [by_sorting(EntryCounts((weight != 0).astype(np.uint8), 1), CELLS) for weight in weights]
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            named = {f"v{k}": each.values for k, each in enumerate(found)}
            named |= {f"r{k}": each.row_weights for k, each in enumerate(found)}
            named |= {f"c{k}": each.column_weights for k, each in enumerate(found)}
            np.savez(file, **named)
        return found

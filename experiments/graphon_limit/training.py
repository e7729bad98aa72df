"""The first steps of training, and the kernel that speaks of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

import boundcalc
from experiments.common.record import Tree

if TYPE_CHECKING:
    from experiments.graphon_limit.masks import Source

METRICS = ("alpha", "effective_rank", "gap", "top5_energy")
MEANS = 20
"""Means of the loss that are kept of a run."""


@dataclass(frozen=True)
class Fit:
    """How networks are trained and their kernels taken.

    Attributes:
        width: units of every hidden layer.
        hidden: number of hidden layers.
        steps: of Adam.
        batch: samples of a step.
        images: samples of the kernel.
        cells: a side of a hidden graphon.
        rate: learning rate.
    """

    width: int = 512
    hidden: int = 4
    steps: int = 200
    batch: int = 128
    images: int = 1024
    cells: int = 64
    rate: float = 1e-3


def fit(source: Source, how: Fit, density: float, pruner: str, seed: int) -> Tree:
    """Return the losses of the first steps of a pruned network, and the metrics of its kernel before training."""
    module = source.pruned(how.width, how.hidden, density, pruner, seed)
    report = boundcalc.analyze(
        module,
        data=source.data,
        only=("gntk",),
        cells=how.cells,
        batch=how.images,
        sigma_w2=2.0,
        device="cpu",
    ).to_dict()["gntk"]
    losses = first_losses(module, source, how, seed)
    each = max(1, how.steps // MEANS)
    residual = report["residual"]
    return {
        "density": density, "pruner": pruner, "seed": seed,
        "mean_loss": sum(losses) / len(losses),
        "losses": [sum(losses[k : k + each]) / each for k in range(0, len(losses) - each + 1, each)],
        **{name: report[name] for name in METRICS},
        "trace": sum(report["eigenvalues"]) / report["m"],
        "rate": residual["rate"],
        "residual": {f"{t:g}": s for t, s in zip(residual["steps"], residual["share"], strict=True)},
    }  # fmt: skip


def first_losses(module: nn.Module, source: Source, how: Fit, seed: int) -> list[float]:
    """Train the surviving weights by Adam and return the loss of every batch, before its step."""
    masks = [(weight != 0).to(weight.dtype) for weight in module.parameters()]
    optimizer = torch.optim.Adam(module.parameters(), lr=how.rate)
    random = torch.Generator().manual_seed(2_000_003 + seed)
    losses = []
    for _ in range(how.steps):
        rows = torch.randint(source.train.m, (how.batch,), generator=random)
        loss = functional.cross_entropy(module(source.train.x[rows]), source.train.y[rows])
        optimizer.zero_grad()
        loss.backward()
        for weight, mask in zip(module.parameters(), masks, strict=True):
            assert weight.grad is not None
            weight.grad.mul_(mask)
        optimizer.step()
        losses.append(loss.item())
    return losses

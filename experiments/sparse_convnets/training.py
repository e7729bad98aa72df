"""One network, from epoch to epoch, and its bounds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

import boundcalc
from boundcalc.tickets.networks import by_name, masked_module, plain_tensors
from boundcalc.tickets.pruners import PrunerInputs, prune
from boundcalc.tickets.recipe import Recipe
from boundcalc.tickets.samples import Samples
from boundcalc.tickets.training import Trainer
from experiments.common.record import Tree
from experiments.common.splits import CPU, splits


class Network(NamedTuple):
    """One network.

    Attributes:
        data: as `--data`.
        index: its number there.
        depth: L, weight layers.
        channels: H.
        density: share of the weights that survives.
        pruner: at initialization.
        seed: of weights, sample and order.
    """

    data: str
    index: int
    depth: int
    channels: int
    density: float
    pruner: str
    seed: int

    def state(self, epoch: int) -> str:
        """Return the name of the file of its training after some epochs."""
        return f"{self.index}-{self.depth}-{self.channels}-{self.density:g}-{self.seed}-{epoch}.pth"


@dataclass(frozen=True)
class Training:
    """How networks are trained.

    Attributes:
        epochs: passes over the sample.
        samples: of the training set.
        held: of the test set.
        batch: of a step.
        lr: learning rate of gradient descent with momentum.
        decay: weight decay.
    """

    epochs: int = 30
    samples: int = 3000
    held: int = 2000
    batch: int = 32
    lr: float = 0.1
    decay: float = 3e-4


@lru_cache(maxsize=1)
def sample(data: str, counts: tuple[int, int], seed: int) -> tuple[Samples, Samples]:
    """Return random samples of the training and the test split."""
    random = torch.Generator().manual_seed(6_000_003 + seed)
    one, other = (
        Samples(split.x[rows], split.y[rows])
        for split, count in zip(splits(data), counts, strict=True)
        for rows in [torch.randperm(split.m, generator=random)[:count]]
    )
    return one, other


def measured(how: Training, network: Network, kept: Path, epoch: int) -> Tree:
    """Return the errors and the bounds of a network after some epochs.

    Args:
        how: of training.
        network: which.
        kept: folder of the states of training.
        epoch: passes done.
    """
    trainer, template = trained(how, network, kept, epoch)
    train, test = sample(network.data, (how.samples, how.held), network.seed)
    report = boundcalc.analyze(
        plain_tensors(trainer.module, template.state_dict()),
        data=(train.x.numpy(), train.y.numpy(), test.x.numpy(), test.y.numpy()),
        model=template, only=("bounds", "empirical"), passes=0, device="cpu", mask_origin="independent",
    ).to_dict()  # fmt: skip
    return {
        **network._asdict(), "data": network.index, "epoch": epoch,
        "measured_density": report["checkpoint"]["density"],
        **{name: report["empirical"][name] for name in ("train_error", "test_error", "gap")},
        "bounds": {name: bound_of(bound) for name, bound in report["bounds"].items() if bound["log10_value"] is not None},
    }  # fmt: skip


def bound_of(bound: Tree) -> Tree:
    """Return status, value and complexity of a bound; the published form where there is one."""
    published = (bound["terms"] or {}).get("as_published") or {}
    return {
        "status": bound["status"], "subject": bound["subject"],
        "log10_value": bound["log10_value"], "complexity": bound["complexity"], "as_published": published.get("value"),
    }  # fmt: skip


def trained(how: Training, network: Network, kept: Path, epoch: int) -> tuple[Trainer, nn.Module]:
    """Return a network after some epochs, from the last state that is kept."""
    train, _ = sample(network.data, (how.samples, how.held), network.seed)
    random = torch.Generator().manual_seed(7_000_003 + network.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(network.seed)
        template = by_name(f"conv-{network.depth}-{network.channels}", train.shape)
    seen = train.of_each_class(10, random)
    masks = prune(
        template, network.pruner, network.density, "global", PrunerInputs(seen.x, seen.y, "mse", random)
    )
    trainer = _trainer(how, template, masks)
    states = {
        done: path for done in range(epoch, 0, -1) for path in [kept / network.state(done)] if path.is_file()
    }
    first = max(states, default=0)
    if first:
        trainer.restore(torch.load(states[first], weights_only=True))
    for done in range(first, epoch):
        order = torch.Generator().manual_seed(8_000_003 + 1000 * network.seed + done)
        trainer.epoch(done, train, order)
        _keep(trainer, kept / network.state(done + 1))
    for done, path in states.items():
        if done < epoch:
            path.unlink()
    return trainer, template


def _trainer(how: Training, template: nn.Module, masks: dict[str, Tensor]) -> Trainer:
    recipe = Recipe(
        epochs=how.epochs, lr=how.lr, weight_decay=how.decay, batch_size=how.batch, loss="mse", weight_norm=True,
        schedule="cosine",
    )  # fmt: skip
    return Trainer(masked_module(template, template.state_dict(), masks, normed=True), masks, recipe, CPU)


def _keep(trainer: Trainer, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    torch.save(trainer.state(), draft)
    os.replace(draft, path)

"""One lottery: tickets of a pruner at several densities, and every number that boundcalc has of them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import nn

import boundcalc
from boundcalc.tickets.plan import DATA_INDEPENDENT_PRUNERS
from boundcalc.tickets.recipe import Recipe
from boundcalc.tickets.samples import Samples
from experiments.common.record import Tree
from experiments.common.splits import splits
from experiments.common.training import Ticket, network, tickets

PARTS = ("bounds", "samples", "graphon", "gntk", "empirical")
KERNEL = ("alpha", "effective_rank", "gap", "top5_energy")
MEDIAN = "0.5"
SHIFT = 0.3
"""Images in [0, 1] are shifted by so much, and divided by it."""


@dataclass(frozen=True)
class Size:
    """How large every lottery is.

    Attributes:
        samples: of the training set.
        held: of the test set.
        densities: falling.
        epochs: of training, at most: it ends where the training error is 0.
        images: of the kernel.
    """

    samples: int = 500
    held: int = 2000
    densities: tuple[float, ...] = (0.6, 0.4, 0.27, 0.18, 0.12)
    epochs: int = 60
    images: int = 64

    @property
    def recipe(self) -> Recipe:
        """The training of every ticket."""
        return Recipe(epochs=self.epochs, optimizer="adam", lr=8e-3, batch_size=50)


@dataclass(frozen=True)
class Environment:
    """What a lottery's tickets have in common.

    Attributes:
        data: a form of `--data`.
        arch: of the networks.
        noise: share of the training labels drawn anew.
    """

    data: str
    arch: str
    noise: float


def lottery(where: Environment, pruner: str, seed: int, size: Size, also: Tree) -> Tree:
    """Return the tickets of one pruner.

    Args:
        where: data and architecture.
        pruner: its name.
        seed: of the sample, the initial weights, the pruner and the order of training: pruners of one seed share all of them.
        size: of the samples, and densities.
        also: told in the cell, too.
    """
    train, test = drawn(where, size, seed)
    template = network(where.arch, train.shape, seed)
    made = [
        described(ticket, template, (train, test), pruner, size.images)
        for ticket in tickets(template, pruner, size.densities, train, size.recipe, seed, stop=True)
    ]
    return {**also, "arch": where.arch, "noise": where.noise, "pruner": pruner, "seed": seed, "tickets": made}


def described(
    ticket: Ticket, template: nn.Module, data: tuple[Samples, Samples], pruner: str, images: int
) -> Tree:
    """Return the numbers of one ticket: of its mask on the initial weights, and of the trained network."""
    train, test = data
    initial = template.state_dict()
    trained = boundcalc.analyze(
        ticket.weights, data=tuple(part.numpy() for split in (train, test) for part in (split.x, split.y)),
        model=template, reference=initial, only=PARTS, passes=0, batch=images, device="cpu",
        mask_origin="independent" if pruner in DATA_INDEPENDENT_PRUNERS else "data",
    ).to_dict()  # fmt: skip
    masked = {key: value * ticket.masks[key] if key in ticket.masks else value for key, value in initial.items()}  # fmt: skip
    before = boundcalc.analyze(
        masked, model=template, input_shape=train.shape, reference=initial, only="topology", device="cpu"
    ).to_dict()["topology"]
    measured = trained["empirical"]
    return {
        "density": ticket.density,
        "surviving": sum(int(mask.sum()) for mask in ticket.masks.values()),
        "epochs": ticket.epochs,
        **{name: measured[name] for name in ("train_error", "test_error", "gap")},
        "bounds": dict(filter(None, map(of_bound, trained["bounds"].items()))),
        "scores": scores(trained, before),
    }


def of_bound(named: tuple[str, Tree]) -> tuple[str, float] | None:
    """Return name and number of a bound: the logarithm of its value; of `occam` the bits, of a score the score."""
    name, bound = named
    if name == "occam" and bound["terms"]:
        return name, bound["terms"]["bits"]
    value = bound["complexity"] if bound["status"] == "score" else bound["log10_value"]
    return None if value is None else (name, value)


def scores(trained: Tree, topology: Tree) -> Tree:
    """Return the numbers of a ticket that bound nothing, by name."""
    kernel = trained["gntk"] or {}
    graphons = (trained["graphon"] or {}).get("layers") or []
    names = ("delta_r", "delta_r_imdb", "lambda", "lambda_imsg")
    found: dict[str, Any] = {
        "distance": topology["distance"],
        **dict(zip(names, topology["coordinate"], strict=True)),
        "ramanujan_layers": topology["ramanujan_layers"],
        "narc": _mean([layer["narc"] for layer in topology["layers"]]),
        "delta_r_z": _mean([layer["z"]["delta_r"] for layer in topology["layers"]]),
        "samples_ratio": trained["samples"]["ratio"],
        "margin_median": trained["empirical"]["margin_quantiles"].get(MEDIAN),
        "graphon_l2": _mean([layer["l2_from_constant"] for layer in graphons]),
        "graphon_cut": _mean([layer["cut_from_constant"][1] for layer in graphons]),
        **{f"ntk_{name}": kernel.get(name) for name in KERNEL},
        "ntk_label_energy": (kernel.get("residual") or {}).get("rate"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def drawn(where: Environment, size: Size, seed: int) -> tuple[Samples, Samples]:
    """Return samples of both splits, images shifted and scaled; the environment's share of training labels is drawn anew."""
    random = torch.Generator().manual_seed(5_000_003 + seed)
    train, test = (
        Samples((split.x[rows] - SHIFT) / SHIFT, split.y[rows])
        for split, count in zip(splits(where.data), (size.samples, size.held), strict=True)
        for rows in [torch.randperm(split.m, generator=random)[:count]]
    )
    other = torch.randint(int(train.y.max()) + 1, (train.m,), generator=random)
    changed = torch.rand(train.m, generator=random) < where.noise
    return Samples(train.x, torch.where(changed, other, train.y)), test

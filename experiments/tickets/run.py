"""Many tickets of one size on small, partly mislabeled samples: does the topology of a mask order accuracies, and which quantity
tracks the gap?

    # from the clone's root; goes on where it stopped
    python -m experiments.tickets.run --data mnist:DIR mnist:FASHION npz:CIFAR10_JPEG
    python -m experiments.tickets.run --data digits --tiny --out /tmp/tickets

One cell a lottery: an environment, a pruner and a seed, with a ticket at every density.

Sources: Hoang et al. 2023; Dziugaite et al. 2020.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from experiments.common.command import experiment
from experiments.common.record import Tree
from experiments.tickets.lottery import Environment, Size, lottery
from experiments.tickets.summary import summary


@dataclass(frozen=True)
class Setting:
    """All that the results depend on, the data apart.

    Attributes:
        pairs: (number of the data set, architecture) of the environments.
        noises: shares of the training labels that are drawn anew.
        size: of every lottery.
        pruners: names in `--pruner`.
        seeds: of each environment and pruner.
    """

    pairs: tuple[tuple[int, str], ...] = ((0, "lenet300"), (1, "lenet5"), (2, "strided-8"), (2, "resnet"))
    noises: tuple[float, ...] = (0.0, 0.25, 0.1)
    size: Size = Size()
    pruners: tuple[str, ...] = ("random", "erk", "magnitude", "snip", "grasp", "synflow", "imp")
    seeds: int = 3


TINY = Setting(((0, "small"),), (0.1,), Size(60, 100, (0.5,), 2, 16), ("random", "imp"), 1)


def main(words: list[str] | None = None) -> None:
    """Run the cells that are missing."""
    data = "mnist:DIR mnist:FASHION npz:CIFAR10_JPEG"
    experiment(
        __file__,
        (Setting(), TINY),
        plan,
        lambda cells, setting: summary(cells, setting.size.held),
        words,
        data,
    )


def plan(setting: Setting, data: list[str], _: Path) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield the lotteries: one seed of every environment and pruner before the next."""
    if len(data) <= max(index for index, _ in setting.pairs):
        sys.exit("give three data sets: --data mnist:DIR mnist:FASHION npz:CIFAR10_JPEG")
    for seed, noise, (index, arch), pruner in product(
        range(setting.seeds), setting.noises, setting.pairs, setting.pruners
    ):
        where = Environment(data[index], arch, noise)
        key = f"data{index} {arch} noise{noise:g} {pruner} s{seed}"
        yield key, partial(lottery, where, pruner, seed, setting.size, {"data": index})


if __name__ == "__main__":
    main()

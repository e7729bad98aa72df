"""Many tickets of one size on small, partly mislabelled samples: does the topology of a mask order accuracies, and which quantity
tracks the gap?

    python -m experiments.tickets.run --data mnist:DIR mnist:FASHION        # from the clone's root; goes on where it stopped
    python -m experiments.tickets.run --data digits --tiny --out /tmp/tickets

One cell a lottery: an environment, a pruner and a seed, with a ticket at every density.

Sources: Hoang et al. 2023; Dziugaite et al. 2020.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path

import torch

from experiments.common.record import Record, Tree, hashes
from experiments.tickets.lottery import Environment, lottery
from experiments.tickets.summary import summary

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Setting:
    """All that the results depend on, the data apart.

    Attributes:
        archs: of boundcalc, or the name of a module of `experiments.tickets.lottery`.
        noises: shares of the training labels that are drawn anew.
        samples: of the training set.
        held: of the test set.
        levels: prunings by half; their densities are those of every pruner.
        epochs: of training.
        images: of the kernel.
        pruners: names in `--pruner`.
        seeds: of each environment and pruner.
    """

    archs: tuple[str, ...] = ("lenet300",)
    noises: tuple[float, ...] = (0.0, 0.1, 0.25)
    samples: int = 1000
    held: int = 10_000
    levels: int = 5
    epochs: int = 50
    images: int = 128
    pruners: tuple[str, ...] = ("random", "erk", "magnitude", "snip", "grasp", "synflow", "imp")
    seeds: int = 3


TINY = Setting(("small",), (0.1,), 60, 100, 2, 2, 16, ("random", "imp"), 1)


def main(words: list[str] | None = None) -> None:
    """Run the cells that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", required=True, nargs="+", help="data sets, e.g. mnist:DIR")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results.json")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no cell after so long")
    parser.add_argument("--tiny", action="store_true", help="a few seconds: a test of the script")
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    setting = TINY if given.tiny else Setting()
    digests = {
        f"{k} {name}": digest for k, one in enumerate(given.data) for name, digest in hashes(one).items()
    }
    record = Record(given.out, asdict(setting), digests)
    record.run(plan(setting, given.data), given.seconds)
    record.tree["summary"] = summary(record.cells)
    record.write()


def plan(setting: Setting, data: list[str]) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield the lotteries: one seed of every environment and pruner before the next."""
    for seed, arch, noise, (index, one), pruner in product(
        range(setting.seeds), setting.archs, setting.noises, enumerate(data), setting.pruners
    ):
        where = Environment(one, arch, noise, setting.samples, setting.held)
        key = f"data{index} {arch} noise{noise:g} {pruner} s{seed}"
        yield (
            key,
            partial(
                lottery,
                where,
                pruner,
                seed,
                (setting.levels, setting.epochs, setting.images),
                {"data": index},
            ),
        )


if __name__ == "__main__":
    main()

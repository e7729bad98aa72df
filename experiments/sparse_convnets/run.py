"""Bounds of sparse convolutional networks along training, beside those by Toeplitz norms and the measured errors.

    python -m experiments.sparse_convnets.run --data mnist:DIR mnist:FASHION     # from the clone's root; goes on where it stopped
    python -m experiments.sparse_convnets.run --data digits --tiny --out /tmp/convnets

CONV-L-H (2 x 2 kernels, no bias, weight normalization), trained by mean squares on one-hot labels with weight decay. One cell a
network and epoch; the state of training lies in OUT/cells, and is made again where it is missing. Source: Galanti et al. 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from experiments.common.command import experiment
from experiments.common.record import Tree
from experiments.sparse_convnets.summary import summary
from experiments.sparse_convnets.training import Training, measured


@dataclass(frozen=True)
class Setting:
    """All that the results depend on, the data apart.

    Attributes:
        depths: L, weight layers.
        training: of every network.
        every: epochs between two measurements.
        densities: of the masks, by `pruner` at initialization.
        pruner: blind to the sample, so that masks are not paid for.
        seeds: of each network.
    """

    depths: tuple[int, ...] = (3, 6, 4, 5)
    training: Training = Training()
    every: int = 6
    densities: tuple[float, ...] = (1.0, 0.1)
    pruner: str = "synflow"
    seeds: int = 2


TINY = Setting((3,), Training(3, 1, 40, 50, 20), 1, (1.0, 0.5), "random", 1)


def main(words: list[str] | None = None) -> None:
    """Run the cells that are missing."""
    data = "mnist:DIR mnist:FASHION"
    experiment(__file__, (Setting(), TINY), plan, lambda cells, _: summary(cells), words, data)


def plan(setting: Setting, data: list[str], out: Path) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield the cells: the shallow networks of every data set first, then depths, then seeds."""
    kept = out / "cells"
    epochs = range(0, setting.training.epochs + 1, setting.every)
    for seed, depth, (index, one), density, epoch in product(
        range(setting.seeds), setting.depths, enumerate(data), setting.densities, epochs
    ):
        key = f"data{index} L{depth} p{density:g} s{seed} epoch{epoch}"
        network = (one, index, depth, density, setting.pruner, seed)
        yield key, partial(measured, setting.training, network, kept, epoch)


if __name__ == "__main__":
    main()

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
from experiments.sparse_convnets.training import Network, Training, measured


@dataclass(frozen=True)
class Setting:
    """All that the results depend on, the data apart.

    Attributes:
        runs: L, weight layers, H, channels, and seed, in the order in which they are run; the data sets are all for the H of the
            first, and the first for other H.
        training: of every network.
        every: epochs between two measurements.
        densities: of the masks, by `pruner` at initialization.
        pruner: blind to the sample, so that masks are not paid for.
    """

    runs: tuple[tuple[int, int, int], ...] = (
        (3, 10, 0), (3, 20, 0), (3, 40, 0), (6, 10, 0), (4, 10, 0), (5, 10, 0), (3, 80, 0), (3, 10, 1), (3, 200, 0),
    )  # fmt: skip
    training: Training = Training()
    every: int = 10
    densities: tuple[float, ...] = (1.0, 0.1)
    pruner: str = "synflow"


TINY = Setting(((3, 3, 0), (3, 5, 0)), Training(1, 40, 50, 20), 1, (1.0, 0.5), "random")


def main(words: list[str] | None = None) -> None:
    """Run the cells that are missing."""
    data = "mnist:DIR mnist:FASHION"
    experiment(__file__, (Setting(), TINY), plan, lambda cells, _: summary(cells), words, data)


def plan(setting: Setting, data: list[str], out: Path) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield the cells, run by run."""
    epochs = range(0, setting.training.epochs + 1, setting.every)
    for depth, channels, seed in setting.runs:
        sets = data if channels == setting.runs[0][1] else data[:1]
        for (index, one), density, epoch in product(enumerate(sets), setting.densities, epochs):
            key = f"data{index} L{depth} H{channels} p{density:g} s{seed} epoch{epoch}"
            network = Network(one, index, depth, channels, density, setting.pruner, seed)
            yield key, partial(measured, setting.training, network, out / "cells", epoch)


if __name__ == "__main__":
    main()

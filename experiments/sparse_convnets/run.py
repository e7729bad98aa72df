"""Bounds of sparse convolutional networks along training, beside those by Toeplitz norms and the measured errors.

    python -m experiments.sparse_convnets.run --data mnist:DIR mnist:FASHION     # from the clone's root; goes on where it stopped
    python -m experiments.sparse_convnets.run --data digits --tiny --out /tmp/convnets

CONV-L-H (2 x 2 kernels, no bias, weight normalization), trained by mean squares on one-hot labels with weight decay. One cell a
network and epoch; the state of training lies in OUT/cells, and is made again where it is missing. Source: Galanti et al. 2023.
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
from experiments.sparse_convnets.summary import summary
from experiments.sparse_convnets.training import Training, measured

HERE = Path(__file__).parent


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

    depths: tuple[int, ...] = (3, 4, 5, 6)
    training: Training = Training()
    every: int = 10
    densities: tuple[float, ...] = (1.0, 0.1)
    pruner: str = "synflow"
    seeds: int = 3


TINY = Setting((3,), Training(3, 1, 40, 20), 1, (1.0, 0.5), "random", 1)


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
    record.run(plan(setting, given.data, given.out / "cells"), given.seconds)
    record.tree["summary"] = summary(record.cells)
    record.write()


def plan(setting: Setting, data: list[str], kept: Path) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield the cells: the shallow networks of every data set first, then depths, then seeds."""
    epochs = range(0, setting.training.epochs + 1, setting.every)
    for seed, depth, (index, one), density, epoch in product(
        range(setting.seeds), setting.depths, enumerate(data), setting.densities, epochs
    ):
        key = f"data{index} L{depth} p{density:g} s{seed} epoch{epoch}"
        network = (one, index, depth, density, setting.pruner, seed)
        yield key, partial(measured, setting.training, network, kept, epoch)


if __name__ == "__main__":
    main()

"""Benchmark of training: LeNet-300-100 on full MNIST, seconds an epoch against the target.

    python experiments/benchmarks/train.py mnist:DIR

Prints wall and processor time of an epoch of steps, at half density, and of the passes that measure it. The target of 1.3
s is for two cores that are otherwise idle; a ratio to the processor time above 1 says that they were not.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from common import Row, options, table, within

TARGET = 1.3
EPOCHS = 5


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds of a piece of work."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def rows(data: str, epochs: int, normalize: tuple[float, float]) -> Iterator[Row]:
    """Yield the times of an epoch, by optimizer, and of measuring."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from boundcalc.empirical.datasets import open_data
    from boundcalc.tickets import masks, networks
    from boundcalc.tickets.hardware import hardware
    from boundcalc.tickets.plan import RunPlan
    from boundcalc.tickets.pruners import PrunerInputs, prune
    from boundcalc.tickets.recipe import RATES, Recipe
    from boundcalc.tickets.samples import on_device
    from boundcalc.tickets.training import Trainer, measure

    where = hardware("cpu")
    train, test = on_device(open_data(data, normalize), where)
    threads = torch.get_num_threads()
    for optimizer, rate in RATES.items():
        recipe = Recipe(epochs=epochs, optimizer=optimizer, lr=rate)
        torch.manual_seed(0)
        template = networks.build(
            RunPlan(data, "magnitude", arch="lenet300", density=(0.5,)), train.shape, 10
        )
        inputs = PrunerInputs(train.x[:1], train.y[:1], recipe.loss, torch.Generator())
        kept = prune(template, "magnitude", 0.5, "global", inputs)
        trainer = Trainer(
            networks.masked_module(template, template.state_dict(), kept, False), kept, recipe, where
        )
        times = []
        for number in range(epochs + 1):
            order = torch.Generator().manual_seed(number)
            times.append(timed(partial(trainer.epoch, number, train, order)))
        wall, processor = (statistics.median(column) for column in zip(*times[1:], strict=True))
        label = f"an epoch of {train.m:,} images, {optimizer}, batch {recipe.batch_size}, {threads} threads"
        yield within(f"{label}: median of {epochs}", wall, "s", TARGET)
        yield Row("the same: processor", processor, "s")
        assert masks.surviving(kept) == masks.kept(0.5, masks.size(kept))
    for name, split in (("test", test), ("train", train)):
        if split is not None:
            yield Row(
                f"measuring {name}",
                timed(partial(measure, trainer.module, split, recipe.loss, where))[0],
                "s",
            )


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("data", metavar="mnist:DIR")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    given = parser.parse_args()
    sys.exit(table(rows(given.data, given.epochs, (0.1307, 0.3081)), given.json))

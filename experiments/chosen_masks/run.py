"""Do random masks that are chosen for the largest distance of their coordinate train to a smaller error than others?

    python -m experiments.chosen_masks.run --data mnist:FASHION     # from the clone's root; goes on where it stopped
    python -m experiments.chosen_masks.run --data digits --tiny --out /tmp/chosen

One cell a case and seed, of sample, initial weights and masks: of all random masks of one density those of the largest distance
from the dense initialization are trained, and as many others. Source: Hoang et al. 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, cast

import boundcalc
from boundcalc.tickets.masks import Masks
from boundcalc.topology.coordinate import analyze
from experiments.common.command import experiment
from experiments.common.record import Tree, rounded
from experiments.common.statistics import difference
from experiments.common.training import error_of, fit, network, pruned
from experiments.tickets.lottery import Environment, Size, drawn

if TYPE_CHECKING:
    from torch import nn

    from boundcalc.network.network import Network


@dataclass(frozen=True)
class Setting:
    """All that the results depend on, the data apart.

    Attributes:
        cases: architecture of the networks, and density of their masks.
        candidates: random masks a case and seed.
        trained: of those of the largest distance, and of the others.
        size: of the samples, and epochs.
        seeds: of each case.
    """

    cases: tuple[tuple[str, float], ...] = (("lenet5", 0.12), ("lenet300", 0.12), ("lenet5", 0.27))
    candidates: int = 1000
    trained: int = 6
    size: Size = Size()
    seeds: int = 3


TINY = Setting((("small", 0.5), ("small", 0.3)), 6, 2, Size(60, 100, (), 2), 2)


def main(words: list[str] | None = None) -> None:
    """Run the cells that are missing."""
    experiment(__file__, (Setting(), TINY), plan, lambda cells, _: summary(cells), words, "mnist:FASHION")


def plan(setting: Setting, data: list[str], _: Path) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield a cell a case and seed."""
    for (arch, density), seed in product(setting.cases, range(setting.seeds)):
        yield f"{arch} p{density:g} s{seed}", partial(chosen, setting, data[0], arch, density, seed)


class Masked:
    """A network whose masks are exchanged, as far as the topology asks.

    Args:
        template: the dense network at initialization.
        shape: of a sample.
    """

    def __init__(self, template: nn.Module, shape: tuple[int, ...]) -> None:
        dense = boundcalc.load(template.state_dict(), model=template, input_shape=shape)
        self.layers = list(dense.masked())
        self.dense = {f"{layer.name}.weight": layer.weight for layer in self.layers}

    def distance(self, masks: Masks) -> float | None:
        """Return the distance of the masks' coordinate from that of the dense initialization."""
        chosen = [mask.reshape(layer.weight.shape) for layer, mask in zip(self.layers, masks.values(), strict=True)]  # fmt: skip
        self.now = [
            replace(layer, weight=layer.weight * mask, support=mask, declared=mask)
            for layer, mask in zip(self.layers, chosen, strict=True)
        ]
        return analyze(cast("Network", self), self.dense, draws=0).distance

    def masked(self) -> list[object]:
        """Return the layers with the masks of now."""
        return list(self.now)


def chosen(setting: Setting, data: str, arch: str, density: float, seed: int) -> Tree:
    """Return distances and test errors of the masks of the largest distance, and of as many others."""
    train, test = drawn(Environment(data, arch, 0.0), setting.size, seed)
    template = network(arch, train.shape, seed)
    layers, recipe = Masked(template, train.shape), setting.size.recipe

    def mask(number: int) -> Masks:
        return pruned(template, "random", density, train, recipe.loss, setting.candidates * seed + number)

    def trained(numbers: list[int]) -> Tree:
        weights = [fit(template, mask(number), train, recipe, seed, stop=True)[0] for number in numbers]
        return {
            "distance": [distances[number] for number in numbers],
            "train_error": [error_of(template, each, train) for each in weights],
            "test_error": [error_of(template, each, test) for each in weights],
        }

    distances = [layers.distance(mask(number)) or 0.0 for number in range(setting.candidates)]
    ranked = sorted(range(setting.candidates), key=lambda number: -distances[number])
    others = [number for number in range(setting.candidates) if number not in ranked[: setting.trained]]
    return {
        "arch": arch, "density": density, "seed": seed, "all": [min(distances), fmean(distances), max(distances)],
        "largest": trained(ranked[: setting.trained]), "others": trained(others[: setting.trained]),
    }  # fmt: skip


def summary(cells: Mapping[str, Tree]) -> Tree:
    """Return, by case, mean test errors, and by how much those of the chosen masks are smaller, with its interval."""
    cases = dict.fromkeys((cell["arch"], cell["density"]) for cell in cells.values())
    return rounded({
        "cases": [
            {"arch": arch, "density": density,
             **of_case([c for c in cells.values() if (c["arch"], c["density"]) == (arch, density)])}
            for arch, density in cases
        ],
    })  # fmt: skip


def of_case(cells: list[Tree]) -> Tree:
    """Return what the seeds of one case say."""
    kinds = {kind: [cell[kind] for cell in cells] for kind in ("largest", "others")}
    errors = [[cell["test_error"] for cell in kinds[kind]] for kind in ("others", "largest")]
    return {
        "seeds": len(cells), "better": difference(list(zip(*errors, strict=True))),
        **{
            kind: {name: fmean(fmean(cell[name]) for cell in own) for name in ("distance", "train_error", "test_error")}
            for kind, own in kinds.items()
        },
    }  # fmt: skip


if __name__ == "__main__":
    main()

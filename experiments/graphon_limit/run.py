"""Do pruning masks converge to graphons as networks grow wide, and does the kernel of the graphons tell how fast they train?

    python -m experiments.graphon_limit.run --data mnist:DIR        # from the clone's root; goes on where it stopped
    python -m experiments.graphon_limit.run --data digits --tiny --out /tmp/limit

First part: masks of MLPs of growing width, their step graphons compared with those of the widest. Second part: the loss of the
first steps of training beside the spectrum of the graphon neural tangent kernel. Source: Pham et al. 2025.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from boundcalc.graphon.cut import cut_norm
from boundcalc.graphon.refine import Kernel, difference, from_constant
from boundcalc.graphon.step import StepGraphon
from experiments.common.command import experiment
from experiments.common.record import Tree
from experiments.graphon_limit.masks import Source
from experiments.graphon_limit.summary import summary
from experiments.graphon_limit.training import Fit, fit


@dataclass(frozen=True)
class Setting:
    """All that the results depend on, the data apart.

    Attributes:
        widths: of the hidden layers in the first part, the widest last.
        hidden: numbers of hidden layers in the first part.
        densities: of every layer in the first part.
        pruners: at initialization.
        seeds: of the first part.
        fit: the second part.
        fit_densities: of every layer in the second part.
        fit_pruners: of the second part.
        fit_seeds: of the second part.
    """

    widths: tuple[int, ...] = (128, 256, 512, 1024, 2048)
    hidden: tuple[int, ...] = (4, 5)
    densities: tuple[float, ...] = (0.3, 0.2, 0.1)
    pruners: tuple[str, ...] = ("random", "magnitude", "snip", "grasp", "synflow")
    seeds: int = 5
    fit: Fit = Fit()
    fit_densities: tuple[float, ...] = (0.5, 0.3, 0.2, 0.1, 0.05)
    fit_pruners: tuple[str, ...] = ("random", "snip", "synflow")
    fit_seeds: int = 5


TINY = Setting(
    (16, 24, 32),
    (3,),
    (0.3,),
    ("random", "magnitude", "snip"),
    2,
    Fit(16, 2, 3, 8, 32, 2),
    (0.5, 0.2),
    ("random", "snip"),
    2,
)
COARSE = 2
"""Seeds of the coarse whole, which is run first."""


def main(words: list[str] | None = None) -> None:
    """Run the cells that are missing."""
    experiment(
        __file__, (Setting(), TINY), plan, lambda cells, setting: summary(cells, max(setting.widths)), words
    )


def plan(setting: Setting, data: list[str], out: Path) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield the cells: a coarse whole of both parts, then more depths and seeds."""
    source = Source(data[0], out / "cells")
    first, *deeper = setting.hidden
    coarse = range(min(COARSE, setting.seeds))
    for seed in coarse:
        yield from limits(setting, source, first, seed)
    for seed in range(setting.fit_seeds):
        yield from fits(setting, source, seed)
        if seed < COARSE - 1:
            continue
        for hidden in deeper:
            yield from limits(setting, source, hidden, seed - COARSE + 1)
        if seed >= COARSE:
            yield from limits(setting, source, first, seed)
    for seed in range(setting.seeds):
        for hidden in setting.hidden:
            yield from limits(setting, source, hidden, seed)


def limits(
    setting: Setting, source: Source, hidden: int, seed: int
) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield the cells of the first part at a depth and a seed, the widest networks first."""
    for density in setting.densities:
        for width in reversed(setting.widths):
            for pruner in setting.pruners:
                key = f"limit L{hidden} n{width} p{density:g} {pruner} s{seed}"
                yield key, partial(limit, setting, source, (width, hidden, density, pruner, seed))


def limit(setting: Setting, source: Source, cell: tuple[int, int, float, str, int]) -> Tree:
    """Return the distances of a network's hidden masks, layer by layer.

    Those from the constant graphon of the same density; below the largest width those from the widest network of the same pruner
    and seed; at the largest width those from the seed before, and from the pruners before.
    """
    width, hidden, density, pruner, seed = cell
    own, widest = source.graphons(*cell), max(setting.widths)
    found: Tree = {
        "width": width, "hidden": hidden, "density": density, "pruner": pruner, "seed": seed,
        "layer_density": [each.density for each in own],
        "constant": measured([from_constant(each) for each in own], seed),
    }  # fmt: skip
    if width < widest:
        found["widest"] = apart(own, source.graphons(widest, hidden, density, pruner, seed), seed)
        return found
    if seed:
        found["seed_before"] = apart(own, source.graphons(widest, hidden, density, pruner, seed - 1), seed)
    earlier = setting.pruners[: setting.pruners.index(pruner)]
    found["pruners"] = {
        other: apart(own, source.graphons(widest, hidden, density, other, seed), seed) for other in earlier
    }
    return found


def apart(a: list[StepGraphon], b: list[StepGraphon], seed: int) -> Tree:
    """Return the distances of two networks' graphons, layer by layer."""
    return measured([difference(one, other) for one, other in zip(a, b, strict=True)], seed)


def measured(kernels: list[Kernel], seed: int) -> Tree:
    """Return L2 norm and certified cut norm of each kernel."""
    cuts = [cut_norm(kernel, [seed, index]) for index, kernel in enumerate(kernels)]
    return {
        "l2": [kernel.l2 for kernel in kernels],
        "cut_low": [low for low, _ in cuts],
        "cut_high": [high for _, high in cuts],
    }


def fits(setting: Setting, source: Source, seed: int) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield the cells of the second part at a seed."""
    for density in setting.fit_densities:
        for pruner in setting.fit_pruners:
            key = f"fit n{setting.fit.width} p{density:g} {pruner} s{seed}"
            yield key, partial(fit, source, setting.fit, density, pruner, seed)


if __name__ == "__main__":
    main()

"""Is a sparse teacher recovered from fewer samples, faster, from farther away and more exactly, as the theory of tickets says?

    python -m experiments.recovery.run --data mnist:DIR         # from the clone's root; goes on where it stopped
    python -m experiments.recovery.run --data digits --tiny --out /tmp/recovery

Teachers and students as in `experiments/sample_complexity`: one hidden layer, a planted mask, Gaussian inputs, heavy ball. One
cell a setting, with all of its seeds. The last part trains lottery tickets on samples of real data. Source: Zhang et al. 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean

import torch

from experiments.common.command import experiment
from experiments.common.record import Tree
from experiments.recovery.summary import summary
from experiments.recovery.tickets import Lottery, lottery
from experiments.sample_complexity.descent import Descent, contraction, train
from experiments.sample_complexity.teacher import Plan, draw_inputs, draw_teacher, labels, start_near


@dataclass(frozen=True)
class Setting:
    """All that the results depend on, the data apart.

    Attributes:
        d: inputs.
        K: neurons.
        weights: values of r, the surviving weights of a neuron.
        per_weight: samples a surviving weight, in the diagram of success.
        arrangements: of supports in that diagram, where they are possible.
        rate_samples: N of the rates.
        distances: of the start, relative to the teacher, in the search for the convex region.
        region_samples: values of N of that search.
        noises: standard deviation of the labels' noise, relative to that of the labels.
        noise_samples: values of N with noise.
        seeds: teachers a cell.
        iterations: at most so many steps.
        lotteries: the tickets on real data.
    """

    d: int = 100
    K: int = 8
    weights: tuple[int, ...] = (6, 12, 25, 50, 100)
    per_weight: tuple[float, ...] = (0.75, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 2.0, 3.0)
    arrangements: tuple[str, ...] = ("random", "same", "disjoint")
    rate_samples: int = 2000
    distances: tuple[float, ...] = (0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 3.0, 4.0)
    region_samples: tuple[int, ...] = (400, 1600)
    noises: tuple[float, ...] = (0.03, 0.1, 0.3)
    noise_samples: tuple[int, ...] = (1600, 3200)
    seeds: int = 20
    iterations: int = 1000
    lotteries: tuple[Lottery, ...] = (
        Lottery(),
        Lottery("lenet5", (500, 1000, 2000, 4000, 8000), seeds=1),
    )


TINY = Setting(
    12, 2, (3, 6), (0.75, 4.0), ("random", "same"), 200, (0.2, 2.0), (200,), (0.1,), (200, 400), 2, 60,
    (Lottery("small", (50, 200), 1, 0.5, 4, 1, (0.9,)),),
)  # fmt: skip
RECOVERED = 1e-3
MOMENTUM = 0.9


def main(words: list[str] | None = None) -> None:
    """Run the cells that are missing."""
    experiment(__file__, (Setting(), TINY), plan, summed, words)


def summed(cells: Mapping[str, Tree], setting: Setting) -> Tree:
    """Return what the cells say together."""
    return summary(cells, {how.arch: how.errors for how in setting.lotteries})


def plan(setting: Setting, data: list[str], _: Path) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield the cells, the cheap parts first."""
    for r, momentum in product(setting.weights, (0.0, 0.5)):
        yield f"rate r{r} m{momentum:g}", partial(rate, setting, r, momentum)
    for r, share, arrangement in product(setting.weights, setting.per_weight, setting.arrangements):
        if arrangement in possible(setting, r):
            key = f"success r{r} N/Kr {share:g} {arrangement}"
            yield key, partial(success, setting, r, share, arrangement)
    for r, samples, distance in product(setting.weights, setting.region_samples, setting.distances):
        if samples > setting.K * r:
            key = f"region r{r} N{samples} start {distance:g}"
            yield key, partial(region, setting, r, samples, distance)
    for r, noise, samples in product(setting.weights, setting.noises, setting.noise_samples):
        yield f"noise r{r} {noise:g} N{samples}", partial(noisy, setting, r, noise, samples)
    for how in setting.lotteries:
        for seed, samples in product(range(how.seeds), how.samples):
            yield f"tickets {how.arch} N{samples} s{seed}", partial(lottery, data[0], how, samples, seed)


def possible(setting: Setting, r: int) -> set[str]:
    """Return the arrangements of supports for which there is room, and which leave the weights their rank."""
    found = {"random"}
    if setting.K * r <= setting.d:
        found.add("disjoint")
    if r >= setting.K:
        found.add("same")
    return found


def student(
    plan: Plan, how: Descent, samples: int, seed: int, noise: float = 0.0
) -> tuple[list[float], float, float]:
    """Return the distances of one student from its teacher, step by step, r~ and the scale of the labels."""
    teacher = draw_teacher(plan, seed)
    inputs = draw_inputs(samples, plan.d, seed)
    targets = labels(teacher, inputs)
    scale = float(targets.std())
    if noise:
        random = torch.Generator().manual_seed(3_000_003 + seed)
        targets = targets + noise * scale * torch.randn(samples, generator=random)
    return (
        train(teacher, inputs, targets, start_near(teacher, how.distance, seed), how),
        teacher.r_tilde,
        scale,
    )


def described(setting: Setting, r: int, samples: int, r_tilde: list[float]) -> Tree:
    """Return what every cell tells of its teachers."""
    return {"K": setting.K, "r": r, "N": samples, "r_tilde": fmean(r_tilde)}


def rate(setting: Setting, r: int, momentum: float) -> Tree:
    """Return the factor by which the distance shrinks a step, of every seed."""
    how = Descent(momentum, setting.iterations, 1e-5, 0.2)
    found = [
        student(Plan(setting.K, r, setting.d), how, setting.rate_samples, seed)
        for seed in range(setting.seeds)
    ]
    return described(setting, r, setting.rate_samples, [each[1] for each in found]) | {
        "momentum": momentum, "contraction": [contraction(each[0]) for each in found],
    }  # fmt: skip


def success(setting: Setting, r: int, share: float, arrangement: str) -> Tree:
    """Return how many students recover their teacher."""
    how = Descent(MOMENTUM, setting.iterations, RECOVERED, 0.2)
    samples = math.ceil(share * setting.K * r)
    teacher = Plan(setting.K, r, setting.d, arrangement)
    found = [student(teacher, how, samples, seed) for seed in range(setting.seeds)]
    return described(setting, r, samples, [each[1] for each in found]) | {
        "arrangement": arrangement, "recovered": [each[0][-1] <= RECOVERED for each in found],
    }  # fmt: skip


def region(setting: Setting, r: int, samples: int, distance: float) -> Tree:
    """Return how many students recover their teacher from a start at a distance."""
    how = Descent(MOMENTUM, setting.iterations, RECOVERED, distance)
    found = [student(Plan(setting.K, r, setting.d), how, samples, seed) for seed in range(setting.seeds)]
    return described(setting, r, samples, [each[1] for each in found]) | {
        "distance": distance, "recovered": [each[0][-1] <= RECOVERED for each in found],
    }  # fmt: skip


def noisy(setting: Setting, r: int, noise: float, samples: int) -> Tree:
    """Return how far from the teacher students end whose labels are noisy, every seed."""
    how = Descent(MOMENTUM, setting.iterations // 2, 0.0, 0.2)
    found = [
        student(Plan(setting.K, r, setting.d), how, samples, seed, noise) for seed in range(setting.seeds)
    ]
    return described(setting, r, samples, [each[1] for each in found]) | {
        "noise": noise, "end": [each[0][-1] for each in found],
    }  # fmt: skip


if __name__ == "__main__":
    main()

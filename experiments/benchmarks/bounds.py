"""Bounds benchmarks: times of one run, against targets. Run with `python experiments/benchmarks/bounds.py`.

All bounds of a ResNet-18-shaped network (11 million weights, 10 % density, 3 x 32 x 32) without data; the description-length
certificate of a LeNet-300-100 at 2 % density (the demo ticket) on 60,000 random images of the statistics of MNIST, which cost the
same; growth with ten times the weights.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import Target, gigabytes, masked_resnet18, run_cases, timed

DENSITY = 0.1
TICKET = Path(__file__).resolve().parents[2] / "data" / "tickets" / "lenet300_density02.pt"
TARGETS = (
    Target(
        "ResNet-18 at 10 %, all bounds, --samples 50000 --input-bound 1: time",
        "resnet18",
        "seconds",
        "s",
        10.0,
    ),
    Target("the same: peak memory of the process", "resnet18", "gigabytes", "GB", 1.5),
    Target("occam, LeNet-300-100 at 2 %, 60,000 images: time", "occam", "seconds", "s", 30.0),
    Target("perceptron, ten times the weights: times the time", "perceptrons", "growth", "x", 12.0),
    Target("CNN, ten times the weights: times the time", "convolutions", "growth", "x", 12.0),
)


def all_bounds(network: Any, m: int = 50_000) -> Any:
    from boundcalc.bounds.bound_inputs import BoundInputs, BoundSettings, chain_of
    from boundcalc.bounds.catalogue import registry
    from boundcalc.bounds.evaluate import evaluate_all
    from boundcalc.empirical.energies import declared

    energies = declared(m, 1.0, network.nodes[0].shape)
    chain = chain_of(network, spectral=True)
    return evaluate_all(registry.values(), BoundInputs(network, energies, None, BoundSettings(), {}, chain))


def resnet18_case() -> dict[str, float]:
    network = masked_resnet18(DENSITY)
    seconds, results = timed(lambda: all_bounds(network))
    covered = sum(result.risk is not None for result in results.values())
    return {"seconds": seconds, "gigabytes": gigabytes(), "covered": covered}


def occam_case() -> dict[str, float]:
    import boundcalc
    from boundcalc.empirical.datasets import open_data
    from boundcalc.occam.search import SearchTask, search

    data = open_data(_images())
    task = SearchTask(boundcalc.load(TICKET), data.train, 60_000, 0.05, {}, "cpu", 0, None)
    seconds, found = timed(lambda: search(task))
    return {"seconds": seconds, "passes": found.passes, "certificate": found.best.value}


def _images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    bright = rng.random((60_000, 1, 28, 28)) < 0.19
    return (rng.integers(1, 256, bright.shape) * bright).astype(np.uint8), rng.integers(0, 10, 60_000)


def perceptrons_case() -> dict[str, float]:
    return _growth(lambda width: _masked(_perceptron(width), (784,)), (600, 2600))


def convolutions_case() -> dict[str, float]:
    return _growth(lambda width: _masked(_convolutions(width), (3, 16, 16)), (150, 475))


def _growth(make: Any, widths: tuple[int, int]) -> dict[str, float]:
    few, many = (make(width) for width in widths)
    small = min(timed(lambda: all_bounds(few))[0] for _ in range(3))
    large = min(timed(lambda: all_bounds(many))[0] for _ in range(2))
    weights = many.parameters / few.parameters
    return {"growth": large / small * 10 / weights, "few": small, "many": large, "weights": weights}


def _perceptron(width: int) -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )


def _convolutions(width: int) -> Any:
    from torch import nn

    layers: list[Any] = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.ReLU()]
    for _ in range(2):
        layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * 256, 10, bias=False))


def _masked(model: Any, shape: tuple[int, ...]) -> Any:
    import torch

    from boundcalc.checkpoint import from_state_dict
    from boundcalc.network.load import from_checkpoint

    rng = np.random.default_rng(0)
    with torch.no_grad():
        for part in model.parameters():
            part.mul_(torch.from_numpy(rng.random(tuple(part.shape)) < DENSITY))
    return from_checkpoint(from_state_dict(model.state_dict(), "benchmark"), model, shape)


CASES = {
    "resnet18": resnet18_case,
    "occam": occam_case,
    "perceptrons": perceptrons_case,
    "convolutions": convolutions_case,
}

if __name__ == "__main__":
    sys.exit(run_cases(__file__, CASES, TARGETS, __doc__))

"""Gradient descent and heavy ball on the mean squared error, restricted to the mask."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.sample_complexity.teacher import Teacher

POWER_STEPS = 30


@dataclass(frozen=True)
class Descent:
    """How a student is trained.

    Attributes:
        momentum: 0 for gradient descent, else heavy ball's.
        iterations: at most so many.
        tolerance: relative distance ||W - W*||_F / ||W*||_F at which the teacher counts as recovered.
        distance: of the start, relative.
    """

    momentum: float
    iterations: int
    tolerance: float
    distance: float


def train(teacher: Teacher, inputs: Tensor, targets: Tensor, start: Tensor, how: Descent) -> list[float]:
    """Return the relative distance from the teacher after every step, until recovered, diverged or out of steps.

    The step is 1 / (largest eigenvalue of the Gauss-Newton matrix at the start), from the sample and the start alone.
    """
    weight, before = start.clone(), start.clone()
    step = 1 / _curvature(start, inputs, teacher.mask)
    size = float(teacher.weight.norm())
    distances: list[float] = []
    for _ in range(how.iterations):
        moved = weight - step * _gradient(weight, inputs, targets, teacher.mask)
        weight, before = moved + how.momentum * (weight - before), weight
        distances.append(float((weight - teacher.weight).norm()) / size)
        if distances[-1] <= how.tolerance or not distances[-1] < 10:
            break
    return distances


def _gradient(weight: Tensor, inputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    before = inputs @ weight.T
    residual = before.relu().mean(1) - targets
    active = (before > 0) * residual[:, None]
    return (active.T @ inputs) * mask / (len(inputs) * len(weight))


def _curvature(weight: Tensor, inputs: Tensor, mask: Tensor) -> float:
    """Return the largest eigenvalue of the Gauss-Newton matrix of half the mean squared error, by power iteration."""
    active = (inputs @ weight.T > 0).to(inputs.dtype)
    vector = mask / mask.norm()
    value = 0.0
    for _ in range(POWER_STEPS):
        along = ((inputs @ vector.T) * active).sum(1) / len(weight)
        image = ((active * along[:, None]).T @ inputs) * mask / (len(inputs) * len(weight))
        value = float(image.norm())
        vector = image / value
    return value


def contraction(distances: list[float]) -> float:
    """Return the factor by which the distance shrinks per step, a least-squares line through its last two thirds."""
    tail = torch.tensor(distances[len(distances) // 3 :], dtype=torch.float64).log()
    steps = torch.arange(len(tail), dtype=torch.float64)
    centered = steps - steps.mean()
    return math.exp(float((centered * tail).sum() / centered.square().sum()))

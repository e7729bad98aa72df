"""The smallest sample from which one student recovers its teacher, by bisection on a geometric grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

from experiments.sample_complexity.descent import Descent, train
from experiments.sample_complexity.teacher import Plan, draw_inputs, draw_teacher, labels, start_near

STEPS_PER_OCTAVE = 8
FEWEST, MOST = 0.5, 64.0
"""Ends of the grid, in samples per surviving weight."""


@dataclass(frozen=True)
class Found:
    """One teacher's threshold.

    Attributes:
        N: smallest size of the grid that recovers the teacher.
        r_tilde: of its mask.
        log_conditioning: log of kappa^4 Gamma^2.
        censored: whether N is an end of the grid, so that the truth may lie beyond.
    """

    N: int
    r_tilde: float
    log_conditioning: float
    censored: bool


def sizes(plan: Plan) -> list[int]:
    """Return the grid of sample sizes, rising."""
    weights = plan.K * plan.r
    steps = round(STEPS_PER_OCTAVE * math.log2(MOST / FEWEST))
    return sorted({math.ceil(weights * FEWEST * 2 ** (i / STEPS_PER_OCTAVE)) for i in range(steps + 1)})


def smallest_sample(plan: Plan, how: Descent, seed: int) -> Found:
    """Bisect over nested samples of one teacher and one start; recovery is taken to be monotone in the sample."""
    teacher = draw_teacher(plan, seed)
    grid = sizes(plan)
    start = start_near(teacher, how.distance, seed)
    low, high = -1, len(grid) - 1
    while high - low > 1:
        middle = (low + high) // 2
        inputs = draw_inputs(grid[middle], plan.d, seed)
        distances = train(teacher, inputs, labels(teacher, inputs), start, how)
        if distances[-1] <= how.tolerance:
            high = middle
        else:
            low = middle
    censored = high in {0, len(grid) - 1}
    return Found(grid[high], teacher.r_tilde, teacher.log_conditioning, censored)

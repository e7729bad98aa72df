"""Teachers g(x) = (1/K) sum_j relu(w_j . x) with a planted mask, and the samples they label."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from boundcalc.samples.conditioning import conditioning
from boundcalc.samples.zhang2021 import r_tilde

POLISHING = 300


@dataclass(frozen=True)
class Plan:
    """What a teacher looks like.

    Attributes:
        K: neurons.
        r: weights of each.
        d: inputs.
        arrangement: of the supports: ``"random"`` (each drawn on its own), ``"same"`` or ``"disjoint"`` (needs K r <= d).
        spread: ratio of the largest to the smallest norm of a neuron, norms in geometric progression.
    """

    K: int
    r: int
    d: int
    arrangement: str = "random"
    spread: float = 1.0


@dataclass(frozen=True)
class Teacher:
    """A drawn teacher.

    Attributes:
        weight: (K, d) float32, its rows nearly orthogonal, 0 off the mask.
        mask: (K, d) float32 of zeros and ones.
        r_tilde: of the mask.
        log_kappa: of the weights.
        log_gamma: of the weights.
    """

    weight: Tensor
    mask: Tensor
    r_tilde: float
    log_kappa: float
    log_gamma: float

    @property
    def log_conditioning(self) -> float:
        """Log of kappa^4 Gamma^2."""
        return 4 * self.log_kappa + 2 * self.log_gamma


def draw_teacher(plan: Plan, seed: int) -> Teacher:
    """Draw a mask and Gaussian weights on it, then move the rows towards orthogonality within the mask.

    Raises:
        ValueError: the rows that were drawn are linearly dependent.
    """
    random = torch.Generator().manual_seed(seed)
    mask = _mask(plan, random)
    weight = torch.randn(plan.K, plan.d, generator=random, dtype=torch.float64) * mask
    for _ in range(POLISHING):
        left, _, right = torch.linalg.svd(weight, full_matrices=False)
        weight = (left @ right) * mask
    norms = torch.logspace(0, -math.log10(plan.spread), plan.K, dtype=torch.float64)
    weight = torch.nn.functional.normalize(weight) * norms[:, None]
    found = conditioning(weight[None], plan.K)
    effective = r_tilde(mask.bool().numpy()[None])
    if effective is None or found.log_kappa is None or found.log_gamma is None:
        raise ValueError(f"{plan}: the teacher drawn with seed {seed} is rank-deficient")
    return Teacher(weight.float(), mask.float(), effective, found.log_kappa, found.log_gamma)


def _mask(plan: Plan, random: torch.Generator) -> Tensor:
    mask = torch.zeros(plan.K, plan.d, dtype=torch.float64)
    order = torch.randperm(plan.d, generator=random)
    for j in range(plan.K):
        if plan.arrangement == "random":
            order = torch.randperm(plan.d, generator=random)
        first = j * plan.r if plan.arrangement == "disjoint" else 0
        mask[j, order[first : first + plan.r]] = 1
    return mask


def draw_inputs(count: int, d: int, seed: int) -> Tensor:
    """Return (count, d) float32 standard Gaussian inputs; a larger `count` only appends rows."""
    random = torch.Generator().manual_seed(seed + 1_000_003)
    return torch.cat([torch.randn(1024, d, generator=random) for _ in range(-(-count // 1024))])[:count]


def labels(teacher: Teacher, inputs: Tensor) -> Tensor:
    """Return the (N,) outputs of the teacher."""
    return torch.relu(inputs @ teacher.weight.T).mean(1)


def start_near(teacher: Teacher, distance: float, seed: int) -> Tensor:
    """Return (K, d) weights within the mask at `distance` ||W*||_F from the teacher's, in a random direction."""
    random = torch.Generator().manual_seed(seed + 2_000_003)
    away = torch.randn(teacher.weight.shape, generator=random) * teacher.mask
    return teacher.weight + away * (distance * teacher.weight.norm() / away.norm())

"""Bound the complexity of the loss class by covers of the layers and a few levels of chaining.

Layer l's outputs on the sample lie, up to a fixed shift, in R_l times the hull of 2 W_l atoms of Frobenius norm at most 1. A change
of these outputs changes the loss by at most Ct_l / R_l times as much (root mean square). Cover layer l to the share a_l of eps,
where the a_l sum to at most 1; together these covers are a cover of the loss class (docs/theory/toeplitz.md, theorem 3):

    log N(eps) <= sum_l log C(2 W_l + k_l - 1, k_l),   k_l = ceil((Ct_l / (a_l eps) - 1)^2), 0 where Ct_l <= a_l eps.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from boundcalc.norms.rounding import LIBM, LOG2, exp_up, log_product, log_up, logsumexp
from boundcalc.rademacher.maurey_chaining import Chained, chained, log_cover

Shares = Callable[[Mapping[str, float], Mapping[str, int]], dict[str, float]]
"""log Ct_l at gamma = 1 and W_l -> log a_l."""

TRIVIAL = 0.5
"""The largest complexity of a class of functions into [0, 1]; a larger value of a formula shows how far it is from a useful bound."""

STEPS = 12
"""Number of resolutions per factor of 10."""

MOST_STEPS = 40 * STEPS
"""Number of resolutions tried below the one at which no covering is needed."""

LARGE = 14.0
"""Log of r / eps above which the number of a layer's multisets is replaced by an upper bound."""


def by_distance(capacities: Mapping[str, float], atoms: Mapping[str, int]) -> dict[str, float]:
    """Return shares in proportion to (Ct_l^2 log 2 W_l)^{1/3}; they minimize sum_l (Ct_l / (a_l eps))^2 log 2 W_l >= log N."""
    return _parts_of({
        name: log_product([2 / 3 * value, math.log(math.log(2 * atoms[name])) / 3])
        for name, value in capacities.items()
    })  # fmt: skip


def by_weights(capacities: Mapping[str, float], atoms: Mapping[str, int]) -> dict[str, float]:
    """Return shares in proportion to W_l of the layers that affect the output; they minimize sum_l 2 W_l log(Ct_l / (a_l eps))."""
    return _parts_of({
        name: math.log(atoms[name]) if value > -math.inf else -math.inf for name, value in capacities.items()
    })  # fmt: skip


def _parts_of(logs: Mapping[str, float]) -> dict[str, float]:
    whole = logsumexp(list(logs.values()))
    return {name: value - whole if value > -math.inf else value for name, value in logs.items()}


def log_multisets(log_ratio: float, atoms: int) -> float:
    """Return the log of the size of Maurey's cover of a layer, from above.

    Args:
        log_ratio: log of r / eps.
        atoms: number n >= 2 of atoms, negatives included.

    Example:
        >>> log_multisets(-1.0, 10), round(log_multisets(math.log(1.9), 10), 4)
        (0.0, 2.3026)
        >>> math.isfinite(log_multisets(500.0, 10))
        True
    """
    if log_ratio <= LARGE:
        return log_cover(exp_up(log_product([log_ratio])), atoms)
    by_power = exp_up(log_product([2 * log_ratio, math.log(math.log(atoms))]))
    by_count = (atoms - 1) * (1 + logsumexp([0.0, log_product([2 * log_ratio, -math.log(atoms - 1)])]))
    return min(by_power, by_count)


@dataclass(frozen=True, eq=False)
class Covers:
    """Sizes of covers of a loss class at margin 1, for each resolution.

    Attributes:
        log_ratios: layer -> log of Ct_l / a_l at margin 1, for the layers that affect the output.
        atoms: layer -> W_l, its number of weights and biases.
        m: number of samples.
    """

    log_ratios: Mapping[str, float]
    atoms: Mapping[str, int]
    m: int
    _known: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, capacities: Mapping[str, float], atoms: Mapping[str, int], shares: Shares, m: int) -> Covers:
        """Return the covers for given log Ct_l at margin 1, where `shares` divides eps among the layers."""
        parts = shares(capacities, atoms)
        ratios = {
            name: log_product([value, -parts[name]])
            for name, value in capacities.items()
            if value > -math.inf
        }
        return cls(ratios, atoms, m)

    def log_size(self, step: int) -> float:
        """Return log N(eps) for eps = 10^(-step / STEPS) at margin 1, from above."""
        if step not in self._known:
            log_eps = -step * math.log(10) / STEPS
            self._known[step] = math.fsum(
                log_multisets(ratio - log_eps, 2 * self.atoms[name])
                for name, ratio in self.log_ratios.items()
            ) * (1 + 2.0**-50)
        return self._known[step]

    def log_complexity(self, log_gamma: float) -> float:
        """Return the log of a bound of R of the ramp-loss class at a margin, from above; -inf for a class of one function.

        If chaining gives less than 1/2, the bound is that of chaining; otherwise it is that of one level at the best eps, which
        shows how rich the class is. It is never above 2^(3/4) sqrt(q / gamma), the bound of one level with
        log N(eps) <= q^2 m / eps^2.
        """
        if not self.log_ratios:
            return -math.inf
        plain = log_product([0.75 * LOG2, 0.5 * self._log_q, -0.5 * log_gamma])
        found = self.chained(log_gamma)
        if found is not None and found.value < TRIVIAL:
            return min(plain, log_up(found.value, 1))
        return min(plain, self._one_level(log_gamma))

    def chained(self, log_gamma: float) -> Chained | None:
        """Return the best chain of resolutions below 1; None if the covers are so large that no chain gives a bound below 1."""
        first = math.ceil(-log_gamma * STEPS / math.log(10))
        log_largest = -first * math.log(10) / STEPS - log_gamma
        if self.log_size(first) > 2 * self.m and self.log_size(first + 1) > 2 * self.m:
            return None
        largest = math.exp(log_largest)

        def covers(eps: float) -> float:
            return self.log_size(first + round((log_largest - math.log(eps)) * STEPS / math.log(10)))

        return chained(covers, self.m, steps=STEPS, largest=largest)

    def _one_level(self, log_gamma: float) -> float:
        """Return log min over eps of eps + sqrt(log N(eps) / (2 m)), from above.

        With the step, the first term falls and the second rises, so the smallest sum is near the step where they are equal. The
        search in a direction ends as soon as one term alone exceeds the smallest sum so far.
        """

        def terms(step: int) -> tuple[float, float]:
            log_eps = -step * math.log(10) / STEPS
            cover = 0.5 * log_product([log_up(self.log_size(step), 1), -math.log(2 * self.m)])
            return log_eps + LIBM * abs(log_eps) - log_gamma, cover

        top = math.floor(-max(self.log_ratios.values()) * STEPS / math.log(10))
        steps = range(top, top + MOST_STEPS)
        meet = bisect_left(steps, True, key=lambda step: operator.lt(*terms(step)))
        best = math.inf
        for side, alone in ((steps[meet:], 1), (steps[:meet][::-1], 0)):
            for step in side:
                found = terms(step)
                best = min(best, float(np.logaddexp(*found)))
                if found[alone] > best:
                    break
        return best + LIBM * (8 + 2 * abs(best) + abs(log_gamma))

    @cached_property
    def _log_q(self) -> float:
        """Log of q at margin 1, where sqrt(m) q = (sum_l (Ct_l / a_l)^2 log 2 W_l)^(1/2)."""
        parts = [
            log_product([2 * ratio, math.log(math.log(2 * self.atoms[name]))])
            for name, ratio in self.log_ratios.items()
        ]
        return log_product([0.5 * logsumexp(parts), -0.5 * math.log(self.m)])

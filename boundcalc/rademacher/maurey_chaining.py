"""Covering numbers of sparse averages (Maurey) and chaining with few levels, for the covering bounds of kind loss.

Lemma (Maurey, with a shrunken average). Let U = sum_j alpha_j V_j with alpha >= 0, sum alpha <= 1, and V_1..V_n from a symmetric
finite set in a Hilbert space with ||V_j|| <= r. For every k >= 1 there are k of the V_j, repetitions allowed, whose sum divided by
k + sqrt k is within r / (1 + sqrt k) of U. So {U} has an eps-cover of C(n + k - 1, k) <= n^k elements, k = ceil((r/eps - 1)^2); if
eps >= r, the single element 0 is a cover. In both cases log N <= (r/eps)^2 log n.

Proof. Draw V^1..V^k by alpha (if alpha sums to less than 1, the rest is split between a V and its negative). The sum c sum V^t has
mean c k U and squared error (1 - c k)^2 ||U||^2 + c^2 k (E||V||^2 - ||U||^2), which is linear in ||U||^2 and therefore at most
max(c^2 k, (1 - c k)^2) r^2; both equal r^2 / (1 + sqrt k)^2 at c = 1/(k + sqrt k). (The plain average, c = 1/k, has error
r / sqrt k: Zhang 2002; Bartlett, Foster & Telgarsky 2017, Lemma A.6.) The order of the draws does not matter, so the elements are
multisets. (sqrt q - 1)^2 + 1 <= q for q >= 1 gives k <= (r/eps)^2.

Lemma (few levels). Let H be functions with values in [0, 1] and N(eps) the covering numbers of their vectors on the sample in the
norm (mean of squares)^(1/2), with covers clipped to [0, 1]. For any eps_1 > ... > eps_J > 0:

    R_S(H) <= eps_J + sqrt(log N(eps_1) / (2m)) + sum_{j >= 2} (eps_j + eps_{j-1}) sqrt(2 log N(eps_j) / m).

Proof. Subtract 1/2. Map h to its nearest h_J; for each element of a cover choose one function of H within eps_j of it (drop the
element if there is none) and map the element to the point of the next coarser cover that is nearest to that function. So every step
is a function of the finer point: there are N(eps_j) differences, each of norm at most eps_j + eps_{j-1}, and Massart's lemma applies
to each step; the coarsest points have entries in [-1/2, 1/2] and norm at most 1/2. (The usual chaining counts pairs, N_j N_{j-1}.)

The eps_j are free: the class is fixed, and the inequality holds for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from boundcalc.norms.rounding import LIBM, up


def sparsity(ratio: float) -> int:
    """Return k = ceil((r/eps - 1)^2), the number of atoms in an element of the cover; 0 if eps >= r.

    Args:
        ratio: r / eps, rounded up.

    Example:
        >>> sparsity(0.5), sparsity(1.9), sparsity(9.9)
        (0, 1, 80)
    """
    return max(0, math.ceil((ratio - 1) ** 2 * (1 + LIBM))) if ratio > 1 else 0


def log_cover(ratio: float, atoms: int) -> float:
    """Return log C(n + k - 1, k), the log size of Maurey's cover, rounded up.

    Args:
        ratio: r / eps, rounded up.
        atoms: number n of atoms, negatives included; 2 W for the entries of a matrix with W weights.

    Example:
        >>> log_cover(1.0, 10), round(log_cover(1.9, 10), 4)
        (0.0, 2.3026)
    """
    k = sparsity(ratio)
    if k == 0 or atoms <= 1:
        return 0.0
    exact = math.lgamma(atoms + k) - math.lgamma(k + 1) - math.lgamma(atoms)
    rounding = 32 * LIBM * (math.lgamma(atoms + k) + 1)
    return min(exact + rounding, k * math.log(atoms) * (1 + 4 * LIBM))


@dataclass(frozen=True)
class Chained:
    """A bound by chaining, and its levels.

    Attributes:
        value: upper bound of R_S(H).
        levels: the levels eps_1 > ... > eps_J.
    """

    value: float
    levels: tuple[float, ...]


def chained(
    log_cover_of: Callable[[float], float],
    m: int,
    finest: float = 1e-6,
    steps: int = 12,
    largest: float = 1.0,
) -> Chained:
    """Return the best bound with all eps_j on a geometric grid, found by dynamic programming; it is never above 1/2.

    Args:
        log_cover_of: maps eps to an upper bound of log N(eps); decreasing in eps.
        m: number of samples.
        finest: smallest eps tried.
        steps: grid points per factor of 10.
        largest: largest eps tried.

    Example:
        >>> round(chained(lambda eps: 0.05**2 * 60_000 / eps**2, 60_000, steps=100).value, 2)
        0.38
    """
    count = math.ceil(-math.log10(finest) * steps)
    grid = [largest * 10.0 ** (-k / steps) for k in range(count + 1)]
    logs = [max(0.0, log_cover_of(eps)) for eps in grid]
    reach: list[float] = []
    origin: list[int] = []
    best, last = 0.5, -1
    for j, eps in enumerate(grid):
        cost, back = math.sqrt(logs[j] / (2 * m)), -1
        spread = math.sqrt(2 * logs[j] / m)
        if spread >= 1:
            break
        for i in range(j):
            chained_cost = reach[i] + (eps + grid[i]) * spread
            if chained_cost < cost:
                cost, back = chained_cost, i
        reach.append(cost)
        origin.append(back)
        if eps + cost < best:
            best, last = eps + cost, j
    levels: list[float] = []
    while last >= 0:
        levels.append(grid[last])
        last = origin[last]
    return Chained(up(best, 4 * len(grid)) * (1 + 8 * LIBM), tuple(reversed(levels)))

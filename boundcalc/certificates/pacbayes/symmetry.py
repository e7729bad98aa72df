"""What the order of hidden units gives back: networks that differ in it alone are one function.

Let K units of a layer be drawn from Q = Q_1 x ... x Q_K and then put in an order that is drawn uniformly. The law of the result is

    Q'(h) = 1 / K! sum_s prod_i Q_i(h_{s(i)}) = perm(M) / K!,      M_ij = Q_i(h_j),

while P, the error and the laws of all later layers, which are carried along, do not depend on the order. With R_ij = M_ij / M_jj
the permanent of R is at most the product of its row sums, so that

    log Q'(h) <= log Q(h) + sum_i log(sum_j R_ij) - log K!.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from boundcalc.certificates.pacbayes.tables import Law
from boundcalc.norms.rounding import LGAMMA, LIBM
from boundcalc.occam.coder import log2_factorial


def order_bits(values: NDArray[np.int64], posterior: Law, units: NDArray[np.int64], count: int) -> float:
    """Return log2 of Q'(h) / Q(h) from above: nearly minus log2 K! where no two units are alike.

    Args:
        values: (n,) int64, the layer's lattice points.
        posterior: their laws.
        units: (K, p) int64, the places in `values` of each unit's numbers, in one arrangement for all.
        count: K.
    """
    if count < 2:
        return 0.0
    logs = np.empty((count, count))
    for shift in range(count):
        moved = np.empty_like(values)
        moved[units] = values[units[(np.arange(count) + shift) % count]]
        masses = posterior.masses(moved)
        with np.errstate(divide="ignore"):
            logs[np.arange(count), shift] = np.log2(masses[units].astype(np.float64)).sum(1)
    # logs[i, shift] is log2 of Q_i at unit i + shift; against Q_j there, j = i + shift
    target = (np.arange(count)[:, None] + np.arange(count)) % count
    own = logs[:, 0]
    rows = np.logaddexp2.reduce(logs - own[target], axis=1)
    slack = 4 * LIBM * 64 * units.shape[1] * (units.shape[1] + count)
    extra = math.fsum(rows.tolist()) + count * slack
    return extra - log2_factorial(count) * (1 - LGAMMA)

"""The confidence term of a bound that uses an empirical Rademacher complexity: 2 sqrt(log(1/delta) / (2m)).

Lemma. Let H be a class of functions with values in [0, 1], S an iid sample of size m, R_S(H) = (1/m) E_xi sup_h sum_i xi_i h(z_i).
With probability at least 1 - delta, for every h in H:

    E h <= (1/m) sum_i h(z_i) + 2 R_S(H) + 2 sqrt(log(1/delta) / (2m)).

Proof. Phi(S) = m sup_h (E h - mean_S h) - 2 m R_S(H) changes by at most 2 when one z_j changes. To see this, fix the other samples.
The first term is sup_h (a(h) - h(z_j)) and lies in [sup a - 1, sup a]. In the second write h = 1/2 + g with |g| <= 1/2: the
constant has mean 0, and averaging over xi_j gives a number between E sup_g B(g) (convexity) and E sup_g B(g) + 1/2, where B(g) is
the sum over the other samples; so 2 m R_S lies in an interval of length 1. E Phi <= 0 by symmetrization. McDiarmid's inequality
with differences 2 gives P(Phi > t) <= exp(-2 t^2 / (4 m)); take t = sqrt(2 m log(1/delta)). (Bartlett & Mendelson 2002 treat the
two terms separately, at delta/2 each, which gives 3 and log(2/delta).)
"""

from __future__ import annotations

import math

from boundcalc.norms.rounding import up


def confidence(delta: float, bits: float, m: int) -> float:
    """Return 2 sqrt(log(1 / (delta 2^-bits)) / (2m)), rounded up.

    Args:
        delta: failure probability of the whole bound.
        bits: price in bits of everything chosen after seeing the sample.
        m: number of samples.

    Example:
        >>> round(confidence(0.05, 0.0, 10_000), 5)
        0.02448
    """
    return up(2.0 * math.sqrt((bits * math.log(2.0) - math.log(delta)) / (2.0 * m)), 16)


def confidence_as_published(delta: float, bits: float, m: int) -> float:
    """Return 3 sqrt(log(2 / (delta 2^-bits)) / (2m)), rounded up (Bartlett & Mendelson 2002, Theorem 8)."""
    return up(3.0 * math.sqrt(((1.0 + bits) * math.log(2.0) - math.log(delta)) / (2.0 * m)), 16)

"""The test-set bound: the exact tail of a binomial distribution, inverted (Clopper & Pearson 1934; Langford 2005, Theorem 3.3).

A network that did not see the test set, and nothing of which was chosen by it, errs on each of m test samples with probability
p = err, independently. Let k be the number of errors and

    P(p) = P(Bin(m, p) <= k),      value = the largest p with P(p) >= delta.

P falls with p, so err above the value at the k that was drawn means that P(Bin(m, err) <= k) < delta. The k for which that holds are
0, ..., k_0 for some k_0, and their probability under Bin(m, err) is P(Bin(m, err) <= k_0) < delta. So err <= value with probability
at least 1 - delta. No complexity, no prior, no margin: the yardstick beside every other certificate.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betaincinv, gammaln

from boundcalc.norms.rounding import LGAMMA, LIBM, log_product, log_up

SOURCE = "exact binomial tail (Clopper & Pearson 1934; Langford 2005, Theorem 3.3)"
ASSUMPTIONS = (
    "test samples are iid, from the distribution whose error is bounded",
    "nothing of the network was chosen by the test set: the best of K networks costs delta / K",
    "errors are counted in float64; a tie counts as an error",
)
_FIRST_STEP = 1e-13
SMALL = 1e-6


def error_bound(errors: int, m: int, delta: float, bits: float = 0.0) -> float:
    """Return the largest p with P(Bin(m, p) <= errors) >= delta, from above.

    A first guess comes from the incomplete beta function; it is raised until the tail there, with what rounding may add to it, is
    proved to be below delta.

    Args:
        errors: test samples in error, 0..m.
        m: test samples, at least 1.
        delta: probability of failure.
        bits: of a prefix code, fixed before the test set, for what was chosen by it; delta is multiplied by 2^-bits.

    Example:
        >>> round(error_bound(292, 10_000, 0.05), 4), error_bound(7, 7, 0.05)
        (0.0321, 1.0)
    """
    delta *= 2.0**-bits * (1 - 2 * LIBM) if bits else 1.0
    if errors == m or not delta:
        return 1.0
    guess, step = _guess(errors, m, delta), _FIRST_STEP
    value = guess
    while value < 1.0:
        if _log_tail(errors, m, value) <= math.log(delta) * (1 + 2 * LIBM):
            return value
        value = min(1.0, guess * (1 + step) if guess > 0 else step)
        step *= 2
    return 1.0


def _guess(errors: int, m: int, delta: float) -> float:
    """Return the root up to rounding: P(Bin(m, p) > k) = I_p(k + 1, m - k), or its complement where 1 - delta would round."""
    if delta > SMALL:
        return float(betaincinv(errors + 1, m - errors, 1.0 - delta))
    return 1.0 - float(betaincinv(m - errors, errors + 1, delta))


def _log_tail(errors: int, m: int, p: float) -> float:
    """Return log P(Bin(m, p) <= errors) from above, for 0 < p < 1.

    Each term is a sum of five logarithms, each off by LGAMMA of its size at most; adding them takes four roundings more.
    """
    if not 0 < p < 1:
        return 0.0 if p <= 0 else -math.inf
    i = np.arange(errors + 1, dtype=np.float64)
    parts = np.stack([
        np.full_like(i, gammaln(m + 1)), -gammaln(i + 1), -gammaln(m - i + 1), i * math.log(p), (m - i) * math.log1p(-p),
    ])  # fmt: skip
    logs = parts.sum(0) + (LGAMMA + LIBM) * np.abs(parts).sum(0)
    top = float(logs.max())
    return log_product([top, log_up(float(np.exp(logs - top).sum()), errors + 16)])

"""The binary relative entropy and an upper bound on its inverse."""

from __future__ import annotations

import math

from boundcalc.norms.rounding import LIBM, up


def _divergence(q: float, excess: float) -> tuple[float, float]:
    """Return kl(q || q + excess) and the sum of the absolute values of its two terms, for 0 <= excess < 1 - q."""
    first = -q * math.log1p(excess / q) if q > 0 else 0.0
    second = -(1 - q) * math.log1p(-excess / (1 - q))
    return first + second, abs(first) + abs(second)


def kl_inverse(errors: float, m: int, bound: float) -> float:
    """Return an upper bound, accurate to a few units in the last place, on the largest p with kl(errors / m || p) <= bound.

    The bisection drops the upper half of the interval only if the divergence certainly exceeds the bound. Each of its terms
    has a relative error of at most LIBM plus 2u. An error of 3u in the quotient inside log1p amounts to evaluating the term
    at an excess moved by 3u: for the first term at most 3u of its size, for the second at most 4u of 1 in p, which the last
    factor covers.

    Args:
        errors: number of samples in error, 0..m; may be fractional if a bound replaces the error.
        m: number of samples.
        bound: nats per sample, >= 0.

    Example:
        >>> abs(kl_inverse(0, 100, 0.5) - (1 - math.exp(-0.5))) < 2e-15
        True
    """
    q = errors / m
    if errors == m or bound == math.inf:
        return 1.0
    low, high = 0.0, 1.0 - q
    while True:
        middle = 0.5 * (low + high)
        if middle <= low or middle >= high:
            break
        value, size = _divergence(q, middle) if middle < 1 - q else (math.inf, 0.0)
        if value - 2 * LIBM * size >= bound:
            high = middle
        else:
            low = middle
    return min(1.0, (q + high) * (1 + 2 * LIBM))


def certificate(errors: int, m: int, bits: float, delta: float) -> float:
    """Return the bound on the error that holds for all codewords at once with probability 1 - delta (Chernoff, union over
    codewords).

    Args:
        errors: number of training samples in error.
        m: number of training samples.
        bits: length of the codeword: log2 of the inverse of its prior probability.
        delta: probability of failure.

    Returns:
        An upper bound on the largest err with kl(errors / m || err) <= (bits log 2 + log(1 / delta)) / m.
    """
    return kl_inverse(errors, m, up((bits * math.log(2.0) - math.log(delta)) / m, 8))

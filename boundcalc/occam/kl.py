"""The binary relative entropy and its inverse, from above."""

from __future__ import annotations

import math

from boundcalc.norms.rounding import LIBM, up


def _divergence(q: float, excess: float) -> tuple[float, float]:
    """Return kl(q || q + excess) and the sum of the sizes of its two terms, for 0 <= excess < 1 - q."""
    first = -q * math.log1p(excess / q) if q > 0 else 0.0
    second = -(1 - q) * math.log1p(-excess / (1 - q))
    return first + second, abs(first) + abs(second)


def kl_inverse(errors: float, m: int, bound: float) -> float:
    """Return the largest p with kl(errors / m || p) <= bound, from above and to a few units of the last place.

    A half of the interval is left only where the divergence exceeds the bound for certain. Its terms are off by LIBM and 2u. That of
    the quotient inside log1p by 3u is the term at an excess moved by 3u: for the first term at most 3u of its size, for the second
    at most 4u of 1 in p, which the last factor covers.

    Args:
        errors: samples in error, 0..m; any number where a bound on an error stands for the error.
        m: samples.
        bound: nats a sample, >= 0.

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
    """Return the error that holds with probability 1 - delta for every codeword at once (Chernoff, union over codewords).

    Args:
        errors: training samples in error.
        m: training samples.
        bits: length of the codeword, log2 of one over its prior probability.
        delta: probability of failure.

    Returns:
        The largest err with kl(errors / m || err) <= (bits log 2 + log(1 / delta)) / m, from above.
    """
    return kl_inverse(errors, m, up((bits * math.log(2.0) - math.log(delta)) / m, 8))

"""The theorem of picking: how the error of a network is bounded by the number of examples that it depends on.

Setting. S is a sample of N independent examples z, each with a random number of its own that orders equals. A procedure
fixed before S picks a part T of S in rounds, always the examples of highest score under the network trained so far,
trains on T alone, and ends with a network h. Let E be the examples outside T that h gets wrong, c(S) = T and E together,
k = |c(S)|.

Theorem. For every choice, fixed before S, of weights lambda_0, ..., lambda_{N-1} >= 0 with sum delta:   P( err(h) >
eps(k) ) <= delta, where eps(N) = 1 and, for k < N, eps(k) is the root in (0, 1) of

    sum_{n=k}^{N-1} lambda_n C(n, k) / C(N, k) (1 - eps)^{-(N-n)} = 1.

Proof. (i) If c(S) is part of S' and S' part of S, then c(S') = c(S): an example that was never picked was never above
one that was, so taking it away changes no round; nor was it in E. (ii) If c(U + z_1) = c(U + z_2) = U for examples z_1,
z_2, then c(U + z_1 + z_2) = U, since neither is picked before the other appears, and h, which is the same, errs on
neither. (iii) If h errs on a new example z, then z is picked or joins E, so c(S + z) is not c(S). Hence err(h) <=
phi(c(S)) with phi(U) = P(c(U + z) != U). Let F_k be the law of phi(z_1..z_k) on the event c(z_1..z_k) = all of them. By
(i), (ii) and exchangeability, P(|c(S_n)| = k, phi in B) = C(n, k) int_B (1 - phi)^{n-k} dF_k for samples S_n of every
size n >= k; the sum over k of the whole is 1 for every n. Multiply by lambda_n and add over n < N: delta = sum_k int
sum_n lambda_n C(n, k) (1 - phi)^{n-k} dF_k. Where phi > eps(k) the inner sum is at least C(N, k) (1 - phi)^{N-k}, whose
integral is P(|c(S)| = k, phi > eps(k)).

Sources: Campi & Garatti 2023 (Compression, generalization and learning; the preference property (i) and this argument);
Paccagnan, Campi & Garatti 2023 (The Pick-to-Learn algorithm).
"""

from __future__ import annotations

import math

import numpy as np

from boundcalc.norms.rounding import LIBM, UNIT, slack

SPREAD = (0.90, 0.97)
"""lambda is uniform over the sample sizes n between these shares of N; fixed here, before any sample. At N = 60,000 the
bound is then within 0.5 % of the best single n for k near 1,000, and within 3 % of the exact binomial tail of k errors."""
_MOST = 2_000_000


def error_bound(size: int, samples: int, delta: float, bits: float = 0.0) -> float:
    """Return eps(k): with probability at least 1 - delta over the sample, the network's 0-1 error is at most this.

    Args:
        size: k, the picked examples and those of the others that the network gets wrong.
        samples: N, examples in the sample.
        delta: failure probability.
        bits: of a prefix code, fixed before the sample, for everything that was chosen after seeing it; lambda is
            multiplied by 2^-bits.

    Returns:
        The bound, from above; 1 for size = samples.

    Raises:
        ValueError: a size outside 0..samples, no or more than two million samples, delta outside (0, 1), or negative bits.

    Example:
        >>> round(error_bound(1500, 60_000, 0.05), 4)
        0.0267
    """
    if not 0 <= size <= samples or not 1 <= samples <= _MOST:
        raise ValueError(f"{size} of {samples} examples: give 0 <= size <= samples, 1 <= samples <= {_MOST}")
    if not 0 < delta < 1 or not 0 <= bits < math.inf:
        raise ValueError(f"delta {delta}, bits {bits}: give 0 < delta < 1 and bits >= 0")
    if size == samples:
        return 1.0
    sizes = np.arange(samples)[weighted(samples)]
    log_lambda = math.log(delta) - bits * math.log(2.0) - math.log(len(sizes))
    sizes = sizes[sizes >= size]
    if not len(sizes):
        return 1.0
    log_ratios = _log_ratios(size, samples)[sizes - size]
    missing = (samples - sizes).astype(np.float64)

    largest = float(np.abs(log_ratios).max())
    summed = 2 * UNIT * (samples - float(sizes[0]) + 32) * (1.0 + largest)

    def reaches_one(eps: float) -> bool:
        """Tell whether the theorem's sum at eps < 1 is at least 1 for certain.

        Each logarithm of a ratio is a running sum of at most N - n terms of one sign, off by (N - n + 8) u of its size. The rest
        of an exponent is a product and two additions of numbers of the sizes that are added up here.
        """
        powers = missing * math.log1p(-eps)
        exponents = log_lambda + log_ratios - powers
        top = float(exponents.max())
        rest = 2 * LIBM * (4.0 + abs(log_lambda) + largest + float(np.abs(powers).max())) + slack(len(sizes))
        return top + math.log(float(np.exp(exponents - top).sum())) >= summed + rest

    low, high = 0.0, 1.0
    while high - low > 1e-15 + 1e-9 * high:
        middle = 0.5 * (low + high)
        if reaches_one(middle):
            high = middle
        else:
            low = middle
    return high


def weighted(samples: int) -> slice:
    """Return the sample sizes n with lambda_n > 0, at least one of them, as a slice of 0..samples - 1.

    Example:
        >>> weighted(60_000), weighted(1)
        (slice(54000, 58200, None), slice(0, 1, None))
    """
    first = min(samples - 1, math.floor(SPREAD[0] * samples))
    return slice(first, max(first + 1, math.floor(SPREAD[1] * samples)))


def _log_ratios(size: int, samples: int) -> np.ndarray:
    """Return log C(n, k) / C(N, k) for n = k..N-1: the product of (j + 1 - k) / (j + 1) over j = n..N-1."""
    steps = np.log1p(-size / (np.arange(size, samples, dtype=np.float64) + 1.0))
    return np.cumsum(steps[::-1])[::-1]

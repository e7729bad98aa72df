"""Lower confidence limits for the attacks.

Complexities. The values v_j >= 0 found for independent draws of signs are at most the suprema, so that
E v_j <= R_S. If R_S <= c, then for every fixed lambda in [0, 1] the capital prod_j (1 + lambda (v_j / c - 1)) is
non-negative with mean at most 1, and so is the average of several such capitals: it reaches 1/alpha with
probability at most alpha (Markov), at any time (Ville). The lower limit is the largest c at which the capital
reaches 1/alpha. Only v_j >= 0 is used (Waudby-Smith & Ramdas 2024, Estimating means of bounded random variables
by betting).

Coverage. If each independent training set fails with probability at most delta, the number of failures is
stochastically dominated by a binomial; the lower limit is Clopper & Pearson's (1934).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

BETS = (0.25, 0.5, 0.75, 1.0)


def log_capital(values: Sequence[float], claimed: float) -> float:
    """Return the log of the average capital won by betting against a mean of at most `claimed`.

    Args:
        values: non-negative values from independent draws.
        claimed: claimed upper bound of the mean, > 0.

    Example:
        >>> round(log_capital([2.0, 2.0], 1.0), 6) == round(math.log((1.5625 + 2.25 + 3.0625 + 4.0) / 4), 6)
        True
    """
    logs = []
    for bet in BETS:
        factors = [1.0 + bet * (value / claimed - 1.0) for value in values]
        logs.append(math.fsum(map(math.log, factors)) if min(factors) > 0 else -math.inf)
    top = max(logs)
    return top if top == -math.inf else top + math.log(math.fsum(math.exp(x - top) for x in logs) / len(logs))


def lower_limit(values: Sequence[float], alpha: float) -> float:
    """Return a lower limit of the mean of non-negative values that exceeds the mean with probability at most `alpha`.

    Example:
        >>> 0.9 < lower_limit([1.0] * 200, 0.01) < 1.0
        True
    """
    low, high = 0.0, max(values, default=0.0)
    if high == 0.0:
        return 0.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if log_capital(values, middle) >= -math.log(alpha):
            low = middle
        else:
            high = middle
    return low


def share_lower_limit(failures: int, trials: int, alpha: float) -> float:
    """Return the Clopper-Pearson lower limit of a probability.

    Args:
        failures: number of failures among `trials`.
        trials: number of independent trials, at least 1.
        alpha: probability that the limit is above the truth.

    Example:
        >>> share_lower_limit(0, 10, 0.05), round(share_lower_limit(10, 10, 0.05), 6) == round(0.05 ** 0.1, 6)
        (0.0, True)
    """
    from scipy.stats import beta

    return 0.0 if failures == 0 else float(beta.ppf(alpha, failures, trials - failures + 1))

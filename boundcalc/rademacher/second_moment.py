"""The last step of a peeling: the second moment of the largest sum of signs over several sets of inputs.

Setting. A class is peeled down to sets of inputs S, each with a multiplier M_S: for every convex nondecreasing G >= 0 with G(0) = 0

    E G(Z) <= e^K sum_S E G(M_S ||sum_i xi_i x_i restricted to S||),

where K is the sum of the logs of the factors of ReLUs and maxima (`relu_cost`). This module bounds (E Z^2)^(1/2), hence E Z.

Form A uses only the energies E_S = sum_i ||x_i on S||^2:

    (E Z^2)^(1/2) <= inf_lambda (1/lambda) arccosh(1 + e^K sum_S [exp(lambda^2 M_S^2 E_S / 2) - 1]).

Proof. Take G(x) = cosh(lambda x) - 1. In a Hilbert space E cosh(||sum xi_i v_i||) <= prod_i cosh(||v_i||) <= exp(sum ||v_i||^2 /
2): given the others, ||u + xi v||^2 = A + xi B with |B| <= 2 ||u|| ||v||, and cosh(sqrt(.)) is convex, so the mean over xi is
largest at |B| = 2 ||u|| ||v||, where it is cosh||u|| cosh||v|| (the argument of Pinelis 1994). cosh(lambda sqrt(.)) is convex and
increasing, so by Jensen cosh(lambda (E Z^2)^(1/2)) <= E cosh(lambda Z). As lambda goes to 0 the bound is (e^K sum M_S^2
E_S)^(1/2), for large lambda about M (2 E (K + log(2 #sets)))^(1/2).

Form B uses the singular values sigma_k of the sample on S (all but the largest may be replaced by upper bounds whose squares sum
to E_S or more):

    E Z^2 <= inf_s (1/s) log(1 + e^K sum_S [prod_k (1 - 2 s M_S^2 sigma_k(S)^2)^(-1/2) - 1]).

Proof. Take G(x) = exp(s x^2) - 1; E exp(s ||X^T xi||^2) = E_g E_xi exp(sqrt(2 s) <X g, xi>) <= E_g exp(s ||X g||^2), which is the
product. Apply Jensen's inequality for exp. Form B is smaller if the energy is spread over many directions.

Both forms hold for standard normals g_i in place of the signs: given |g_i| they are signs, and E cosh(|g| t) = exp(t^2 / 2).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from boundcalc.norms.rounding import LIBM, LOG2, log_product, slack

Array = NDArray[np.float64]
_FINE = 5
"""Halvings of the search step for lambda or s; any value gives a bound."""
_ENTRIES = 2**20
_REMEMBERED = 4096
"""Largest number of distinct energies for which a result is cached: a search over peelings asks for most of them repeatedly."""


def log_root_second_moment(log_energies: Array, log_factor: float, spectrum: Array | None = None) -> float:
    """Return an upper bound of log (E Z^2)^(1/2), the smaller of the two forms.

    Args:
        log_energies: log(M_S^2 E_S) for each set; -inf for a set without energy.
        log_factor: exponent K >= 0.
        spectrum: upper bounds of M_S^2 sigma_k(S)^2, (sets, r), divided by the largest M_S^2 E_S; None if they are not known.

    Returns:
        The log of the bound; -inf if no set has energy.

    Example:
        >>> import numpy as np
        >>> bound = log_root_second_moment(np.zeros(1), math.log(1.5))
        >>> round(math.exp(2 * bound), 6)
        1.5
    """
    alive = np.asarray(log_energies, dtype=np.float64)
    alive = alive[alive > -math.inf]
    if not alive.size:
        return -math.inf
    top = float(alive.max())
    shares, counts = np.unique(np.exp(alive - top), return_counts=True)
    if shares.size <= _REMEMBERED:
        found = _known_form_a(shares.tobytes(), counts.astype(np.float64).tobytes(), log_factor)
    else:
        found = _form_a(shares, counts.astype(np.float64), log_factor)
    if spectrum is not None:
        found = min(found, _form_b(spectrum, log_factor))
    return log_product([0.5 * top, found])


@functools.lru_cache(maxsize=512)
def _known_form_a(shares: bytes, counts: bytes, log_factor: float) -> float:
    return _form_a(np.frombuffer(shares), np.frombuffer(counts), log_factor)


def _form_a(shares: Array, counts: Array, log_factor: float) -> float:
    """Return the log of form A for energies `shares` <= 1, each occurring `counts` times."""
    sets = float(counts.sum())
    limit = 0.5 * (log_factor + math.log(float((shares * counts).sum())) + slack(shares.size) + 8 * LIBM)

    def at(log_lambda: float) -> float:
        half_square = 0.5 * math.exp(2 * log_lambda)
        terms = half_square * shares
        peak = float(terms.max())
        small = np.exp(terms - peak) * -np.expm1(-terms) * counts  # (exp(t) - 1) e^-peak
        log_sum = log_factor + peak + math.log(float(small.sum()))
        return math.log(_arccosh_of_1_plus_exp(log_sum)) - log_lambda

    start = 0.5 * math.log(2 * (log_factor + math.log(sets) + 1))
    found = _lowest(at, start) + 4 * LIBM * (8 + abs(log_factor) + math.log(sets)) + slack(shares.size)
    return min(limit, found)


def _form_b(spectrum: Array, log_factor: float) -> float:
    """Return half the log of form B for spectra scaled so that the largest energy is 1."""
    largest = float(spectrum.max())
    if largest <= 0:
        return math.inf
    step = max(1, _ENTRIES // spectrum.shape[1])

    def at(logit: float) -> float:
        s = 1 / (2 * largest) / (1 + math.exp(-logit))
        logs = np.concatenate([
            -0.5 * np.log1p(-2 * s * spectrum[k : k + step]).sum(1) for k in range(0, len(spectrum), step)
        ])  # fmt: skip
        peak = float(logs.max())
        total = float((np.exp(logs - peak) * -np.expm1(-logs)).sum())
        if total <= 0:
            return math.inf
        log_sum = log_factor + peak + math.log(total)
        grown = log_sum + math.exp(-log_sum) if log_sum > 30 else math.log1p(math.exp(log_sum))
        return math.log(grown) - math.log(s)

    found = _lowest(at, 2.0)
    return 0.5 * (
        found + 16 * LIBM * (8 + abs(log_factor) + math.log(spectrum.size)) + 4 * slack(spectrum.shape[1])
    )


def _arccosh_of_1_plus_exp(log_a: float) -> float:
    """Return arccosh(1 + e^log_a)."""
    if log_a > 30:
        return log_a + LOG2 + math.exp(-log_a)
    a = math.exp(log_a)
    return math.log1p(a + math.sqrt(a * (a + 2)))


def _lowest(at: Callable[[float], float], start: float) -> float:
    """Walk downhill from `start` with steps that are halved, and return the lowest value met; every value is a valid bound."""
    here, best, step = start, at(start), 1.0
    met = {start}
    for _ in range(_FINE):
        moved = True
        while moved:
            moved = False
            for there in (here - step, here + step):
                if there in met or abs(there) >= 40:
                    continue
                met.add(there)
                value = at(there)
                if value < best - 1e-12:
                    here, best, moved = there, value, True
        step /= 2
    return best

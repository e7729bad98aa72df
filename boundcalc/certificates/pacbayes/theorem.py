"""The disintegrated PAC-Bayes bound for one network that was drawn layer by layer.

Setting. P is a distribution over networks h = (h_1, ..., h_L), L layers, fixed before the sample S of m examples. Layer after
layer a distribution Q_l is chosen, which may depend on S and on all that was drawn before, and h_l is drawn from Q_l by the
answer of a random oracle to everything that could have been chosen: P, Q_1 ... Q_l, the earlier draws, S and delta, so that
nobody knows the draw while choosing Q_l. Anyone may try as often as they like, with at most n_l questions of layer l.

Theorem. With probability at least 1 - delta over S and the oracle, every network that any of these chains of draws ends with
satisfies, for a prefix code fixed before S whose word names P among several,

    kl(err_S(h) || err(h)) <= ( sum_l log Q_l(h_l) - log P(h) + bits log 2 + sum_l log n_l + log(xi(m) / delta) ) / m,

    xi(m) = sum_k C(m, k) (k/m)^k (1 - k/m)^(m - k)   <=   2 sqrt(m).

Proof. Let X(h) = exp(m kl(err_S(h) || err(h))) P(h) / (Q_1(h_1) ... Q_L(h_L)) and name a chain by (c_1, ..., c_L): its draw of
layer l is the c_l-th that was asked for in that layer. For a fixed name, the answer of layer L is independent of all before, so
the conditional mean of X is at most sum_{h_L} exp(m kl) P(h) / (Q_1 ... Q_{L-1}); this no longer depends on Q_L, and going on
with layer L - 1 one arrives at sum_h P(h) exp(m kl), whose mean over S is at most xi(m) (Maurer 2004, Theorem 1). Markov's
inequality for each of the n_1 ... n_L names, and a union over them and over the words of the code.

One product n_1 ... n_L is needed, not the number of all questions: with n draws of h_1 one may go on with that whose P / Q_1 is
largest, and draw h_2 n times from there.

Sources: Rivasplata, Kuzborskij, Szepesvari & Shawe-Taylor 2020; Viallard, Germain, Habrard & Morvant 2024 (disintegration).
"""

from __future__ import annotations

import functools
import math

from boundcalc.norms.rounding import LGAMMA, LIBM, up
from boundcalc.occam.kl import kl_inverse

QUESTIONS = 64
"""log2 of the number of questions to the oracle, of all layers together, that are paid for."""


@functools.cache
def log_xi(m: int) -> float:
    """Return log xi(m) from above: the sum itself for m up to 10,000 samples, else log(2 sqrt m) (Maurer 2004, Theorem 1).

    Example:
        >>> round(math.exp(log_xi(2)), 9)  # 1 + 2 / 4 + 1
        2.5
    """
    crude = (math.log(2.0) + 0.5 * math.log(m)) * (1 + 4 * LIBM)
    if m > 10_000:
        return crude
    terms = []
    for k in range(1, m):
        parts = (
            math.lgamma(m + 1), -math.lgamma(k + 1), -math.lgamma(m - k + 1),
            k * math.log(k / m), (m - k) * math.log1p(-k / m),
        )  # fmt: skip
        terms.append(math.exp(math.fsum(parts) + (LGAMMA + 4 * LIBM) * math.fsum(map(abs, parts))))
    return min(crude if m > 7 else math.inf, math.log(up(2.0 + math.fsum(terms), 16)) + LIBM)


def question_bits(layers: int) -> float:
    """Return log2 of the largest product n_1 ... n_L of whole numbers whose sum is 2^QUESTIONS, from above.

    Example:
        >>> question_bits(1), question_bits(2)
        (64.0, 126.0)
    """
    return layers * (QUESTIONS - math.log2(layers) * (1 - LIBM)) if layers > 1 else float(QUESTIONS)


def error_bound(errors: float, m: int, bits: float, delta: float) -> float:
    """Return the largest err(h) that the theorem allows, from above.

    Args:
        errors: of the drawn network on the sample; one that may be for rounding counts. A bound on their mean number for a
            randomized network.
        m: samples.
        bits: log2 of Q(h) / P(h), of the questions and of one over the code's word, from above; of any sign.
        delta: failure probability.

    Example:
        >>> round(error_bound(1150, 60_000, 1730.0, 0.05), 4)
        0.0604
    """
    parts = (bits * math.log(2.0), log_xi(m), -math.log(delta))
    total = math.fsum(parts) + 4 * LIBM * math.fsum(map(abs, parts))
    return kl_inverse(errors, m, up(max(0.0, total) / m, 8))

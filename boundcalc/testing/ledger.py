"""Checks of how delta is divided: weights of the grid, the price of choices, and the inverse of the relative entropy."""

from __future__ import annotations

from fractions import Fraction

import mpmath

from boundcalc.bounds.code_lengths import log2_weight
from boundcalc.occam import kl
from boundcalc.rademacher.confidence import confidence
from boundcalc.theory.symbolic_interval import precision


def check_grid_weights(most: int = 2000) -> None:
    """Check that the grid's code lengths are those of a prefix code: the shares 2^-bits sum to at most 1 over all integers.

    The shares of |k| > `most` sum to 4 / (3 (most + 2)) for w(k) = 2 / (3 (|k| + 1)(|k| + 2)).

    Raises:
        AssertionError: the shares found and the remainder sum to more than 1.
    """
    shares = [mpmath.mpf(2) ** -log2_weight(k) for k in range(-most, most + 1)]
    total = mpmath.fsum(shares) + mpmath.mpf(4) / (3 * (most + 2))
    assert total <= 1 + 1e-12, f"the grid's shares sum to {mpmath.nstr(total, 15)}"


def check_confidence(delta: float, bits: float, m: int) -> None:
    """Check the confidence term 2 sqrt(log(1 / share) / (2m)) with share = delta 2^-bits.

    Raises:
        AssertionError: the term differs from the formula.

    Source: `boundcalc.rademacher.confidence`, by one application of McDiarmid's inequality.
    """
    with mpmath.workdps(40):
        share = mpmath.mpf(delta) * mpmath.mpf(2) ** -mpmath.mpf(bits)
        true = 2 * mpmath.sqrt(mpmath.log(1 / share) / (2 * m))
    found = confidence(delta, bits, m)
    assert abs(found - true) <= 1e-12 * true, (
        f"confidence term at delta {delta:g}, {bits:g} bits, m {m}: {found!r}, truly {mpmath.nstr(true, 17)}"
    )


def check_certificate(errors: int, m: int, bits: float, delta: float) -> None:
    """Check that the certificate p satisfies kl(errors / m || p) >= (bits log 2 + log(1 / delta)) / m, and is hardly
    larger than needed.

    Raises:
        AssertionError: p is too small, or larger than needed by more than 1e-9.

    Source: Langford & Schapire 2005; Chernoff.
    """
    found = kl.certificate(errors, m, bits, delta)
    with precision():
        bound = (mpmath.mpf(bits) * mpmath.log(2) - mpmath.log(mpmath.mpf(delta))) / m
        if found >= 1.0:
            near = _divergence(Fraction(errors, m), 1 - mpmath.mpf("1e-9"))
            assert errors == m or near <= bound, "certificate 1: 1 - 1e-9 satisfies it too"
            return
        at, below = (_divergence(Fraction(errors, m), mpmath.mpf(found) - shift) for shift in (0, 1e-9))
        assert at >= bound, (
            f"certificate {found!r}: kl {mpmath.nstr(at, 17)} is below {mpmath.nstr(bound, 17)}"
        )
        assert below <= bound, f"certificate {found!r}: 1e-9 less satisfies it too"


def _divergence(q: Fraction, p: mpmath.mpf) -> mpmath.mpf:
    share = mpmath.mpf(q.numerator) / q.denominator
    if p <= share:
        return mpmath.mpf(0)
    first = share * mpmath.log(share / p) if q else mpmath.mpf(0)
    return first + (1 - share) * mpmath.log((1 - share) / (1 - p))

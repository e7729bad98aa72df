"""The price of a normalization of the inputs: its digits, in a prefix code fixed before the sample.

Means and standard deviations are usually those of the training sample, so they were chosen after seeing it. A bound must then
hold for every normalization that could have been given, and the one in use gets the share 2^-bits of delta that its codeword
has. Whether the inputs are normalized at all belongs to the architecture, which is fixed before the sample.

The code writes numbers as decimals x = +- 0.d_1 ... d_n * 10^k, all with the same number n of digits. In order, it holds:

- 1 bit: one mean and one deviation for all channels, or one of each for every channel;
- n, from 1 to `MOST_DIGITS`, with weight w(n - 4), since four digits are most common, where w(k) = 2 / (3 (|k| + 1)(|k| + 2));
- for each mean 1 bit for its sign (deviations are positive), and for each number its exponent k with weight w(k) and its n digits
  with weight 10^-n.

The weights w sum to 1 over all integers, the 10^n strings of digits have weight 10^-n each, and every part can be read before the
next one begins. So the code is a prefix code, and its weights sum to at most 1 (Kraft). A number has several codewords, because 0.10
has more digits than 0.1; the one with the fewest digits is counted. Two numbers of four digits below 1 cost 26.6 bits for
their digits and 6.8 bits for everything else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from boundcalc.bounds.code_lengths import log2_weight
from boundcalc.norms.rounding import LIBM

MOST_DIGITS = 17
"""Number of decimal digits that distinguish every two float64 numbers."""
COMMON_DIGITS = 4
NOT_GIVEN = "inputs are used as they are given, not normalized by the sample"


@dataclass(frozen=True)
class Normalization:
    """The numbers that normalize the inputs.

    Attributes:
        numbers: means, then as many standard deviations; empty if inputs are used as they are given.
        fixed: whether they were fixed before the sample and therefore cost nothing.
    """

    numbers: tuple[float, ...] = ()
    fixed: bool = False

    @property
    def bits(self) -> float:
        """The price of the numbers in bits, rounded up."""
        return 0.0 if self.fixed or not self.numbers else code_length(self.numbers)

    def assumption(self, *, paid: bool = True) -> str:
        """Return the assumption about the normalization that every bound lists.

        Args:
            paid: whether the bound pays for digits that are not fixed; numbers reported as published do not.
        """
        if not self.numbers:
            return NOT_GIVEN
        digits = ", ".join(map(repr, self.numbers))
        if self.fixed:
            return f"the normalization {digits} was fixed before the sample (--normalize-fixed)"
        if not paid:
            return f"the normalization {digits} did not come from the sample: this bound does not pay for it"
        return f"the normalization {digits} may come from the sample: its digits are paid for, {self.bits:.1f} bits"


def code_length(numbers: tuple[float, ...]) -> float:
    """Return the length of the codeword of means and standard deviations, in bits, rounded up.

    Args:
        numbers: finite numbers, as many means as standard deviations.

    Example:
        >>> round(code_length((0.1307, 0.3081)), 2)
        33.33
    """
    written = [_decimal(number) for number in numbers]
    digits = max(count for count, _ in written)
    exponents = math.fsum(log2_weight(exponent) for _, exponent in written)
    signs = len(numbers) / 2
    total = (
        1.0
        + log2_weight(digits - COMMON_DIGITS)
        + signs
        + exponents
        + len(numbers) * digits * math.log2(10.0)
    )
    return total * (1 + 4 * LIBM)


def _decimal(number: float) -> tuple[int, int]:
    """Return the number of digits and the exponent of the shortest decimal that equals this float64; one digit for 0."""
    sign, digits, exponent = Decimal(repr(float(number))).normalize().as_tuple()
    assert isinstance(exponent, int)
    return (len(digits), exponent + len(digits)) if number else (1, 0)

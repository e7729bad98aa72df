"""The lines of a ledger that certificates of every method have; computed alike by a search and by whoever verifies it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from boundcalc.bounds.normalization import Normalization
from boundcalc.certificates.file import Item


def common_lines(normalize: Sequence[float] | None, fixed: bool, tried: int) -> tuple[Item, Item]:
    """Return what the normalization of the inputs and the choice of a setting cost. Their texts are part of the certificate's
    schema: another text is another line.

    Args:
        normalize: means then deviations, or None.
        fixed: whether they were fixed before the sample.
        tried: settings tried on the sample before this one was kept, this one included.

    Raises:
        ValueError: a number of settings below 1.
    """
    if type(tried) is not int or tried < 1:
        raise ValueError(f"tried {tried!r}: give a whole number of settings, at least 1")
    normalization = Normalization(tuple(normalize or ()), fixed)
    digits = "fixed before the sample" if normalization.fixed else ", ".join(map(repr, normalization.numbers))
    return (
        Item(f"normalization of the inputs: {digits or 'none'}", normalization.bits),
        Item(f"setting (options, architecture, seed) kept among {tried}", math.log2(tried)),
    )

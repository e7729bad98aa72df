"""What a pick certificate pays for, line by line; computed alike by the search and by whoever verifies it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from boundcalc.bounds.normalization import Normalization
from boundcalc.certificates.file import Item


def ledger(normalize: tuple[float, ...] | None, made_by: Mapping[str, Any]) -> tuple[Item, ...]:
    """Return the lines. Their texts are part of the certificate's schema: another text is another line.

    Args:
        normalize: means then deviations that the network's inputs are normalised by, or None.
        made_by: options of the run; of its plan's ``"picking"`` ``"tried"``, how many settings were tried before this one was
            kept, this one included, its ``"candidates"`` and ``"set_aside"``, and ``"normalize_fixed"``.

    Raises:
        KeyError: an option is missing.
        ValueError: a number of settings below 1.
    """
    picking = made_by["plan"]["picking"]
    tried, candidates = picking["tried"], picking.get("candidates", 1)
    for name, number in (("tried", tried), ("candidates", candidates)):
        if type(number) is not int or number < 1:
            raise ValueError(f"{name} {number!r}: give a whole number, at least 1")
    normalization = Normalization(normalize or (), bool(made_by["plan"].get("normalize_fixed")))
    share = float(picking.get("set_aside", 0.0))
    seeded = f"part set aside: {share:g} of the sample by a permutation of seed {made_by['seed']}"
    apart = (Item(seeded, 0.0),) if share else ()
    last = Item(f"round kept among the last {candidates}, announced before", math.log2(candidates))
    digits = "fixed before the sample" if normalization.fixed else ", ".join(map(repr, normalization.numbers))
    return (
        Item(f"normalization of the inputs: {digits or 'none'}", normalization.bits),
        Item(f"setting (options, architecture, seed) kept among {tried}", math.log2(tried)),
        *((last,) if candidates > 1 else ()),
        *apart,
        Item("picks: counted in the size of the compression", 0.0),
    )

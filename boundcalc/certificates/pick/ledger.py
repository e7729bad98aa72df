"""What a pick certificate pays for, line by line; computed alike by the search and by whoever verifies it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from boundcalc.certificates.file import Item
from boundcalc.certificates.ledger import common_lines


def ledger(normalize: tuple[float, ...] | None, made_by: Mapping[str, Any]) -> tuple[Item, ...]:
    """Return the lines. Their texts are part of the certificate's schema: another text is another line.

    Args:
        normalize: means then deviations that the network's inputs are normalized by, or None.
        made_by: options of the run; of its plan's ``"picking"`` ``"tried"``, how many settings were tried before this one was
            kept, this one included, its ``"candidates"`` and ``"set_aside"``, and ``"normalize_fixed"``.

    Raises:
        KeyError: an option is missing.
        ValueError: a number of settings below 1.
    """
    picking = made_by["plan"]["picking"]
    candidates = picking.get("candidates", 1)
    if type(candidates) is not int or candidates < 1:
        raise ValueError(f"candidates {candidates!r}: give a whole number, at least 1")
    share = float(picking.get("set_aside", 0.0))
    seeded = f"part set aside: {share:g} of the sample by a permutation of seed {made_by['seed']}"
    apart = (Item(seeded, 0.0),) if share else ()
    last = Item(f"round kept among the last {candidates}, announced before", math.log2(candidates))
    return (
        *common_lines(normalize, bool(made_by["plan"].get("normalize_fixed")), picking["tried"]),
        *((last,) if candidates > 1 else ()),
        *apart,
        Item("picks: counted in the size of the compression", 0.0),
    )

"""What a pick certificate pays for, line by line; computed alike by the search and by whoever verifies it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boundcalc.certificates.file import Item
from boundcalc.certificates.ledger import common_lines


def ledger(normalize: tuple[float, ...] | None, made_by: Mapping[str, Any]) -> tuple[Item, ...]:
    """Return the lines. Their texts are part of the certificate's schema: another text is another line.

    Args:
        normalize: means then deviations that the network's inputs are normalised by, or None.
        made_by: options of the run; of its plan's ``"picking"`` ``"tried"``, how many settings were tried before this one was
            kept, this one included, its ``"set_aside"``, and ``"normalize_fixed"``.

    Raises:
        KeyError: an option is missing.
        ValueError: a number of settings below 1.
    """
    picking = made_by["plan"]["picking"]
    share = float(picking.get("set_aside", 0.0))
    seeded = f"part set aside: {share:g} of the sample by a permutation of seed {made_by['seed']}"
    apart = (Item(seeded, 0.0),) if share else ()
    return (
        *common_lines(normalize, bool(made_by["plan"].get("normalize_fixed")), picking["tried"]),
        *apart,
        Item("picks: counted in the size of the compression", 0.0),
    )

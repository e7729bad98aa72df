"""Names of first stages, ``orientations`` or ``orientations-CELLS``; does not import torch."""

from __future__ import annotations

import re

from boundcalc.errors import UsageError

FIRST_STAGES = ("orientations", "orientations-CELLS")
OPERATION = "torch.ops.boundcalc.orientations.default"
"""Name of the first stage's operation in a captured program."""
CELLS, MOST = 14, 64
"""Number of cells along each side of the grid: the default, and the largest."""


def cells_of(name: str) -> int:
    """Return the number of cells along each side of a first stage's grid.

    Raises:
        UsageError: when there is no first stage of this name.

    Example:
        >>> cells_of("orientations"), cells_of("orientations-7")
        (14, 7)
    """
    found = re.fullmatch(r"orientations(?:-(\d{1,2}))?", name)
    cells = 0 if found is None else int(found[1] or CELLS)
    if not 2 <= cells <= MOST:
        raise UsageError(
            f"--first-stage {name}: give orientations, or orientations-CELLS with 2 to {MOST} cells a side"
        )
    return cells

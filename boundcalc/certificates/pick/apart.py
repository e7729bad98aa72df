"""The part of the sample that is set aside for the first network; a definition that training and verification share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def set_apart(samples: int, share: float, seed: int) -> NDArray[np.int64]:
    """Return the rows of S_1, on which the first network is trained; the others certify.

    The rows are drawn by a seeded permutation, never by their order in a file: files are often sorted.

    Args:
        samples: N, of the whole sample.
        share: of the sample that S_1 is; 0 for none.
        seed: of the run.

    Returns:
        Rows in rising order.

    Example:
        >>> len(set_apart(10, 0.5, 0)), len(set_apart(10, 0.0, 0))
        (5, 0)
    """
    order = np.random.default_rng([seed, 21]).permutation(samples)
    return np.sort(order[: round(share * samples)])

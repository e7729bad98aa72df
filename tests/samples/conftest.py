"""The slow twin of r~."""

import math

import numpy as np
import pytest


@pytest.fixture(scope="session")
def naive():
    """The definition of r~, pair by pair, on sets of (group, input)."""

    def r_tilde(support):
        rows = [
            {(group, i) for i in np.flatnonzero(row)}
            for group, block in enumerate(support)
            for row in block
            if row.any()
        ]
        total = sum((1 + (not a.isdisjoint(b))) * math.sqrt(len(a) + len(b)) for a in rows for b in rows)
        return total**2 / (8 * len(rows) ** 4)

    return r_tilde

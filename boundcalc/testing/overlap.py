"""What bounds the effective number of weights r~ of a mask."""

from __future__ import annotations

import math

import numpy as np

from boundcalc.samples.zhang2021 import r_tilde


def check_r_tilde(support: np.ndarray, tolerance: float = 1e-12) -> None:
    """Check min r_j / 4 <= r~ <= max r_j, and its value by a double loop.

    r_j are the surviving weights of the neurons that live. The upper end is reached by full overlap with equal r_j.

    Args:
        support: (groups, neurons, fan_in) bool.
        tolerance: relative.

    Raises:
        AssertionError: out of range, or another value.

    Source: Zhang, Wang, Liu, Chen & Xiong 2021, Why Lottery Ticket Wins?
    """
    found = r_tilde(support)
    alive = [
        (g, set(np.flatnonzero(row).tolist()))
        for g, group in enumerate(support)
        for row in group
        if row.any()
    ]
    if not alive:
        assert found is None, f"r~: {found!r} of a mask that is empty"
        return
    assert found is not None, "r~: None of a mask that is not empty"
    counts = [len(inputs) for _, inputs in alive]
    assert min(counts) / 4 <= found * (1 + tolerance), (
        f"r~ = {found!r} is below min r / 4 = {min(counts) / 4!r}"
    )
    assert found <= max(counts) * (1 + tolerance), f"r~ = {found!r} is above max r = {max(counts)}"
    total = math.fsum(
        (2 if g == h and one & two else 1) * math.sqrt(len(one) + len(two))
        for g, one in alive
        for h, two in alive
    )
    true = total**2 / (8 * len(alive) ** 4)
    assert abs(found - true) <= tolerance * true, f"r~ = {found!r}, by the double loop {true!r}"

"""Check of the effective number of weights r~ of a mask."""

from __future__ import annotations

import math

import numpy as np

from boundcalc.samples.zhang2021 import r_tilde


def check_r_tilde(support: np.ndarray, tolerance: float = 1e-12) -> None:
    """Check min r_j / 4 <= r~ <= max r_j, and compare r~ with a double loop.

    r_j counts the surviving weights of neuron j, over live neurons. The upper end is attained by full overlap with equal r_j.

    Args:
        support: mask, (groups, neurons, fan_in) bool.
        tolerance: relative tolerance.

    Raises:
        AssertionError: r~ is out of range or differs from the double loop.

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

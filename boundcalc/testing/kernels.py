"""Checks of the graphon NTK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from boundcalc.graphon.ntk import gntk
from boundcalc.network.network import Network


def check_gntk_power_law(shapes: Sequence[tuple[int, int]], x: Any, c: float, sigma_w2: float = 1.0) -> None:
    """Check that constant graphons of density c give exactly c^L times the dense kernel, at any widths.

    Each layer multiplies every S~ by c; k1 is homogeneous of degree 1 and k0 of degree 0.

    Args:
        shapes: (cells, cells of the layer below) for each hidden layer.
        x: inputs, (m, d).
        c: density of every hidden layer, in (0, 1].
        sigma_w2: weight variance times fan-in.

    Raises:
        AssertionError: the kernel differs.

    Source: Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025; docs/theory/pham2025.md.
    """
    dense = gntk([np.ones(shape) for shape in shapes], x, sigma_w2=sigma_w2)
    pruned = gntk([np.full(shape, c) for shape in shapes], x, sigma_w2=sigma_w2)
    gap = float(np.abs(pruned - c ** len(shapes) * dense).max())
    size = c ** len(shapes) * float(np.abs(dense).max())
    assert gap <= 1e-11 * size, f"graphon NTK: c^L times the dense kernel is off by {gap:.3g} of {size:.3g}"
    for i, j, value in _dense_by_hand(len(shapes), np.asarray(x, dtype=np.float64), sigma_w2):
        assert abs(dense[i, j] - value) <= 1e-9 * max(1e-300, abs(value), float(np.abs(dense).max())), (
            f"graphon NTK of the dense network at ({i}, {j}): {dense[i, j]:.12g}, by hand {value:.12g}"
        )


def _dense_by_hand(depth: int, x: np.ndarray, sigma_w2: float) -> list[tuple[int, int, float]]:
    """Return the dense NTK of a few pairs of inputs by the scalar recursion of Jacot, Gabriel & Hongler 2018."""
    pairs = [(0, 0), (0, len(x) - 1), (len(x) - 1, len(x) - 1)]
    return [(i, j, _dense_pair(depth, x[i], x[j], sigma_w2)) for i, j in pairs]


def _dense_pair(depth: int, left: np.ndarray, right: np.ndarray, sigma_w2: float) -> float:
    d = len(left)
    both, a, b = (sigma_w2 * float(u @ v) / d for u, v in ((left, right), (left, left), (right, right)))
    theta = both
    for _ in range(depth):
        if a <= 0 or b <= 0:
            return 0.0
        angle = float(np.arccos(np.clip(both / np.sqrt(a * b), -1, 1)))
        slope = sigma_w2 * (np.pi - angle) / (2 * np.pi)
        both = (
            sigma_w2 * float(np.sqrt(a * b)) * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
        )
        a, b = sigma_w2 * a / 2, sigma_w2 * b / 2
        theta = both + slope * theta
    return theta


def check_gntk_psd(network_or_graphons: Network | Sequence[Any], x: Any, **options: Any) -> None:
    """Check that the graphon NTK of a sample is symmetric and positive semidefinite, up to rounding.

    Args:
        network_or_graphons: network or graphons, as in `boundcalc.gntk`.
        x: inputs, as in `boundcalc.gntk`.
        **options: options of `boundcalc.gntk`.

    Raises:
        AssertionError: the kernel is asymmetric, or an eigenvalue is negative beyond rounding.
    """
    kernel = gntk(network_or_graphons, x, **options)
    size = float(np.abs(kernel).max(initial=0.0))
    skew = float(np.abs(kernel - kernel.T).max(initial=0.0))
    assert skew <= 1e-12 * size, f"graphon NTK: asymmetry {skew:.3g} beside entries of {size:.3g}"
    lowest = float(np.linalg.eigvalsh(kernel)[0])
    assert lowest >= -1e-7 * size * len(kernel) ** 0.5, (
        f"graphon NTK: eigenvalue {lowest:.3g} beside entries of {size:.3g}"
    )

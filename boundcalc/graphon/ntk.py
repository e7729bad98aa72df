"""The graphon NTK: the tangent kernel of an infinitely wide network whose masks converge to graphons.

An MLP without biases, ``h = (sigma_w / sqrt(fan_in)) (W * M) z`` with W iid N(0, 1), has a ReLU between consecutive layers. If
its masks converge to graphons Wg^l, its tangent kernel converges to

      Theta(x, x') = sigma_w^2 sum_v w_v S_L(v) + sum_l sum_u w_u G_l(u) S~_l(u)

(the recursion is in docs/theory/pham2025.md). Only surviving weights train. Each output has its own kernel if the output layer
is pruned; Theta is the mean over outputs, unless all kernels are requested.

Source: Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025, The Graphon Limit Hypothesis. Kernels of masked convolutions, by channels,
are an extension beyond that source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import torch

from boundcalc.errors import UsageError
from boundcalc.graphon import ntk_numpy
from boundcalc.graphon.ntk_maps import Floats, Maps, from_graphons, merged
from boundcalc.network.network import Network

MEMORY = 2e9
"""Default limit, in bytes, on the arrays that the part holds at once."""


def gntk(
    network_or_graphons: Network | Sequence[Any],
    x: Any,
    cells: int = 64,
    sigma_w2: float = 1.0,
    *,
    exact: bool = False,
    output: Any = None,
    max_memory: float = MEMORY,
    device: str = "cpu",
) -> Floats:
    """Return the graphon NTK of a sample.

    Args:
        network_or_graphons: a network, whose masks are used, or the graphons of its hidden layers: `StepGraphon`s, or arrays with
            cells of equal measure, (K_1, K) and (K_l, K_{l-1}).
        x: finite array or tensor, (m, d) or (m, channels, height, width).
        cells: largest number of cells per side of a network's hidden graphons; its first layer is exact.
        sigma_w2: variance of the weights times fan-in, positive.
        exact: whether each mask itself is the graphon, with one cell per unit; for networks.
        output: graphon of the output layer, (C, K), used with given graphons; None for an unpruned one.
        max_memory: bytes that arrays may occupy.
        device: ``"cpu"`` or a CUDA device.

    Returns:
        The mean over outputs, (m, m) float64, symmetric, positive semidefinite up to rounding.

    Raises:
        UsageError: an argument is out of range, or too little memory is allowed.
        NotCovered: the network is not a chain of layers with a ReLU between consecutive layers.
        ValueError: graphons or inputs do not fit or are not finite, or the kernel overflows.

    Source:
        Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025.

    Example:
        >>> import numpy as np
        >>> gntk([np.ones((1, 2))], np.eye(2)).round(4).tolist()
        [[0.5, 0.0796], [0.0796, 0.5]]
    """
    if isinstance(network_or_graphons, str | PathLike | torch.nn.Module):
        kind = type(network_or_graphons).__name__
        raise UsageError(f"gntk takes a network or graphons, not {kind}: boundcalc.load reads a checkpoint")
    if cells < 1:
        raise UsageError(f"cells {cells}: give at least 1")
    if not 0 < sigma_w2 < np.inf:
        raise UsageError(f"sigma_w2 {sigma_w2}: give a positive number")
    sample = rows_of(x)
    variance, power = unit_variance(sigma_w2)
    if isinstance(network_or_graphons, Network):
        from boundcalc.graphon.ntk_network import exact_maps, maps_of

        network = network_or_graphons
        maps = exact_maps(network, variance) if exact else maps_of(network, cells, variance)
    else:
        given = None if output is None else np.asarray(output, dtype=np.float64)
        maps = from_graphons(network_or_graphons, sample.shape[1], variance, given)
    found = kernels(replace(maps, output=maps.mean_output), sample, max_memory, device)[0]
    return _finite(found, power * (len(maps.hidden) + 1))


def unit_variance(sigma_w2: float) -> tuple[float, int]:
    """Return a variance between sqrt 2 and 2 sqrt 2, and the exponent of the power of two by which `sigma_w2` exceeds it.

    The kernel of a chain of L hidden layers is homogeneous in sigma_w^2 of degree L + 1; for a variance of about 2 its entries
    neither grow nor shrink from layer to layer.

    Example:
        >>> unit_variance(1.0), unit_variance(3.0)
        ((2.0, -1), (1.5, 1))
    """
    mantissa, exponent = math.frexp(sigma_w2)
    return (4 * mantissa, exponent - 2) if mantissa < math.sqrt(0.5) else (2 * mantissa, exponent - 1)


def _finite(kernel: Floats, exponent: int) -> Floats:
    """Return ``kernel * 2**exponent``.

    Raises:
        ValueError: an entry overflows.
    """
    with np.errstate(over="ignore", under="ignore"):
        found: Floats = np.ldexp(kernel, exponent)
    if not np.isfinite(found).all():
        raise ValueError("the kernel overflows: scale the inputs or sigma_w2 down")
    return found


def rows_of(x: Any) -> Floats:
    """Return samples as rows, (m, d) float64.

    Raises:
        ValueError: there are no samples, or entries are not finite.
    """
    array = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    if array.ndim < 2 or 0 in array.shape:
        raise ValueError(f"inputs of shape {array.shape}: give (m, d) with at least one of each")
    rows = np.ascontiguousarray(array.reshape(len(array), -1), dtype=np.float64)
    if not np.isfinite(rows).all():
        raise ValueError("inputs hold NaN or infinity")
    return rows


def kernels(maps: Maps, x: Floats, max_memory: float = MEMORY, device: str = "cpu") -> Floats:
    """Return the kernel of every output, (C, m, m) float64.

    Equal cells are merged, and inputs that are equal up to a power of two are computed once. Rows are scaled by powers of two so
    that no input is too large or too small.

    Args:
        maps: maps of the chain.
        x: inputs, (m, d) float64, finite.
        max_memory: bytes that arrays may occupy.
        device: ``"cpu"`` or a CUDA device.

    Raises:
        UsageError: more memory is needed; the message says how much.
        ValueError: the inputs have another dimension, or an entry overflows.
    """
    if maps.inputs != x.shape[1]:
        raise ValueError(f"inputs of dimension {x.shape[1]}, the first layer reads {maps.inputs}")
    exponents = np.frexp(np.abs(x).max(axis=1))[1]
    scaled = np.ldexp(x, -exponents[:, None]) + 0.0  # of the two zeros one is left
    first: dict[bytes, int] = {}
    place = np.array([first.setdefault(row.tobytes(), len(first)) for row in scaled])
    unit_sized = scaled[np.unique(place, return_index=True)[1]]
    few = merged(maps)
    needed = bytes_needed(few, len(x), len(unit_sized) < len(x))
    if needed > max_memory:
        raise UsageError(
            f"the kernel of {len(x)} inputs needs {needed / 1e9:.2g} GB, more than --max-memory {max_memory / 1e9:.2g}: "
            "raise it, or lower --batch"
        )
    if device == "cpu":
        found = ntk_numpy.theta(few, unit_sized)
    else:
        from boundcalc.graphon import ntk_torch

        found = ntk_torch.theta(few, unit_sized, device, max_memory - needed)
    whole = found if len(unit_sized) == len(x) else found[:, place[:, None], place[None, :]]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        scale = np.ldexp(1.0, exponents)
        whole *= scale[:, None]
        whole *= scale
    if not np.isfinite(whole).all():
        raise ValueError("the kernel overflows: scale the inputs down")
    return whole


def bytes_needed(maps: Maps, m: int, repeated: bool = False) -> float:
    """Return the bytes that the arrays of a kernel computation take on the CPU.

    Args:
        maps: maps of the chain.
        m: number of inputs.
        repeated: whether the kernel is expanded to repeated inputs, which takes a copy.
    """
    import os

    results = len(maps.output) * m * m * (2 if repeated else 1)
    sizes = [matrix.size for matrix in (*maps.hidden, maps.output)]
    width = ntk_numpy.width_of(maps, m)
    rows = ntk_numpy.BUFFERS * max(ntk_numpy.CHUNK, max(maps.cells) * width)
    rows += max(ntk_numpy.SUMS, maps.inputs) * width + max(ntk_numpy.MATRICES, sum(sizes))
    buffers = len(os.sched_getaffinity(0)) * rows
    return 8.0 * (results + 7 * m * maps.inputs + 8 * m * sum(maps.cells) + buffers + 4 * sum(sizes))

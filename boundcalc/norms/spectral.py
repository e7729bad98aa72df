"""Spectral norms of layers, certified from above.

A zero-padded (and strided) convolution on an n x n image is a submatrix of a circulant convolution on a grid of side at
least n + min(padding, width - 1), so its norm is at most the largest singular value of the (out x in) matrices of the kernel's
discrete Fourier transform. That largest value is estimated by power iteration, which is never trusted: a number tau is
reported only after a Cholesky factorisation of tau^2 I - A^*A exists at every frequency (Rump 2006), with the rounding of
both steps added.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from boundcalc.network.chain import Link
from boundcalc.network.geometry import Axis
from boundcalc.network.ops import Affine
from boundcalc.norms.rounding import UNIT
from boundcalc.norms.toeplitz import pool_rows

CHUNK = 2**24
"""Complex entries that are held at once."""


def certified_norm(blocks: Iterator[torch.Tensor]) -> float:
    """Return an upper bound on the largest singular value among batches of matrices.

    Args:
        blocks: batches (b, rows, columns), float64 or complex128.

    Returns:
        At most about 0.1 % above the truth, never below it.
    """
    best = 0.0
    for block in blocks:
        best = max(best, _certified_block(block, best))
    return best


def _certified_block(block: torch.Tensor, floor: float) -> float:
    tall = block.shape[1] > block.shape[2]
    gram = block.mH @ block if tall else block @ block.mH
    side, inner = gram.shape[-1], max(block.shape[1:])
    trace = gram.diagonal(dim1=1, dim2=2).real.sum(1)
    top = float(trace.max())
    if top == 0.0:
        return 0.0
    rounding = 16.0 * UNIT * (inner + 4) * top
    tau = max(floor**2, _leading(gram) * (1 + 1e-4)) + rounding
    while not _dominates(gram, tau):
        tau *= 1 + 1e-3
    return math.sqrt(tau + rounding + 16.0 * UNIT * (side + 2) * side * tau) * (1 + 8 * UNIT)


def _leading(gram: torch.Tensor, steps: int = 40) -> float:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(gram.shape[-1], 1, generator=generator, dtype=torch.float64)
    vector = start.to(gram.dtype).expand(gram.shape[0], -1, 1)
    length = torch.ones(gram.shape[0], 1, 1, dtype=torch.float64)
    for _ in range(steps):
        vector = vector / length.clamp(min=1e-300)
        vector = gram @ vector
        length = torch.linalg.vector_norm(vector, dim=1, keepdim=True)
    return float(length.max())


def _dominates(gram: torch.Tensor, tau: float) -> bool:
    shifted = -gram
    shifted.diagonal(dim1=1, dim2=2).add_(tau)
    return bool((torch.linalg.cholesky_ex(shifted).info == 0).all())


def _grid(axis: Axis, circular: bool) -> int:
    if circular:
        return axis.size
    return axis.size + min(max(axis.before, axis.after), axis.reach - 1)


def frequency_blocks(layer: Affine) -> Iterator[torch.Tensor]:
    """Yield the kernel's transform, batches of (frequencies, out / groups, in / groups) complex128, half the plane.

    Args:
        layer: a convolution; groups become further members of the batch.
    """
    out, width, high, wide = layer.weight.shape
    sides = [_grid(axis, layer.circular) for axis in (layer.window.height, layer.window.width)]
    phases_h = _phases(sides[0], sides[0], high, layer.window.dilation[0])
    phases_w = _phases(sides[1], sides[1] // 2 + 1, wide, layer.window.dilation[1])
    phases = torch.einsum("fa,gb->fgab", phases_h, phases_w).flatten(0, 1).flatten(1)
    per_group = out // layer.groups
    step = max(1, CHUNK // (out * width))
    for group in range(layer.groups):
        kernel = layer.weight[group * per_group : (group + 1) * per_group].flatten(2).to(torch.complex128)
        for start in range(0, phases.shape[0], step):
            yield (kernel @ phases[start : start + step].T).permute(2, 0, 1)


def _phases(side: int, frequencies: int, taps: int, dilation: int) -> torch.Tensor:
    turns = torch.arange(frequencies)[:, None] * (torch.arange(taps) * dilation)[None, :] % side
    return torch.polar(torch.ones(turns.shape, dtype=torch.float64), turns.double() * (2 * math.pi / side))


def pool_norm(link: Link) -> float:
    """Return the spectral norm of the average poolings before a layer, from above; 1 without any."""
    norm = 1.0
    for axis in ("rows_h", "rows_w"):
        rows = pool_rows(link.pools, axis)
        norm *= 1.0 if rows is None else certified_norm(iter([rows[None]]))
    return norm


def spectral_norm(link: Link) -> float:
    """Return an upper bound of ||A^l||_2 for a link of the chain.

    A layer with one output position (a linear layer) is its own matrix. Pooling enters as a factor, ||A P|| <= ||A|| ||P||.
    """
    layer = link.layer
    if layer.window.out == (1, 1) and layer.groups == 1 and layer.window.taps_all_inside:
        own = certified_norm(iter([layer.weight.flatten(1)[None]]))
    else:
        own = certified_norm(frequency_blocks(layer))
    return own * pool_norm(link) * (1 + 8 * UNIT)

"""Spectral norms of layers, certified from above.

A zero-padded (and strided) convolution on an n x n image is a submatrix of a circulant convolution on a grid of side at
least n + min(padding, width - 1), so its norm is at most the largest singular value of the (out x in) matrices of the kernel's
discrete Fourier transform. That largest value is estimated by Lanczos iteration, which is never trusted: a number tau is
reported only after a Cholesky factorisation of tau^2 I - A^*A exists at every frequency (Rump 2006), or tau^2 exceeds
every trace, with the rounding of all steps added.
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

CHUNK = 2**22
"""Complex entries that are held at once."""

MARGIN = 1e-4
"""Relative distance between the eigenvalue that was found and the number for which a Cholesky factorisation is tried."""

STEP = 1e-3
"""How much is added, relatively, where that fails: then the truth lies above, so that the steps never add up."""


def certified_norm(blocks: Iterator[torch.Tensor]) -> float:
    """Return an upper bound on the largest singular value among batches of matrices.

    Args:
        blocks: batches (b, rows, columns), float64 or complex128.

    Returns:
        At most about 0.1 % above the truth, never below it; infinite where an entry is not finite.
    """
    best = 0.0
    for block in blocks:
        best = max(best, _certified_block(block, best))
    return best


def _certified_block(block: torch.Tensor, floor: float) -> float:
    parts = torch.view_as_real(block) if block.is_complex() else block
    largest = float(parts.abs().amax()) if parts.numel() else 0.0
    if largest == 0.0:
        return 0.0
    if not math.isfinite(largest):
        return math.inf
    exponent = math.frexp(largest)[1]
    half = exponent // 2
    unit_sized = block * 2.0**-half * 2.0 ** (half - exponent)
    square = _certified_square(unit_sized, _times_power(floor, -exponent))
    return _times_power(math.sqrt(square) * (1 + 8 * UNIT), exponent)


def _times_power(value: float, exponent: int) -> float:
    try:
        return math.nextafter(math.ldexp(value, exponent), math.inf)
    except OverflowError:
        return math.inf


def _certified_square(block: torch.Tensor, floor: float) -> float:
    """Return an upper bound of the largest squared singular value of matrices whose largest entry is about 1.

    Args:
        block: (b, rows, columns), float64 or complex128.
        floor: a bound that is known to be needed anyway.
    """
    tall = block.shape[1] > block.shape[2]
    gram = block.mH @ block if tall else block @ block.mH
    side, inner = gram.shape[-1], max(block.shape[1:])
    trace = float(gram.diagonal(dim1=1, dim2=2).real.sum(1).max())
    rounding = 16.0 * UNIT * (inner + 4) * trace
    tau = min(floor, 1e100) ** 2 + rounding
    pending = gram[_fails(gram, tau)] if floor > 0 else gram
    while len(pending) and tau <= trace + rounding:
        size = torch.linalg.vector_norm(pending, dim=(1, 2))
        strongest = _lanczos(pending[int(size.argmax())])
        tau = max(tau * (1 + STEP), strongest * (1 + MARGIN) + rounding)
        pending = pending[_fails(pending, tau)]
    return tau + rounding + 16.0 * UNIT * (side + 2) * side * tau


def _fails(gram: torch.Tensor, tau: float) -> torch.Tensor:
    """Return for which members of (b, n, n) no Cholesky factorisation of tau - gram was found, (b,) bool."""
    shifted = -gram
    shifted.diagonal(dim1=1, dim2=2).add_(tau)
    return torch.linalg.cholesky_ex(shifted).info != 0


def _lanczos(gram: torch.Tensor, steps: int = 80) -> float:
    """Return the largest eigenvalue of a Hermitian (n, n) matrix, from below and never trusted."""
    generator = torch.Generator().manual_seed(0)
    side = gram.shape[0]
    vector = torch.randn(side, generator=generator, dtype=torch.float64).to(gram.dtype)
    basis = gram.new_zeros(min(steps, side), side)
    middle, beside = [], []
    for step in range(len(basis)):
        vector = vector / torch.linalg.vector_norm(vector)
        basis[step] = vector
        image = gram @ vector
        middle.append(float(torch.vdot(vector, image).real))
        for _ in range(2):
            image = image - basis.T @ (basis.conj() @ image)
        beside.append(float(torch.linalg.vector_norm(image)))
        if beside[-1] <= 1e-13 * max(middle):
            break
        vector = image
    off = torch.tensor(beside[: len(middle) - 1], dtype=torch.float64)
    tridiagonal = torch.diag(torch.tensor(middle, dtype=torch.float64)) + off.diag(1) + off.diag(-1)
    return float(torch.linalg.eigvalsh(tridiagonal)[-1])


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


def _transform_rounding(layer: Affine) -> float:
    """Return an upper bound of what the rounding of the transform takes from any of its matrices' norms."""
    taps = layer.weight[0, 0].numel()
    largest = layer.weight.abs().sum((2, 3))
    top = float(largest.amax())
    return 8.0 * UNIT * (taps + 32) * top * float((largest / top).square().sum().sqrt()) if top > 0 else 0.0


def _repeated(layer: Affine) -> float:
    """Return the square root of how often a circular layer computes the same output: padding may exceed the kernel."""
    if not layer.circular:
        return 1.0
    counts = [
        torch.bincount(axis.positions()[:, 0] % axis.size).max()
        for axis in (layer.window.height, layer.window.width)
    ]
    return math.sqrt(math.prod(int(count) for count in counts))


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
        own = certified_norm(frequency_blocks(layer)) * _repeated(layer) + _transform_rounding(layer)
    return own * pool_norm(link) * (1 + 8 * UNIT)

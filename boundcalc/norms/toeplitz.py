"""Row norms of a layer's Toeplitz matrix in closed form, without building the matrix.

Rows (one per output channel and position) differ only by which taps fall inside the image, so the norms are computed once for each
pattern of taps, with the number of positions that share it. Stride, dilation, groups and zero padding are exact. Average pooling
before the layer is multiplied in: the l2 norms are exact, and so are the l1 norms unless pooling windows overlap, in which case they
are upper bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from boundcalc.errors import NotCovered
from boundcalc.network.chain import ToeplitzLayer
from boundcalc.network.geometry import Axis
from boundcalc.network.ops import AvgPool
from boundcalc.norms.rounding import UpperSize, exponent_of, slack, times_power

BLOCK = 2**22
"""Number of weights that are squared at once."""


@dataclass(frozen=True)
class Rows:
    """Norms of all rows of A^l, one entry for each channel and pattern of taps; A^l is scaled to size 1 by a power of two.

    Attributes:
        squares: upper bounds of the squared l2 norms of the rows of A^l 2^-exponent, (out, patterns) float64.
        absolute: upper bounds of their l1 norms, (out, patterns) float64.
        counts: number of positions that share each pattern, (patterns,) float64.
        exponent: exponent of the power of two that was taken out.
    """

    squares: torch.Tensor
    absolute: torch.Tensor
    counts: torch.Tensor
    exponent: int = 0

    @property
    def positions(self) -> int:
        """Number of output positions."""
        return int(self.counts.sum())

    def frobenius_squared(self) -> UpperSize:
        """Return an upper bound of ||A||_F^2."""
        total = float((self.squares.sum(0) * self.counts).sum())
        return UpperSize(total * (1 + slack(self.squares.numel())), 2 * self.exponent)

    def l1_inf(self, column: torch.Tensor | None = None) -> UpperSize:
        """Return an upper bound of the largest row l1 norm.

        Args:
            column: (out,) one more entry of the rows of each channel; None for 0.
        """
        shared = self._shared(column)
        rows = times_power(self.absolute.amax(1), self.exponent - shared)
        if column is not None:
            rows = rows + times_power(column.abs(), -shared)
        return UpperSize(float(rows.max()) * (1 + slack(2)), shared)

    def l1_sum(self) -> UpperSize:
        """Return an upper bound of the sum of row l1 norms."""
        total = float((self.absolute.sum(0) * self.counts).sum())
        return UpperSize(total * (1 + slack(self.absolute.numel())), self.exponent)

    def l2_inf(self) -> UpperSize:
        """Return an upper bound of the largest row l2 norm."""
        return UpperSize(math.sqrt(float(self.squares.max())) * (1 + slack(2)), self.exponent)

    def two_one(self, column: torch.Tensor | None = None) -> UpperSize:
        """Return an upper bound of the sum of row l2 norms; `column` as in `l1_inf`."""
        shared = self._shared(column)
        squares = times_power(self.squares, 2 * (self.exponent - shared))
        if column is not None:
            squares = squares + times_power(column, -shared).square()[:, None]
        return UpperSize(
            float((squares.sqrt().sum(0) * self.counts).sum()) * (1 + slack(squares.numel())), shared
        )

    def _shared(self, column: torch.Tensor | None) -> int:
        """Return the exponent of two that scales both the matrix and another column to at most about 1."""
        if column is None or not bool((column != 0).any()):
            return self.exponent
        if not bool((self.absolute != 0).any()):
            return exponent_of(column)
        return max(self.exponent, exponent_of(column))


@dataclass(frozen=True)
class _Taps:
    """Distinct patterns along one axis.

    Attributes:
        gram: inner products of the input rows that the taps read, (patterns, kernel, kernel).
        absolute: l1 norms of these input rows, (patterns, kernel).
        counts: number of outputs that share each pattern, (patterns,).
    """

    gram: torch.Tensor
    absolute: torch.Tensor
    counts: torch.Tensor


def _axis_taps(axis: Axis, rows: torch.Tensor | None, circular: bool) -> _Taps:
    positions, inside = axis.positions(), axis.taps()
    if circular:
        positions, inside = positions % axis.size, torch.ones_like(inside)
    readout = torch.eye(axis.size, dtype=torch.float64) if rows is None else rows
    if rows is None and not circular:
        patterns, counts = torch.unique(inside, dim=0, return_counts=True)
        absolute = patterns.double()
        return _Taps(torch.diag_embed(absolute), absolute, counts.double())
    read = readout[positions.clamp(0, axis.size - 1)] * inside[..., None]
    gram = read @ read.transpose(1, 2)
    absolute = read.abs().sum(2)
    both, counts = torch.unique(torch.cat([gram.flatten(1), absolute], 1), dim=0, return_counts=True)
    kernel = axis.kernel
    return _Taps(both[:, : kernel**2].reshape(-1, kernel, kernel), both[:, kernel**2 :], counts.double())


def pool_rows(pools: tuple[AvgPool, ...], axis: str) -> torch.Tensor | None:
    """Return the matrix of all average poolings along one axis (``"rows_h"`` or ``"rows_w"``); None if there are none."""
    product: torch.Tensor | None = None
    for pool in pools:
        rows: torch.Tensor = getattr(pool, axis)
        product = rows if product is None else rows @ product
    return product


def _squares(weight: torch.Tensor, high: _Taps, wide: _Taps) -> torch.Tensor:
    diagonal = all(
        bool((t.gram == torch.diag_embed(t.gram.diagonal(dim1=1, dim2=2))).all()) for t in (high, wide)
    )
    if diagonal:
        grams = [t.gram.diagonal(dim1=1, dim2=2) for t in (high, wide)]
        energy = weight.square().sum(1)
        return torch.einsum("oab,pa,qb->opq", energy, *grams)
    pairs = torch.einsum("ocab,pad->ocdbp", weight, high.gram)
    exact = torch.einsum("ocdbp,qbe,ocde->opq", pairs, wide.gram, weight)
    size = torch.einsum("ocab,pad->ocdbp", weight.abs(), high.gram.abs())
    magnitude = torch.einsum("ocdbp,qbe,ocde->opq", size, wide.gram.abs(), weight.abs())
    return exact + magnitude * slack(weight[0].numel() * 4)


def rows_of(link: ToeplitzLayer, weight: torch.Tensor) -> Rows:
    """Return the row norms of a link of the chain with a given kernel.

    Taps that no output reads are removed before the kernel is scaled to size 1, so that its largest entry is part of a row.

    Args:
        link: layer, whose geometry is used, and the poolings before it.
        weight: (out, in / groups, kernel height, kernel width) float64, e.g. the layer's own or a difference of two.

    Raises:
        NotCovered: with circular padding, taps wrap onto each other.
    """
    layer = link.layer
    axes = layer.window.height, layer.window.width
    if layer.circular and any(axis.reach > axis.size for axis in axes):
        raise NotCovered("a circular kernel wider than its image", layer.name)
    high = _axis_taps(axes[0], pool_rows(link.pools, "rows_h"), layer.circular)
    wide = _axis_taps(axes[1], pool_rows(link.pools, "rows_w"), layer.circular)
    grow = 1 + slack(weight[0].numel() + 4 * sum(axis.size for axis in axes) + 4)
    read = torch.outer(high.absolute.sum(0), wide.absolute.sum(0)) > 0
    weight = weight if bool(read.all()) else torch.where(read, weight, 0.0)
    exponent, found = exponent_of(weight), []
    for part in weight.split(max(1, BLOCK // max(1, weight[:1].numel()))):
        unit = times_power(part, -exponent)
        sums = torch.einsum("oab,pa,qb->opq", unit.abs().sum(1), high.absolute, wide.absolute)
        found.append((_squares(unit, high, wide), sums))
    squares, absolute = (torch.cat(parts) * grow for parts in zip(*found, strict=True))
    squares = squares.clamp(min=0).nan_to_num(nan=math.inf, posinf=math.inf)
    counts = torch.outer(high.counts, wide.counts)
    return Rows(squares.flatten(1), absolute.flatten(1), counts.flatten(), exponent)

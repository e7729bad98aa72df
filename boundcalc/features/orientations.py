"""Histograms of gradient orientations: the fixed first stage "orientations".

Every channel of an image is blurred (3 x 3 binomial), and its gradient is computed by central differences. The gradient's
length is distributed to eight directions k pi / 4; the share of a direction decreases with the angle to it:

    share_k = max(0, cos(angle to k))^8 length,

so that midway between two directions each of them gets about half of the length. The shares are pooled to a grid of cells
by triangular weights, their square roots are taken, and each image is scaled to mean square 1. No number in it comes from
data. After Dalal & Triggs 2005 (Histograms of oriented gradients for human detection) and, for the square root,
Arandjelovic & Zisserman 2012 (Three things everyone should know to improve object retrieval).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

DIRECTIONS = 8
_SQUARINGS = 3
"""Number of times that a cosine is squared, which gives its eighth power."""


def orientations(x: Tensor, cells: int) -> Tensor:
    """Return the features of a batch of images.

    Args:
        x: images, (batch, channels, height, width) of any floating type.
        cells: number of cells of the grid along each side.

    Returns:
        The features, (batch, 8 channels, cells, cells), of the type of `x`; an image without gradients gives zeros.

    Example:
        >>> x = torch.zeros(1, 1, 6, 6)
        >>> x[..., 3:] = 1.0  # an edge: the gradient points to the right
        >>> orientations(x, 2)[0, :, 0, 1].argmax()
        tensor(0)
    """
    batch, channels, height, width = x.shape
    across, down = _gradient(_blurred(x.reshape(batch * channels, height, width)))
    length = (across.square() + down.square()).sqrt()
    inverse = torch.where(length > 0, 1.0 / length, 0.0)
    across, down = across * inverse, down * inverse
    cosines = x.new_empty(batch * channels, DIRECTIONS, height, width)
    half = DIRECTIONS // 2
    for direction in range(half):
        angle = math.pi * direction / half
        cosine = math.cos(angle) * across + math.sin(angle) * down
        cosines[:, direction] = cosine.clamp_min(0.0)
        cosines[:, direction + half] = (-cosine).clamp_min(0.0)
    for _ in range(_SQUARINGS):
        cosines *= cosines
    cosines *= length[:, None]
    rows, columns = triangles(height, cells).to(x), triangles(width, cells).to(x)
    narrow = cosines @ columns.T
    pooled = narrow.transpose(2, 3).contiguous() @ rows.T
    roots = pooled.transpose(2, 3).reshape(batch, channels * DIRECTIONS, cells, cells).sqrt()
    size = roots.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return torch.where(size > 0, roots / size, 0.0)


def _blurred(x: Tensor) -> Tensor:
    """Return images (n, h, w), averaged with the weights 1, 2, 1 (over 4) along each axis; borders are repeated."""
    tall = torch.cat([x[:, :1], x, x[:, -1:]], 1)
    x = 0.25 * tall[..., :-2, :] + 0.5 * tall[..., 1:-1, :] + 0.25 * tall[..., 2:, :]
    wide = torch.cat([x[..., :1], x, x[..., -1:]], 2)
    return 0.25 * wide[..., :-2] + 0.5 * wide[..., 1:-1] + 0.25 * wide[..., 2:]


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the central differences to the right and downwards; borders are repeated."""
    wide = torch.cat([x[..., :1], x, x[..., -1:]], 2)
    tall = torch.cat([x[:, :1], x, x[:, -1:]], 1)
    return 0.5 * (wide[..., 2:] - wide[..., :-2]), 0.5 * (tall[:, 2:] - tall[:, :-2])


def triangles(size: int, cells: int) -> Tensor:
    """Return the weights with which the pixels along an axis contribute to cells, (cells, size) float64.

    A cell's weight falls from 1 at its center to 0 at the centers of its neighbors.

    Example:
        >>> triangles(4, 2)
        tensor([[0.7500, 0.7500, 0.2500, 0.0000],
                [0.0000, 0.2500, 0.7500, 0.7500]], dtype=torch.float64)
    """
    pixels = torch.arange(size, dtype=torch.float64) + 0.5
    middles = (torch.arange(cells, dtype=torch.float64) + 0.5) * (size / cells)
    return (1.0 - (pixels - middles[:, None]).abs() * (cells / size)).clamp_min(0.0)

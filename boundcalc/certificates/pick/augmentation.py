"""Random changes of the picked examples while a network trains on them; they depend on a generator and the batch alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def digits(x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Turn, scale, shear and shift images, each by its own affine map: up to 12 degrees, 12 %, 0.2 and 8 % of the width.

    Args:
        x: (b, c, h, w) float.
        generator: on the CPU.
        strength: factor of all of these.

    Returns:
        The images, of the same shape; what comes from beyond the border has the darkest value of its image.
    """
    draws = torch.rand(6, len(x), generator=generator).to(x) * 2 - 1
    draws = strength * draws
    angle, wide, high, shear, right, down = draws
    angle = angle * (12 * math.pi / 180)
    wide, high = torch.exp(0.12 * wide), torch.exp(0.12 * high)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [cos * wide, -sin * high + 0.2 * shear, 0.16 * right, sin * wide, cos * high, 0.16 * down]
    maps = torch.stack(rows, 1).reshape(-1, 2, 3)
    ground = x.amin(dim=(1, 2, 3), keepdim=True)
    grid = torch.nn.functional.affine_grid(maps, list(x.shape), align_corners=False)
    return torch.nn.functional.grid_sample(x - ground, grid, align_corners=False) + ground


def photos(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror images left to right with probability one half and shift them by up to 2 pixels.

    Args:
        x: (b, c, h, w) float.
        generator: on the CPU.

    Returns:
        The images, of the same shape; what a shift uncovers is 0.
    """
    x = _mirrored(x, generator)
    moves = torch.randint(-2, 3, (len(x), 2), generator=generator)
    height, width = x.shape[2:]
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2))
    rows = torch.arange(height)[None, :] + moves[:, :1] + 2
    columns = torch.arange(width)[None, :] + moves[:, 1:] + 2
    index = torch.arange(len(x))[:, None, None]
    moved = padded[index, :, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2).contiguous()


def garments(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror images left to right with probability one half and change them half as much as `digits` does; arguments as there."""
    return digits(_mirrored(x, generator), generator, 0.5)


def _mirrored(x: Tensor, generator: torch.Generator) -> Tensor:
    flips = torch.rand(len(x), generator=generator) < 0.5
    return torch.where(flips.to(x.device)[:, None, None, None], x.flip(3), x)


def off(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return the examples as they are."""
    return x


AUGMENTATIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "off": off,
    "digits": digits,
    "garments": garments,
    "photos": photos,
}

"""Layers for tests, and their matrices written out entry by entry."""

from __future__ import annotations

import math

import matrices
import torch
import torch.nn.functional as F

from boundcalc.network.chain import ToeplitzLayer
from boundcalc.network.geometry import Axis, Window
from boundcalc.network.ops import Affine, AvgPool
from boundcalc.network.pooling import adaptive_rows, average_rows


def conv_layer(
    weight: torch.Tensor,
    size: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    circular: bool = False,
    name: str = "conv",
) -> Affine:
    """A convolution with padding ((top, bottom), (left, right))."""
    axes = [
        Axis(n, k, s, *p, d)
        for n, k, s, p, d in zip(size, weight.shape[2:], stride, padding, dilation, strict=True)
    ]
    window = Window(axes[0], axes[1])
    return Affine(
        name, (0,), (weight.shape[0], *window.out), "conv2d", weight, None, weight != 0, None,
        tuple(weight.shape), window, groups, circular,
    )  # fmt: skip


def linear_layer(weight: torch.Tensor, shape: tuple[int, int, int], name: str = "fc") -> Affine:
    """A linear layer (out, in) on a flattened image."""
    kernel = weight.reshape(-1, *shape)
    return Affine(
        name, (0,), (kernel.shape[0], 1, 1), "linear", kernel, None, kernel != 0, None, tuple(weight.shape),
        Window.whole(shape[1:]),
    )  # fmt: skip


def average_pool(shape: tuple[int, int, int], kernel: int, stride: int) -> AvgPool:
    """An average pooling without padding of an image."""
    rows = [average_rows(n, kernel, stride, 0, False, True) for n in shape[1:]]
    return AvgPool("pool", (0,), (shape[0], len(rows[0]), len(rows[1])), rows[0], rows[1])


def adaptive_pool(shape: tuple[int, int, int], out: tuple[int, int]) -> AvgPool:
    """An adaptive average pooling of an image."""
    rows = [adaptive_rows(n, o) for n, o in zip(shape[1:], out, strict=True)]
    return AvgPool("pool", (0,), (shape[0], *out), rows[0], rows[1])


def dense_matrix(link: ToeplitzLayer, weight: torch.Tensor | None = None) -> torch.Tensor:
    """A^l, one column for each unit vector of the values before the poolings: (outputs, inputs)."""
    layer = link.layer
    weight = layer.weight if weight is None else weight
    matrix = matrices.of_layer(layer, weight)
    for pool in reversed(link.pools):
        matrix = matrix @ matrices.of_averages(pool, weight.shape[1] * layer.groups)
    return matrix


def majorant(layer: Affine) -> float:
    """The largest singular value over all frequencies of the circulant convolution that holds the layer: naive."""
    sides = []
    for axis in (layer.window.height, layer.window.width):
        extra = 0 if layer.circular else min(max(axis.before, axis.after), axis.dilation * (axis.kernel - 1))
        sides.append(axis.size + extra)
    best = 0.0
    per_group = layer.weight.shape[0] // layer.groups
    for group in range(layer.groups):
        kernel = layer.weight[group * per_group : (group + 1) * per_group]
        wrapped = torch.zeros(*kernel.shape[:2], *sides, dtype=torch.float64)
        for i in range(kernel.shape[2]):
            for j in range(kernel.shape[3]):
                place = i * layer.window.dilation[0] % sides[0], j * layer.window.dilation[1] % sides[1]
                wrapped[:, :, place[0], place[1]] += kernel[:, :, i, j]
        spectra = torch.fft.fft2(wrapped).permute(2, 3, 0, 1)
        best = max(best, float(torch.linalg.svdvals(spectra).amax()))
    return best


def same_padding(kernel: int, dilation: int) -> tuple[int, int]:
    """What ``padding='same'`` adds before and after: the odd one behind."""
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def masked(shape: tuple[int, ...], seed: int, density: float) -> torch.Tensor:
    """Random weights of which a share survives."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    return weight * (torch.rand(shape, generator=generator) < density)


def entries(layer: Affine) -> int:
    """Number of entries of the matrix."""
    channels = layer.weight.shape[1] * layer.groups
    return math.prod(layer.shape) * channels * layer.window.height.size * layer.window.width.size


def torch_convolution(layer: Affine, x: torch.Tensor) -> torch.Tensor:
    """The layer by PyTorch's own functions."""
    padded = F.pad(x, layer.window.pads, mode="circular" if layer.circular else "constant")
    return F.conv2d(padded, layer.weight, None, layer.window.stride, 0, layer.window.dilation, layer.groups)

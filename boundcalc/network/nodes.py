"""The node graph of the peeling bound: neurons grouped into nodes, and the quantities known for each node.

A node is a group of channels at one position. If an image is small enough, every position has its own nodes, so that
borders are exact; otherwise one general position represents all, with the degree of an interior position, which is an upper
bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from boundcalc.network.geometry import Window
from boundcalc.network.ops import Affine

_ENTRIES = 2**23


@dataclass(frozen=True, eq=False)
class NeuronGroups:
    """The nodes of one value of the network.

    Attributes:
        group: number of channels per node.
        channels: number of channels of the value.
        rectified: whether the values are known to be non-negative.
        exponent: exponent of the power of two by which the scales are divided.
        squares: squared scales s_p^2 / 4^exponent, (nodes, height, width) float64; 0 at dead nodes.
        log_energy: log of the largest product of |pred| and energy over paths below, (nodes, height, width); -inf at dead
            nodes.
        log_paths: log of the number of paths below, (nodes, height, width); -inf at dead nodes.
        log_factor: log of the factor for the ReLUs and poolings below.
    """

    group: int
    channels: int
    rectified: bool
    exponent: int
    squares: torch.Tensor
    log_energy: torch.Tensor
    log_paths: torch.Tensor
    log_factor: float

    @property
    def alive(self) -> torch.Tensor:
        """Nodes that an input or constant reaches, (nodes, height, width) bool."""
        return self.log_paths > -math.inf


def group_sum(values: torch.Tensor, group: int, axis: int) -> torch.Tensor:
    """Sum consecutive groups of `group` entries along an axis; the last group may be smaller."""
    if group == 1:
        return values
    missing = -values.shape[axis] % group
    if missing:
        shape = list(values.shape)
        shape[axis] = missing
        values = torch.cat([values, values.new_zeros(shape)], axis)
    return values.unflatten(axis, (-1, group)).sum(axis + 1)


def ungrouped(tensor: torch.Tensor, groups: int) -> torch.Tensor:
    """Expand the (out, in / groups, kh, kw) of a grouped convolution to (out, in, kh, kw), with zeros between groups."""
    if groups == 1:
        return tensor
    out, width = tensor.shape[:2]
    full = tensor.new_zeros(out, width * groups, *tensor.shape[2:])
    rows = out // groups
    for g in range(groups):
        full[g * rows : (g + 1) * rows, g * width : (g + 1) * width] = tensor[g * rows : (g + 1) * rows]
    return full


class ExactPositions:
    """Treats every position of an image separately, so that borders are exact."""

    name = "exact"

    @staticmethod
    def kernel(tensor: torch.Tensor) -> torch.Tensor:
        """Return a kernel of squared weights or connections in the form that `total` and `largest` use."""
        return tensor

    @staticmethod
    def spread(per_channel: torch.Tensor, layer: Affine) -> torch.Tensor:
        """Expand (nodes,) to the (nodes, height, width) of a layer's output."""
        return per_channel[:, None, None].expand(-1, *layer.window.out)

    @staticmethod
    def total(values: torch.Tensor, kernel: torch.Tensor, layer: Affine) -> torch.Tensor:
        """Sum over each window: (in, h, w), (out, in, kh, kw) -> (out, oh, ow)."""
        padded = _pad(values, layer, 0.0)
        window = layer.window
        if window.out == (1, 1):
            return (kernel.flatten(1) @ _only_window(padded, window).flatten())[:, None, None]
        return F.conv2d(padded[None], kernel, None, window.stride, dilation=window.dilation)[0]

    @staticmethod
    def largest(values: torch.Tensor, kernel: torch.Tensor, layer: Affine) -> torch.Tensor:
        """Return the maximum over each window's connections (kernel > 0), with shapes as in `total`; -inf if there are
        none.
        """
        window = layer.window
        padded = _pad(values, layer, -math.inf)
        whole = window.out == (1, 1)
        columns = _only_window(padded, window).reshape(-1, 1) if whole else _columns(padded, window)
        found = _masked_max(columns, (kernel > 0).flatten(1))
        return found.reshape(kernel.shape[0], *window.out)

    @classmethod
    def taps(cls, kernel: torch.Tensor, layer: Affine) -> torch.Tensor:
        """Sum a kernel of a layer that reads the input over the taps inside the image: (out, in, kh, kw) -> (out, oh, ow)."""
        window = layer.window
        ones = torch.ones(kernel.shape[1], window.height.size, window.width.size, dtype=torch.float64)
        return cls.total(ones, kernel, layer)

    read, read_max = total, largest
    """`total` and `largest` applied to the network's input."""

    @staticmethod
    def window_sum(values: torch.Tensor, window: Window) -> torch.Tensor:
        """Sum over the windows of a pooling, per node."""
        return _pool_columns(values, window, 0.0).sum(1).reshape(values.shape[0], *window.out)

    @staticmethod
    def window_max(values: torch.Tensor, window: Window) -> torch.Tensor:
        """Return the maximum over the windows of a pooling, per node."""
        return _pool_columns(values, window, -math.inf).amax(1).reshape(values.shape[0], *window.out)

    @staticmethod
    def averaged(values: torch.Tensor, rows_h: torch.Tensor, rows_w: torch.Tensor) -> torch.Tensor:
        """Return ``rows_h @ values @ rows_w^T``, where the rows are non-negative."""
        return rows_h @ values @ rows_w.T

    @staticmethod
    def averaged_max(values: torch.Tensor, rows_h: torch.Tensor, rows_w: torch.Tensor) -> torch.Tensor:
        """Return the maximum over the entries that an average reads."""
        dead = torch.tensor(-math.inf, dtype=values.dtype)
        high = torch.where((rows_h > 0)[:, :, None], values[:, None], dead).amax(2)
        return torch.where(rows_w > 0, high[:, :, None, :], dead).amax(3)

    @staticmethod
    def picked(values: torch.Tensor, source: torch.Tensor, area: int, empty: float) -> torch.Tensor:
        """Copy entries to new positions; positions without a source get `empty`. ``area`` (positions per channel) is not
        used.
        """
        copied = values.flatten()[source.clamp(min=0).flatten()].reshape(source.shape)
        return torch.where(source >= 0, copied, torch.tensor(empty, dtype=values.dtype))


class GeneralPosition:
    """Lets one position represent all: it has the degree of an interior position and the energy of the strongest one."""

    name = "general (upper bound)"

    @staticmethod
    def kernel(tensor: torch.Tensor) -> torch.Tensor:
        """Return the kernel summed over its taps, as a 1x1 kernel."""
        return tensor.sum((2, 3), keepdim=True)

    @staticmethod
    def spread(per_channel: torch.Tensor, layer: Affine) -> torch.Tensor:
        """Expand (nodes,) to (nodes, 1, 1)."""
        return per_channel[:, None, None]

    @staticmethod
    def total(values: torch.Tensor, kernel: torch.Tensor, layer: Affine) -> torch.Tensor:
        """Sum over connections: (in, 1, 1), (out, in, 1, 1) -> (out, 1, 1)."""
        return (kernel[:, :, 0, 0] @ values.flatten())[:, None, None]

    @staticmethod
    def largest(values: torch.Tensor, kernel: torch.Tensor, layer: Affine) -> torch.Tensor:
        """Return the maximum over connections, with shapes as in `total`."""
        return _masked_max(values.flatten()[:, None], kernel[:, :, 0, 0] > 0)[:, :, None]

    @staticmethod
    def taps(kernel: torch.Tensor, layer: Affine) -> torch.Tensor:
        """Return the largest sum, over positions, of a kernel that reads the input: (out, in, kh, kw) -> (out, 1, 1)."""
        axes = layer.window.height, layer.window.width
        inside = [
            torch.ones(1, axis.kernel).double()
            if layer.circular
            else torch.unique(axis.taps(), dim=0).double()
            for axis in axes
        ]
        sums = torch.einsum("oab,pa,qb->opq", kernel.sum(1), *inside)
        return sums.flatten(1).amax(1)[:, None, None]

    @classmethod
    def read(cls, values: torch.Tensor, kernel: torch.Tensor, layer: Affine) -> torch.Tensor:
        """Return the largest sum, over positions, of the input values that connections read: (in, h, w) -> (out, 1, 1)."""
        if bool((values == values.max()).all()):
            return cls.taps(kernel, layer) * values.max()
        return ExactPositions.total(values, kernel, layer).flatten(1).amax(1)[:, None, None]

    @staticmethod
    def read_max(values: torch.Tensor, kernel: torch.Tensor, layer: Affine) -> torch.Tensor:
        """Return the maximum, over positions, of the input values that connections read: (in, h, w) -> (out, 1, 1)."""
        columns = _columns(_pad(values, layer, -math.inf), layer.window).amax(1)
        return _masked_max(columns[:, None], (kernel > 0).flatten(1))[:, :, None]

    @staticmethod
    def window_sum(values: torch.Tensor, window: Window) -> torch.Tensor:
        """Sum over a pooling window."""
        return values * math.prod(window.kernel)

    @staticmethod
    def window_max(values: torch.Tensor, window: Window) -> torch.Tensor:
        """Return the maximum over a pooling window."""
        return values

    @staticmethod
    def averaged(values: torch.Tensor, rows_h: torch.Tensor, rows_w: torch.Tensor) -> torch.Tensor:
        """Multiply by the largest row sums of an average."""
        return values * float(rows_h.sum(1).max() * rows_w.sum(1).max())

    @staticmethod
    def averaged_max(values: torch.Tensor, rows_h: torch.Tensor, rows_w: torch.Tensor) -> torch.Tensor:
        """Return the maximum over the entries that an average reads."""
        return values

    @staticmethod
    def picked(values: torch.Tensor, source: torch.Tensor, area: int, empty: float) -> torch.Tensor:
        """Copy channels of `area` positions to new channels; a channel that is zero everywhere becomes `empty`."""
        channel = torch.div(source.flatten(1).amax(1), area, rounding_mode="floor")
        copied = values[channel.clamp(min=0), 0, 0]
        return torch.where(channel >= 0, copied, torch.tensor(empty, dtype=values.dtype))[:, None, None]


Positions = ExactPositions | GeneralPosition


def window_columns(values: torch.Tensor, layer: Affine) -> torch.Tensor:
    """Return the values that each output position of a layer reads, (in, h, w) -> (in * kh * kw, positions); padding is 0."""
    return _columns(_pad(values, layer, 0.0), layer.window)


def _pad(values: torch.Tensor, layer: Affine, fill: float) -> torch.Tensor:
    pads = layer.window.pads
    if not any(pads):
        return values
    if layer.circular:
        return F.pad(values[None], pads, mode="circular")[0]
    return F.pad(values, pads, value=fill)


def _only_window(padded: torch.Tensor, window: Window) -> torch.Tensor:
    high, wide = window.height, window.width
    return padded[:, : high.reach : high.dilation, : wide.reach : wide.dilation]


def _columns(padded: torch.Tensor, window: Window) -> torch.Tensor:
    columns = []
    for i in range(window.height.kernel):
        for j in range(window.width.kernel):
            rows = _along(padded, 1, i, window.height.dilation, window.height.stride, window.out[0])
            columns.append(
                _along(rows, 2, j, window.width.dilation, window.width.stride, window.out[1]).flatten(1)
            )
    return torch.stack(columns, 1).flatten(0, 1)


def _along(values: torch.Tensor, axis: int, tap: int, dilation: int, stride: int, out: int) -> torch.Tensor:
    index = torch.arange(out) * stride + tap * dilation
    return values.index_select(axis, index)


def _pool_columns(values: torch.Tensor, window: Window, fill: float) -> torch.Tensor:
    room = [
        max(0, (axis.out - 1) * axis.stride + axis.reach - axis.size - axis.before)
        for axis in (window.height, window.width)
    ]
    padded = F.pad(values, [window.width.before, room[1], window.height.before, room[0]], value=fill)
    taps = math.prod(window.kernel)
    return _columns(padded, window).reshape(values.shape[0], taps, -1)


def _masked_max(columns: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    if bool(mask.all()):
        return columns.amax(0).expand(mask.shape[0], -1)
    step = max(1, _ENTRIES // max(1, columns.numel()))
    dead = torch.tensor(-math.inf, dtype=columns.dtype)
    return torch.cat([
        torch.where(part[:, :, None], columns, dead).amax(1) for part in mask.split(step)
    ])  # fmt: skip

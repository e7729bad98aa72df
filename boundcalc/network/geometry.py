"""Windows that slide over an image: their sizes, the taps inside the image, and exact integer counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a convolution or pooling.

    Attributes:
        size: input length in positions.
        kernel: number of taps.
        stride: step between outputs.
        before: padding before the first position.
        after: padding after the last position.
        dilation: distance between taps.
        ceil: whether a last, partly filled window counts (``ceil_mode`` of pooling).
    """

    size: int
    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    ceil: bool = False

    @property
    def reach(self) -> int:
        """Number of positions that one window spans."""
        return self.dilation * (self.kernel - 1) + 1

    @cached_property
    def out(self) -> int:
        """Number of outputs; at least 1 in any network that runs."""
        room = self.size + self.before + self.after - self.reach
        if not self.ceil:
            return room // self.stride + 1
        count = -(-room // self.stride) + 1
        starts_outside = (count - 1) * self.stride >= self.size + self.before
        return count - 1 if starts_outside else count

    def positions(self) -> torch.Tensor:
        """Return the input position that each tap reads, (out, kernel) int64; out of range means padding."""
        starts = torch.arange(self.out) * self.stride - self.before
        return starts[:, None] + torch.arange(self.kernel) * self.dilation

    def taps(self) -> torch.Tensor:
        """Return which taps are inside the image, (out, kernel) bool."""
        positions = self.positions()
        return (positions >= 0) & (positions < self.size)


@dataclass(frozen=True)
class Window:
    """The two axes (height, width) of a convolution or pooling."""

    height: Axis
    width: Axis

    @property
    def kernel(self) -> tuple[int, int]:
        """Taps per axis."""
        return self.height.kernel, self.width.kernel

    @property
    def stride(self) -> tuple[int, int]:
        """Strides per axis."""
        return self.height.stride, self.width.stride

    @property
    def dilation(self) -> tuple[int, int]:
        """Dilations per axis."""
        return self.height.dilation, self.width.dilation

    @cached_property
    def out(self) -> tuple[int, int]:
        """Output positions per axis."""
        return self.height.out, self.width.out

    @property
    def pads(self) -> list[int]:
        """Padding in the order of ``torch.nn.functional.pad``: left, right, top, bottom."""
        return [self.width.before, self.width.after, self.height.before, self.height.after]

    @classmethod
    def of(
        cls,
        size: tuple[int, int],
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
        dilation: tuple[int, int] = (1, 1),
        ceil: bool = False,
    ) -> Window:
        """Build a window with symmetric padding from (height, width) pairs."""
        axes = [
            Axis(n, k, s, p, p, d, ceil)
            for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
        ]
        return cls(axes[0], axes[1])

    @classmethod
    def whole(cls, size: tuple[int, int]) -> Window:
        """Build the window of a linear layer on a flattened image: it covers the image once."""
        return cls.of(size, size)

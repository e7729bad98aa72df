"""Average pooling as one matrix per axis, obtained by applying PyTorch's own pooling to unit vectors."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F


def _matrix(size: int, pool: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    return pool(torch.eye(size, dtype=torch.float64)[:, None, :])[:, 0, :].T.contiguous()


def average_rows(
    size: int, kernel: int, stride: int, padding: int, ceil: bool, count_padding: bool
) -> torch.Tensor:
    """Return the matrix of a one-dimensional average pooling.

    Args:
        size: input length.
        kernel: window width.
        stride: step between windows.
        padding: number of zeros on each side.
        ceil: PyTorch's ``ceil_mode``.
        count_padding: PyTorch's ``count_include_pad``.

    Returns:
        (output length, size) float64; each row sums to at most 1.
    """
    return _matrix(size, lambda x: F.avg_pool1d(x, kernel, stride, padding, ceil, count_padding))


def adaptive_rows(size: int, out: int) -> torch.Tensor:
    """Return the matrix of adaptive average pooling from `size` to `out` positions, (out, size) float64."""
    return _matrix(size, lambda x: F.adaptive_avg_pool1d(x, out))

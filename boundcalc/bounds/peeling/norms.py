"""The two ways in which a node may measure its incoming weights.

Let W_p be the weights of a node from its predecessor p, of scale s_p.

- ``l2``: s = (sum_p (s_p ||W_p||_F)^2)^(1/2). A concatenation is at most sqrt(|pred|) times the largest predecessor, so that the
  fan-in |pred| enters B^2; the inputs of a first layer are one predecessor with their joint energy. See docs/theory/peeling.md.
- ``l1``: s = sum_p s_p ||W_p||_F. By Hoelder a sum over predecessors is at most s times the largest one, and no fan-in enters;
  each input of a first layer is a predecessor with its own energy. The step that replaces a node's rows by a single one still
  holds, for with n_k = sum_p ||w_kp|| the size of row k, (sum_k n_k^2)^(1/2) <= sum_p (sum_k ||w_kp||^2)^(1/2) (Minkowski).

Both are theorems at every layer independently; which is used where is a choice of one bit a layer.
"""

from __future__ import annotations

from typing import Protocol

import torch


class NodeNorm(Protocol):
    """How the incoming weights of a node are measured."""

    name: str

    def weights(self, squares: torch.Tensor) -> torch.Tensor:
        """Return what is summed for each weight block, given its squared Frobenius norm."""
        ...

    def scales(self, squares: torch.Tensor) -> torch.Tensor:
        """Return what is summed for each predecessor, given its squared scale."""
        ...

    def squared(self, sizes: torch.Tensor) -> torch.Tensor:
        """Return squared scales, given the sums."""
        ...

    def log_fan_in(self, fan_in: torch.Tensor) -> torch.Tensor:
        """Return the log of the factor that the number of predecessors costs in B^2."""
        ...

    def rescaled(self, exponent: int) -> int:
        """Return the exponent of two of a sum's factor when scales are multiplied by 2^exponent."""
        ...


class L2:
    """Euclidean over predecessors; the fan-in is paid for."""

    name = "l2"

    def weights(self, squares: torch.Tensor) -> torch.Tensor:
        """Squared block norms."""
        return squares

    def scales(self, squares: torch.Tensor) -> torch.Tensor:
        """Squared scales."""
        return squares

    def squared(self, sizes: torch.Tensor) -> torch.Tensor:
        """The sums themselves."""
        return sizes

    def log_fan_in(self, fan_in: torch.Tensor) -> torch.Tensor:
        """Log of |pred|."""
        return fan_in.clamp(min=1).log()

    def rescaled(self, exponent: int) -> int:
        """Quadratic."""
        return 2 * exponent


class L1:
    """Sum over predecessors; the fan-in costs nothing."""

    name = "l1"

    def weights(self, squares: torch.Tensor) -> torch.Tensor:
        """Block norms."""
        return squares.sqrt()

    def scales(self, squares: torch.Tensor) -> torch.Tensor:
        """Scales."""
        return squares.sqrt()

    def squared(self, sizes: torch.Tensor) -> torch.Tensor:
        """Squares of the sums."""
        return sizes.square()

    def log_fan_in(self, fan_in: torch.Tensor) -> torch.Tensor:
        """Nothing."""
        return torch.zeros_like(fan_in)

    def rescaled(self, exponent: int) -> int:
        """Linear."""
        return exponent


NORMS: tuple[NodeNorm, ...] = (L2(), L1())

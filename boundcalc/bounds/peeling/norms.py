"""The two ways in which a node may measure its incoming weights.

Let W_p be the weights of a node from its predecessor p, of scale s_p.

- ``l2``: s = (sum_p (s_p ||W_p||_F)^2)^(1/2). A concatenation is at most sqrt(|pred|) times the largest predecessor, so the fan-in
  |pred| enters B^2. The inputs of a first layer are one predecessor with their joint energy (docs/theory/peeling.md).
- ``l1``: s = sum_p s_p ||W_p||_F. By Hölder's inequality a sum over predecessors is at most s times the largest one, and no fan-in
  enters. Each input of a first layer is a predecessor with its own energy. The step that replaces a node's rows by a single one
  still holds: with the size n_k = sum_p ||w_kp|| of row k, (sum_k n_k^2)^(1/2) <= sum_p (sum_k ||w_kp||^2)^(1/2) (Minkowski).

Both are valid at every layer independently, so the choice of the norm costs one bit per layer.
"""

from __future__ import annotations

from typing import Protocol

import torch


class NodeNorm(Protocol):
    """A norm that measures the incoming weights of a node."""

    name: str

    def weights(self, squares: torch.Tensor) -> torch.Tensor:
        """Return the summand of each weight block, given its squared Frobenius norm."""
        ...

    def scales(self, squares: torch.Tensor) -> torch.Tensor:
        """Return the summand of each predecessor, given its squared scale."""
        ...

    def squared(self, sizes: torch.Tensor) -> torch.Tensor:
        """Return the squared scales, given the sums."""
        ...

    def log_fan_in(self, fan_in: torch.Tensor) -> torch.Tensor:
        """Return the log of the factor of B^2 that depends on the number of predecessors."""
        ...

    def rescaled(self, exponent: int) -> int:
        """Return e such that the sums are multiplied by 2^e if the scales are multiplied by 2^exponent."""
        ...


class L2:
    """Euclidean norm over predecessors; the fan-in enters B^2."""

    name = "l2"

    def weights(self, squares: torch.Tensor) -> torch.Tensor:
        """Return the squared block norms."""
        return squares

    def scales(self, squares: torch.Tensor) -> torch.Tensor:
        """Return the squared scales."""
        return squares

    def squared(self, sizes: torch.Tensor) -> torch.Tensor:
        """Return the sums themselves."""
        return sizes

    def log_fan_in(self, fan_in: torch.Tensor) -> torch.Tensor:
        """Return the log of |pred|."""
        return fan_in.clamp(min=1).log()

    def rescaled(self, exponent: int) -> int:
        """Return twice the exponent."""
        return 2 * exponent


class L1:
    """Sum over predecessors; the fan-in does not enter B^2."""

    name = "l1"

    def weights(self, squares: torch.Tensor) -> torch.Tensor:
        """Return the block norms."""
        return squares.sqrt()

    def scales(self, squares: torch.Tensor) -> torch.Tensor:
        """Return the scales."""
        return squares.sqrt()

    def squared(self, sizes: torch.Tensor) -> torch.Tensor:
        """Return the squares of the sums."""
        return sizes.square()

    def log_fan_in(self, fan_in: torch.Tensor) -> torch.Tensor:
        """Return 0."""
        return torch.zeros_like(fan_in)

    def rescaled(self, exponent: int) -> int:
        """Return the exponent."""
        return exponent


NORMS: tuple[NodeNorm, ...] = (L2(), L1())

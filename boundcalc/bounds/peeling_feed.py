"""What the predecessors of a node add up to: the step of the peeling walk before a node's own fan-in is counted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from boundcalc.bounds.peeling_norms import NodeNorm
from boundcalc.network.nodes import Field
from boundcalc.norms.rounding import kept_positive

SMALLEST = -150.0
"""Log of the smallest scale that is taken out of nodes before biases are added to them."""


@dataclass(frozen=True, eq=False)
class Feed:
    """The predecessors of every node of a value, each tensor (nodes, height, width) float64.

    Attributes:
        norm: how incoming weights are measured.
        log_scale: natural log of the factor taken out of the scales.
        sizes: sums of weights and scales in that norm.
        fan_in: number of predecessors.
        log_energy: largest log of path product and energy among them; -inf without any.
        log_paths: log of the number of paths through them.
        log_factor: log of the factor for ReLUs and poolings below.
        joint: whether they are one restricted input, whose energy already adds up.
    """

    norm: NodeNorm
    log_scale: float
    sizes: torch.Tensor
    fan_in: torch.Tensor
    log_energy: torch.Tensor
    log_paths: torch.Tensor
    log_factor: float
    joint: bool = False

    @classmethod
    def of(cls, skip: Field, norm: NodeNorm) -> Feed:
        """A field that is added as it is: one more predecessor, its scale kept."""
        sizes = norm.scales(skip.squares)
        return cls(
            norm, skip.log_scale, sizes, skip.alive.double(), skip.log_energy, skip.log_paths, skip.log_factor
        )

    @classmethod
    def joined(cls, feeds: list[Feed]) -> Feed:
        """All predecessors of a sum."""
        if len(feeds) == 1:
            return feeds[0]
        norm, scale = feeds[0].norm, max(feed.log_scale for feed in feeds)
        return cls(
            norm=norm,
            log_scale=scale,
            sizes=torch.stack([f._rescaled(f.log_scale - scale) for f in feeds]).sum(0),
            fan_in=torch.stack([f.fan_in for f in feeds]).sum(0),
            log_energy=torch.stack([f.log_energy for f in feeds]).amax(0),
            log_paths=torch.stack([f.log_paths for f in feeds]).logsumexp(0),
            log_factor=max(f.log_factor for f in feeds),
        )

    def with_constant(self, squared: torch.Tensor, fed: torch.Tensor, energy: float) -> Feed:
        """Add the constant unit as one more predecessor.

        Args:
            squared: sum of squared biases over t^2, one a node.
            fed: 1 where the constant feeds the node, else 0.
            energy: m t^2.
        """
        scale = max(self.log_scale, SMALLEST)
        biases = self.norm.weights(squared)
        sizes = self._rescaled(self.log_scale - scale)
        sizes = sizes + kept_positive(biases * self.norm.rescaled(-scale), biases)
        if self.joint:
            return replace(
                self,
                log_scale=scale,
                sizes=sizes,
                fan_in=torch.maximum(self.fan_in, fed),
                log_energy=torch.logaddexp(self.log_energy, fed.log() + math.log(energy)),
                log_paths=torch.maximum(self.log_paths, fed.log()),
            )
        return replace(
            self,
            log_scale=scale,
            sizes=sizes,
            fan_in=self.fan_in + fed,
            log_energy=torch.maximum(self.log_energy, fed.log() + math.log(energy)),
            log_paths=torch.logaddexp(self.log_paths, fed.log()),
        )

    def _rescaled(self, log_factor: float) -> torch.Tensor:
        """Return the sums when scales are multiplied by exp(log_factor); none vanishes."""
        return kept_positive(self.sizes * self.norm.rescaled(log_factor), self.sizes)

    def squares(self) -> tuple[torch.Tensor, float]:
        """Return squared scales of the nodes and their log factor, brought to size 1 so that deep networks do not overflow."""
        squares = self.norm.squared(self.sizes)
        top = float(squares.max())
        if top <= 0:
            return squares, self.log_scale
        return kept_positive(squares / top, squares), self.log_scale + 0.5 * math.log(top)

    def energy(self) -> torch.Tensor:
        """Return the largest log of path product and energy with the nodes' own fan-in."""
        return self.log_energy if self.joint else self.log_energy + self.norm.log_fan_in(self.fan_in)

    def repeated(self, times: int) -> Feed:
        """The same output at `times` positions."""
        return replace(
            self,
            sizes=self.sizes * times,
            fan_in=self.fan_in * times,
            log_paths=self.log_paths + math.log(times),
        )

"""Sums over the predecessors of a node: the step of the peeling walk before the node's own fan-in is counted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from boundcalc.bounds.peeling.norms import NodeNorm
from boundcalc.network.nodes import NeuronGroups
from boundcalc.norms.rounding import exponent_of, kept_positive, times_power


@dataclass(frozen=True, eq=False)
class Predecessors:
    """The predecessors of every node of a value; each tensor is (nodes, height, width) float64.

    Attributes:
        norm: norm by which incoming weights are measured.
        exponent: exponent of the power of two that was taken out of the scales.
        sizes: sums over predecessors of weights times scales, in that norm.
        fan_in: number of predecessors.
        log_energy: largest log of path product times energy among them; -inf without predecessors.
        log_paths: log of the number of paths through them.
        log_factor: log of the factor of the ReLUs and poolings below.
        joint: whether they are one restricted input, whose energy is already the sum over its entries.
    """

    norm: NodeNorm
    exponent: int
    sizes: torch.Tensor
    fan_in: torch.Tensor
    log_energy: torch.Tensor
    log_paths: torch.Tensor
    log_factor: float
    joint: bool = False

    @classmethod
    def of(cls, skip: NeuronGroups, norm: NodeNorm) -> Predecessors:
        """Return the nodes of a skipped value as one more predecessor each, with unchanged scales."""
        sizes = norm.scales(skip.squares)
        return cls(
            norm, skip.exponent, sizes, skip.alive.double(), skip.log_energy, skip.log_paths, skip.log_factor
        )

    @classmethod
    def joined(cls, feeds: list[Predecessors]) -> Predecessors:
        """Return all predecessors of a sum."""
        if len(feeds) == 1:
            return feeds[0]
        norm, exponent = feeds[0].norm, max(feed.exponent for feed in feeds)
        return cls(
            norm=norm,
            exponent=exponent,
            sizes=torch.stack([f.at(exponent) for f in feeds]).sum(0),
            fan_in=torch.stack([f.fan_in for f in feeds]).sum(0),
            log_energy=torch.stack([f.log_energy for f in feeds]).amax(0),
            log_paths=torch.stack([f.log_paths for f in feeds]).logsumexp(0),
            log_factor=max(f.log_factor for f in feeds),
        )

    def with_constant(
        self, squared: torch.Tensor, biases_exponent: int, log_fed: torch.Tensor, energy: float
    ) -> Predecessors:
        """Add the constant unit as one more predecessor.

        Args:
            squared: sum of squared biases of each node divided by t^2, where biases are scaled to size 1.
            biases_exponent: exponent of the power of two that was taken out of the biases.
            log_fed: 0 if the constant feeds the node, otherwise -inf.
            energy: energy m t^2 of the constant unit.
        """
        exponent = max(self.exponent, biases_exponent)
        biases = _moved(self.norm.weights(squared), self.norm.rescaled(biases_exponent - exponent))
        fed, log_energy = log_fed.exp(), log_fed + math.log(energy)
        either = torch.maximum if self.joint else torch.add
        return Predecessors(
            norm=self.norm,
            exponent=exponent,
            sizes=self.at(exponent) + biases,
            fan_in=either(self.fan_in, fed),
            log_energy=(torch.logaddexp if self.joint else torch.maximum)(self.log_energy, log_energy),
            log_paths=(torch.maximum if self.joint else torch.logaddexp)(self.log_paths, log_fed),
            log_factor=self.log_factor,
            joint=self.joint,
        )

    def at(self, exponent: int) -> torch.Tensor:
        """Return the sums if 2^exponent (at least their own) is taken out of the scales; no positive sum becomes 0."""
        return _moved(self.sizes, self.norm.rescaled(self.exponent - exponent))

    def squares(self) -> tuple[torch.Tensor, int]:
        """Return the squared scales of the nodes, scaled to size 1 so that deep networks do not overflow, and their exponent."""
        squares = self.norm.squared(self.sizes)
        half = -(-exponent_of(squares) // 2)
        return kept_positive(times_power(squares, -2 * half), squares), self.exponent + half

    def energy(self) -> torch.Tensor:
        """Return the largest log of path product times energy, with the nodes' own fan-in."""
        return self.log_energy if self.joint else self.log_energy + self.norm.log_fan_in(self.fan_in)

    def repeated(self, times: int) -> Predecessors:
        """Return the predecessors of the same output at `times` positions."""
        return replace(
            self,
            sizes=self.sizes * times,
            fan_in=self.fan_in * times,
            log_paths=self.log_paths + math.log(times),
        )


def _moved(sizes: torch.Tensor, exponent: int) -> torch.Tensor:
    return sizes if exponent == 0 else kept_positive(times_power(sizes, exponent), sizes)

"""What the predecessors of a node add up to: the step of the peeling walk before a node's own fan-in is counted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from boundcalc.network.nodes import Field


@dataclass(frozen=True, eq=False)
class Feed:
    """What the predecessors of every node sum up to, before the node's own fan-in is counted.

    `concatenated` says that all predecessors are one restricted input, whose energy already adds up.
    """

    log_scale: float
    squares: torch.Tensor
    fan_in: torch.Tensor
    log_energy: torch.Tensor
    log_paths: torch.Tensor
    log_factor: float
    concatenated: bool

    @classmethod
    def of(cls, skip: Field) -> Feed:
        """A field that is added as it is: one more predecessor, its scale kept."""
        return cls(
            skip.log_scale,
            skip.squares,
            skip.alive.double(),
            skip.log_energy,
            skip.log_paths,
            skip.log_factor,
            False,
        )

    @classmethod
    def joined(cls, feeds: list[Feed]) -> Feed:
        """All predecessors of a sum."""
        if len(feeds) == 1:
            return feeds[0]
        scale = max(feed.log_scale for feed in feeds)
        return cls(
            log_scale=scale,
            squares=torch.stack([f.squares * math.exp(2 * (f.log_scale - scale)) for f in feeds]).sum(0),
            fan_in=torch.stack([f.fan_in for f in feeds]).sum(0),
            log_energy=torch.stack([f.log_energy for f in feeds]).amax(0),
            log_paths=torch.stack([f.log_paths for f in feeds]).logsumexp(0),
            log_factor=max(f.log_factor for f in feeds),
            concatenated=False,
        ).normalised()

    def normalised(self) -> Feed:
        """Take the size of the scales out, so that deep networks do not overflow."""
        top = float(self.squares.max())
        if top <= 0:
            return self
        return replace(self, squares=self.squares / top, log_scale=self.log_scale + 0.5 * math.log(top))

    def repeated(self, times: int) -> Feed:
        """The same output at `times` positions."""
        return replace(
            self,
            squares=self.squares * times,
            fan_in=self.fan_in * times,
            log_paths=self.log_paths + math.log(times),
        )

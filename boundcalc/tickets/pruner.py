"""The interface of a pruner: a score for every weight; the masks keep the highest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    Scores = dict[str, Tensor]


@dataclass(frozen=True)
class PrunerInputs:
    """The inputs that a pruner may use.

    Attributes:
        x: samples `(b, ...)` float, a few of every class.
        y: labels of the samples, `(b,)` int64.
        loss: name of the training loss.
        generator: random number generator, on the CPU.
    """

    x: Tensor
    y: Tensor
    loss: str
    generator: torch.Generator


@dataclass(frozen=True)
class Pruner:
    """A pruner that prunes at initialization.

    Attributes:
        name: value of ``--pruner``.
        rank: its position in the list of pruners.
        score: returns a score for every weight, given the masked network and the inputs; the highest scores are kept.
        rounds: number of rounds in which the density is reached.
        blind: whether it uses at most the initial weights and never a sample.
    """

    name: str
    rank: int
    score: Callable[[nn.Module, PrunerInputs], Scores]
    rounds: int = 1
    blind: bool = False

"""What a pruner is: a score for every weight, by which the masks keep the best."""

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
    """What a pruner may look at.

    Attributes:
        x: samples `(b, ...)` float, a few of every class.
        y: their labels `(b,)` int64.
        loss: name of the training loss.
        generator: of random numbers, on the CPU.
    """

    x: Tensor
    y: Tensor
    loss: str
    generator: torch.Generator


@dataclass(frozen=True)
class Pruner:
    """One pruner at initialisation.

    Attributes:
        name: in ``--pruner``.
        rank: where it stands among the pruners.
        score: from the masked network and what it may look at to a score for every weight; the highest stay.
        rounds: in how many rounds it comes to its density.
        blind: whether it looks at the initial weights at most, never at a sample.
    """

    name: str
    rank: int
    score: Callable[[nn.Module, PrunerInputs], Scores]
    rounds: int = 1
    blind: bool = False

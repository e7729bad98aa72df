"""How a network is trained: checked where it is set; no torch here, so that wrong usage is told at once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from boundcalc.errors import UsageError
from boundcalc.nearest import hint

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("constant", "cosine", "step")
LOSSES = ("cross-entropy", "mse")
REGULARIZERS = ("peeling",)
RATES = {"sgd": 0.1, "adam": 0.0012}
"""Learning rate of each optimiser where none is given."""


@dataclass(frozen=True)
class Recipe:
    """Everything that training does to a network, the data apart.

    Attributes:
        epochs: passes over the training set.
        optimizer: `"sgd"` (with momentum) or `"adam"`.
        lr: learning rate at the start.
        momentum: of sgd; adam has 0.9 and 0.999.
        weight_decay: added to gradients, times each parameter.
        schedule: of the learning rate: `"constant"`, `"cosine"` (to zero, step by step), or `"step"` (times
            `gamma` at each milestone).
        milestones: epochs of the step schedule.
        gamma: factor of the step schedule.
        batch_size: samples of a step; the last batch of an epoch holds what is left.
        loss: `"cross-entropy"`, or `"mse"`, the mean square distance from one-hot labels.
        weight_norm: whether weights are trained as length times direction, one length an output (Salimans &
            Kingma 2016).
        regularize: `"peeling"` adds `weight_decay` times the scale of the peeling bound to the loss in place of weight decay;
            None for weight decay.

    Raises:
        UsageError: a value out of range, or options that contradict each other.
    """

    epochs: int = 10
    optimizer: str = "sgd"
    lr: float = RATES["sgd"]
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    batch_size: int = 128
    loss: str = "cross-entropy"
    weight_norm: bool = False
    regularize: str | None = None

    def __post_init__(self) -> None:
        one_of("--optimizer", self.optimizer, OPTIMIZERS)
        one_of("--schedule", self.schedule, SCHEDULES)
        one_of("--loss", self.loss, LOSSES)
        if self.regularize is not None:
            one_of("--regularise", self.regularize, REGULARIZERS)
            if self.weight_norm or not self.weight_decay:
                raise UsageError(
                    "--regularise peeling takes its strength from --weight-decay D, and goes without --weight-norm"
                )
        at_least("--epochs", self.epochs, 1)
        at_least("--batch-size", self.batch_size, 1)
        within("--lr", self.lr, 0 < self.lr < math.inf, "a positive number")
        within("--momentum", self.momentum, 0 <= self.momentum < 1, "a number from 0 to below 1")
        within("--weight-decay", self.weight_decay, 0 <= self.weight_decay < math.inf, "0 or more")
        within("--gamma", self.gamma, 0 < self.gamma <= 1, "a number above 0, up to 1")
        self._check_milestones()

    def _check_milestones(self) -> None:
        text = ",".join(map(str, self.milestones))
        if (self.schedule == "step") != bool(self.milestones):
            raise UsageError(
                "--schedule step and --milestones E,... (epochs) are given together or not at all"
            )
        if list(self.milestones) != sorted(set(self.milestones)) or min(self.milestones, default=1) < 1:
            raise UsageError(f"--milestones {text}: give rising epochs from 1")
        if self.milestones and self.milestones[-1] >= self.epochs:
            raise UsageError(f"--milestones {text}: the last is not below --epochs {self.epochs}")

    def rate(self, epoch: float) -> float:
        """Return the learning rate at a moment.

        Args:
            epoch: passes done, fractions included.

        Example:
            >>> Recipe(epochs=4, lr=0.2, schedule="cosine").rate(2.0)
            0.1
        """
        if self.schedule == "cosine":
            return round(self.lr * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs)), 15)
        if self.schedule == "step":
            return self.lr * self.gamma ** sum(epoch >= milestone for milestone in self.milestones)
        return self.lr


def one_of(option: str, word: str, allowed: Iterable[str]) -> None:
    """Check a word.

    Raises:
        UsageError: it is none of the allowed; proposes the nearest.
    """
    words = tuple(allowed)
    if word not in words:
        raise UsageError(f"{option} {word}:{hint(word, words, before=' ')} choose from {', '.join(words)}")


def at_least(option: str, value: int, least: int) -> None:
    """Check an integer.

    Raises:
        UsageError: it is below `least`.
    """
    if value < least:
        raise UsageError(f"{option} {value}: give at least {least}")


def within(option: str, value: float, holds: bool, wanted: str) -> None:
    """Check that a condition on a number holds.

    Raises:
        UsageError: it does not; the message says what is wanted.
    """
    if not holds:
        raise UsageError(f"{option} {value:g}: give {wanted}")

"""The training recipe, checked when it is created; does not import torch, so that wrong usage is reported at once."""

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
"""Default learning rate of each optimizer."""


@dataclass(frozen=True)
class Recipe:
    """All options of training except the data.

    Attributes:
        epochs: number of passes over the training set.
        optimizer: `"sgd"` (with momentum) or `"adam"`.
        lr: initial learning rate.
        momentum: momentum of sgd; adam uses 0.9 and 0.999.
        weight_decay: factor times each parameter that is added to its gradient.
        schedule: learning rate schedule: `"constant"`, `"cosine"` (to zero, updated at every step), or `"step"` (multiplied
            by `gamma` at each milestone).
        milestones: epochs of the step schedule.
        gamma: factor of the step schedule.
        batch_size: number of samples per step; the last batch of an epoch contains the remaining ones.
        loss: `"cross-entropy"`, or `"mse"`, the mean squared difference from one-hot labels.
        weight_norm: whether weights are trained as length times direction, with one length per output (Salimans & Kingma
            2016).
        regularize: `"peeling"` replaces weight decay by a loss term, `weight_decay` times the scale of the peeling bound;
            None for weight decay.

    Raises:
        UsageError: when a value is out of range, or options contradict each other.
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
                    "--regularise peeling needs --weight-decay D, its strength, and cannot be combined "
                    "with --weight-norm"
                )
        at_least("--epochs", self.epochs, 1)
        at_least("--batch-size", self.batch_size, 1)
        check_number("--lr", self.lr, 0 < self.lr < math.inf, "a positive number")
        check_number(
            "--momentum", self.momentum, 0 <= self.momentum < 1, "a number of at least 0 and below 1"
        )
        check_number("--weight-decay", self.weight_decay, 0 <= self.weight_decay < math.inf, "0 or more")
        check_number("--gamma", self.gamma, 0 < self.gamma <= 1, "a number above 0 and at most 1")
        self._check_milestones()

    def _check_milestones(self) -> None:
        text = ",".join(map(str, self.milestones))
        if (self.schedule == "step") != bool(self.milestones):
            raise UsageError(
                "give --schedule step and --milestones E,... (epochs) together, or neither of them"
            )
        if list(self.milestones) != sorted(set(self.milestones)) or min(self.milestones, default=1) < 1:
            raise UsageError(f"--milestones {text}: give increasing epochs, the first at least 1")
        if self.milestones and self.milestones[-1] >= self.epochs:
            raise UsageError(f"--milestones {text}: the last milestone must be below --epochs {self.epochs}")

    def rate(self, epoch: float) -> float:
        """Return the learning rate at a point of the training.

        Args:
            epoch: number of passes done, which may be fractional.

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
    """Check that an option's value is one of the allowed words.

    Raises:
        UsageError: when it is not; the message suggests the closest word.
    """
    words = tuple(allowed)
    if word not in words:
        raise UsageError(f"{option} {word}:{hint(word, words, before=' ')} choose from {', '.join(words)}")


def at_least(option: str, value: int, least: int) -> None:
    """Check that an integer option has at least a given value.

    Raises:
        UsageError: when it is below `least`.
    """
    if value < least:
        raise UsageError(f"{option} {value}: give at least {least}")


def check_number(option: str, value: float, holds: bool, wanted: str) -> None:
    """Check that a condition on a numeric option holds.

    Raises:
        UsageError: when it does not; the message says what is required.
    """
    if not holds:
        raise UsageError(f"{option} {value:g}: give {wanted}")

"""Scores by which examples are picked, functions of one example's outputs and label (`PickPlan.score_of`: in which round)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from boundcalc.empirical.measure import margins_of


def nearest_wrong(outputs: Tensor, labels: Tensor) -> Tensor:
    """Score wrong examples above right ones, each kind by how near to the decision it is: the least wrong first.

    Examples that are far on the wrong side are often mislabeled: a network that has to learn them needs many picks more.

    Args:
        outputs: (b, C) logits of any floating type.
        labels: (b,) int64.

    Returns:
        (b,) float64 in (0, 2].
    """
    margins = margins_of(outputs.double(), labels)
    return (margins <= 0).double() + 1.0 / (1.0 + margins.abs())


def random_wrong(outputs: Tensor, labels: Tensor) -> Tensor:
    """Score wrong examples above right ones and all of a kind alike, so that the examples' own random numbers choose among them.

    What is picked is then a fair sample of what the network gets wrong; arguments as `nearest_wrong`.
    """
    return (margins_of(outputs.double(), labels) <= 0).double()


def highest_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Score by cross-entropy, as Pick-to-Learn does (Paccagnan, Campi & Garatti 2023); arguments as `nearest_wrong`."""
    return torch.nn.functional.cross_entropy(outputs.double(), labels, reduction="none")


SCORES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "nearest-wrong": nearest_wrong,
    "random-wrong": random_wrong,
    "highest-loss": highest_loss,
}

"""What a pass over a split records besides margins: counts of labels and predictions, the range of the outputs, a few samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from boundcalc.network.network import Network

MOST_CLASSES = 1024
"""Largest number of classes for which every pair of label and prediction is counted."""

MOST_SAMPLES = 2048
"""Largest number of samples that are kept."""

MOST_ENTRIES = 2**22
"""Largest number of entries in the kept samples: 32 MiB."""

LEAST_SAMPLES = 16
"""Number of samples that are kept however large they are."""


@dataclass(frozen=True, eq=False)
class Census:
    """Counts over a whole split, and samples drawn from it without replacement, all with equal probability.

    Attributes:
        counts: how often label i occurs with prediction j, (classes, classes) int64; None if the network cannot be run or has
            more than `MOST_CLASSES` classes. A single output predicts class 1 if it is positive.
        labels: how often each label occurs, (classes,) int64.
        lowest: smallest value of every output over the split, (outputs,); None if the network cannot be run.
        highest: largest value of every output over the split, as `lowest`.
        x: the drawn samples, (n, *shape of the network's input) float64, as the network sees them.
        y: their labels, (n,) int64.
    """

    counts: torch.Tensor | None
    labels: torch.Tensor
    lowest: torch.Tensor | None
    highest: torch.Tensor | None
    x: torch.Tensor
    y: torch.Tensor

    @property
    def m(self) -> int:
        """Number of samples of the split."""
        return int(self.labels.sum())


class Tally:
    """Collects a census batch by batch.

    Args:
        network: the network through which the batches run.
        seed: seed of the draw.
    """

    def __init__(self, network: Network, seed: int = 0) -> None:
        self._classes = max(2, network.outputs)
        self._labels = torch.zeros(self._classes, dtype=torch.int64)
        self._counts = torch.zeros(self._classes, self._classes, dtype=torch.int64) if self._few() else None
        self._lowest = torch.full((network.outputs,), math.inf, dtype=torch.float64)
        self._highest = -self._lowest
        self._random = np.random.default_rng(seed)
        room = MOST_ENTRIES // max(1, network.inputs)
        self._room = min(MOST_SAMPLES, max(LEAST_SAMPLES, room))
        self._seen = 0
        self._keys = np.empty(0)
        self._order = np.empty(0, np.int64)
        self._x = torch.empty(self._room, *network.nodes[0].shape, dtype=torch.float64)
        self._y = torch.empty(self._room, dtype=torch.int64)

    def _few(self) -> bool:
        return self._classes <= MOST_CLASSES

    def inputs(self, x: torch.Tensor, labels: torch.Tensor) -> None:
        """Record a batch's samples (b, ...) and labels (b,); the samples with the smallest random keys are kept."""
        self._labels += torch.bincount(labels, minlength=self._classes)
        drawn = self._random.random(len(labels))
        keys = np.concatenate([self._keys, drawn])
        order = np.concatenate([self._order, self._seen + np.arange(len(labels))])
        self._seen += len(labels)
        kept = (
            np.argpartition(keys, self._room - 1)[: self._room]
            if len(keys) > self._room
            else np.arange(len(keys))
        )
        held, size = len(self._keys), min(self._room, len(keys))
        come = np.sort(kept[kept >= held])
        stay = np.zeros(size, bool)
        stay[kept[kept < held]] = True
        free = np.flatnonzero(~stay)
        slots = np.arange(size)
        slots[free] = come
        self._keys, self._order = keys[slots], order[slots]
        rows = torch.from_numpy(come - held)
        self._x[free], self._y[free] = x[rows].reshape(-1, *self._x.shape[1:]), labels[rows]

    def outputs(self, outputs: torch.Tensor, labels: torch.Tensor) -> None:
        """Record a batch's outputs (b, C) and labels (b,), on the CPU."""
        self._lowest = torch.minimum(self._lowest, outputs.amin(0))
        self._highest = torch.maximum(self._highest, outputs.amax(0))
        if self._counts is not None:
            pairs = labels * self._classes + predictions(outputs)
            self._counts += torch.bincount(pairs, minlength=self._classes**2).reshape(self._counts.shape)

    def census(self, *, run: bool) -> Census:
        """Return the census of all batches.

        Args:
            run: whether the network could be run on all of them.
        """
        arrived = torch.from_numpy(np.argsort(self._order))
        return Census(
            self._counts if run else None,
            self._labels,
            self._lowest if run else None,
            self._highest if run else None,
            self._x[arrived],
            self._y[arrived],
        )


def predictions(outputs: torch.Tensor) -> torch.Tensor:
    """Return the predicted classes (b,) of outputs (b, C); a single output predicts 1 if it is positive, else 0."""
    return (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(1)

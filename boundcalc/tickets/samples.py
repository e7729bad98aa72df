"""Samples as tensors that stay on the device: there is no loader, and nothing is copied between devices during training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from boundcalc.empirical.datasets import Dataset
from boundcalc.empirical.split import Split
from boundcalc.tickets.hardware import Hardware


@dataclass(frozen=True, eq=False)
class Samples:
    """A split of the data on the device.

    Attributes:
        x: inputs of the network, `(m, ...)` float32.
        y: labels, `(m,)` int64.
    """

    x: Tensor
    y: Tensor

    @property
    def m(self) -> int:
        """The number of samples."""
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.x.shape[1:])

    def of_each_class(self, count: int, generator: torch.Generator) -> Samples:
        """Return `count` samples of every class, or all of a class that has fewer, drawn without replacement.

        Args:
            count: number of samples of each class.
            generator: random number generator for the draw, on the CPU.
        """
        order = torch.randperm(self.m, generator=generator)
        labels = self.y.cpu()[order]
        chosen = torch.cat([order[labels == label][:count] for label in labels.unique()])
        return Samples(self.x[chosen.to(self.x.device)], self.y[chosen.to(self.y.device)])


def on_device(data: Dataset, hardware: Hardware) -> tuple[Samples, Samples | None]:
    """Read both splits of a data set to the device; images without a channel axis get one.

    Args:
        data: the opened data set.
        hardware: device and layout for the samples.
    """
    return _read(data.train, hardware), None if data.test is None else _read(data.test, hardware)


def _read(split: Split, hardware: Hardware) -> Samples:
    pieces = [(torch.from_numpy(x).float(), torch.from_numpy(y)) for x, y in split.batches()]
    x = torch.cat([piece[0] for piece in pieces])
    x = x[:, None] if x.dim() == 3 else x
    return Samples(hardware.samples(x), torch.cat([piece[1] for piece in pieces]).to(hardware.device))

"""Data sets as tensors."""

from __future__ import annotations

from boundcalc.empirical.datasets import open_data
from boundcalc.tickets.hardware import hardware
from boundcalc.tickets.samples import Samples, on_device

CPU = hardware("cpu")


def splits(data: str) -> tuple[Samples, Samples]:
    """Return the training and the test split of a form of `--data`.

    Raises:
        ValueError: there is no test split.
    """
    train, test = on_device(open_data(data), CPU)
    if test is None:
        raise ValueError(f"{data} has no test split")
    return train, test

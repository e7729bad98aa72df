"""What the certificate of a picked network claims, computed from a network's margins; the search has no part in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.certificates import test_set
from boundcalc.certificates.pick import theorem
from boundcalc.certificates.pick.apart import set_apart
from boundcalc.empirical.measure import margins_of
from boundcalc.empirical.split import Split
from boundcalc.errors import DataError
from boundcalc.network.forward import run
from boundcalc.network.network import Network

BATCH = 500


@dataclass(frozen=True)
class Counted:
    """What a bound follows from.

    Attributes:
        picked: |T|.
        wrong: examples outside T, and outside what was set aside, that the network gets wrong.
        samples: N, examples outside what was set aside.
    """

    picked: int
    wrong: int
    samples: int

    def value(self, delta: float, bits: float) -> float:
        """Return the bound on the network's error: of picking, or the exact binomial tail where nothing was picked.

        Without a pick, c(S) is the set of errors of a network that is independent of S, whose number is binomial.

        Args:
            delta: failure probability.
            bits: price of what was chosen after seeing the sample.
        """
        if self.picked:
            return theorem.error_bound(self.picked + self.wrong, self.samples, delta, bits)
        return test_set.error_bound(self.wrong, self.samples, delta, bits)


def margins_in_order(network: Network, split: Split, device: str = "cpu") -> torch.Tensor:
    """Return the margin of every example of a split, in the split's order, (m,) float64 on the CPU.

    Raises:
        DataError: a sample does not fit the network, a label is none of its outputs, or an output is not finite.
    """
    found = []
    for x, y in split.batches(BATCH):
        labels = torch.from_numpy(y)
        if int(labels.max()) >= max(2, network.outputs):
            raise DataError(f"label {int(labels.max())} does not fit {network.outputs} outputs")
        with torch.no_grad():
            outputs = run(network, torch.from_numpy(x).to(device))
        if not bool(outputs.isfinite().all()):
            raise DataError("an output of the network is not finite")
        found.append(margins_of(outputs, labels.to(device)).cpu())
    return torch.cat(found)


def apart_of(samples: int, made_by: Mapping[str, Any]) -> NDArray[np.int64]:
    """Return the rows that were set aside, by the options of a run.

    Args:
        samples: of the whole sample.
        made_by: options of the run.

    Raises:
        KeyError: an option is missing.
        TypeError: one is not of its type.
        ValueError: a share outside [0, 1).
    """
    share = float(made_by["plan"]["picking"].get("set_aside", 0.0))
    if not 0 <= share < 1:
        raise ValueError(f"set_aside {share}")
    return set_apart(samples, share, int(made_by["seed"]))


def counted(margins: torch.Tensor, picked: Sequence[int], apart: NDArray[np.int64]) -> Counted:
    """Count the errors outside the picks and outside what was set aside; a margin of 0 is an error.

    Args:
        margins: of every example, in the sample's order.
        picked: indices, each once.
        apart: rows that were set aside.

    Raises:
        ValueError: an index twice, outside the sample, or among those set aside.
    """
    taken = [*picked, *apart.tolist()]
    if len(set(taken)) < len(taken) or not all(0 <= index < len(margins) for index in taken):
        raise ValueError("an index is there twice, was set aside, or lies outside the sample")
    wrong = margins <= 0
    wrong[torch.tensor(taken, dtype=torch.int64)] = False
    return Counted(len(picked), int(wrong.sum()), len(margins) - len(apart))

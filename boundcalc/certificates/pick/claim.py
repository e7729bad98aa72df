"""What a pick certificate claims, computed from a network's margins; the search has no part in it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from boundcalc.certificates.pick.theorem import error_bound
from boundcalc.empirical.measure import margins_of
from boundcalc.empirical.split import Split
from boundcalc.errors import DataError
from boundcalc.network.forward import run
from boundcalc.network.network import Network

BATCH = 500


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


def wrong_outside(margins: torch.Tensor, picked: Sequence[int]) -> int:
    """Return how many of the examples that were not picked have a margin of at most 0; ties are errors.

    Args:
        margins: of every example, in the sample's order.
        picked: indices, each once.

    Raises:
        ValueError: an index twice, or outside the sample.
    """
    chosen = torch.tensor(list(picked), dtype=torch.int64)
    if len(set(picked)) < len(picked) or (
        len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < len(margins)
    ):
        raise ValueError("an index is there twice, or lies outside the sample")
    wrong = margins <= 0
    wrong[chosen] = False
    return int(wrong.sum())


def value(picked: int, wrong: int, samples: int, delta: float, bits: float) -> float:
    """Return the bound on the network's error from its picks, its other errors and the price of what was chosen."""
    return error_bound(picked + wrong, samples, delta, bits)

"""Samples and errors of a network behind its fixed first stage, if it has one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from boundcalc.empirical.measure import margins_of
from boundcalc.empirical.split import Split
from boundcalc.errors import DataError
from boundcalc.features.orientations import orientations
from boundcalc.network.first_stage import behind_first_stage
from boundcalc.network.forward import run
from boundcalc.network.network import Network
from boundcalc.network.ops import FirstStage
from boundcalc.norms.pass_error import pass_error

BATCH = 2000
Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


def without_stage(network: Network) -> tuple[FirstStage | None, Network]:
    """Return the fixed first stage, if there is one, and the network behind it."""
    behind = behind_first_stage(network)
    stage = network.nodes[1] if behind is not None else None
    return (stage, behind) if isinstance(stage, FirstStage) and behind is not None else (None, network)


def batches(
    stage: FirstStage | None, network: Network, split: Split, size: int = BATCH
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Stream samples as the network behind a first stage reads them, float64, with their labels.

    Args:
        stage: the first stage, or None.
        network: the network behind the first stage.
        split: samples as the whole network reads them.
        size: number of samples per batch.

    Raises:
        DataError: a label does not fit the network.
    """
    outputs = max(2, network.outputs)
    for x, y in split.batches(size):
        if int(y.max()) >= outputs:
            raise DataError(f"label {int(y.max())} does not fit {outputs} outputs")
        read = torch.from_numpy(x)
        if stage is not None:
            read = orientations(read.reshape(len(x), -1, *x.shape[-2:]), stage.cells)
        yield read.reshape(len(x), *network.nodes[0].shape), torch.from_numpy(y)


def errors_of(network: Network, samples: Batches) -> int:
    """Count errors in float64; a margin that is positive only within rounding counts as an error.

    Rounding within a fixed first stage is not included: the stage is defined as the function that this package computes.

    Args:
        network: the network behind its first stage.
        samples: batches as that network reads them.
    """
    errors = 0
    for x, y in samples:
        rounding = pass_error(network, float(x.abs().max()))
        with torch.no_grad():
            margins = margins_of(run(network, x), y)
        errors += len(y) - int((margins > rounding).sum())
    return errors

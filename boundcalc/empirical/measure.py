"""One pass over the data: energies of the inputs, margins of the outputs, errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from boundcalc.empirical.census import Census, Tally
from boundcalc.empirical.datasets import Dataset
from boundcalc.empirical.energies import LEAST_SQUARE, Energies
from boundcalc.empirical.patches import PatchNorms
from boundcalc.empirical.split import Split
from boundcalc.errors import DataError, NotCovered
from boundcalc.network.forward import Evaluate, evaluate_node, run
from boundcalc.network.network import Network

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
BATCH_ENTRIES = 2**22
"""Numbers in the largest value of a batch."""

Batch = tuple[torch.Tensor, torch.Tensor]
Progress = Callable[[Iterable[Batch], str, "int | None"], Iterable[Batch]]
"""Wraps the batches of a split, given its name and the number of samples if known."""


def silent(batches: Iterable[Batch], split: str, samples: int | None) -> Iterable[Batch]:
    """Return the batches as they are."""
    return batches


@dataclass(frozen=True, eq=False)
class Measured:
    """What one pass over a data set found.

    Attributes:
        energies: of the training inputs, as the network sees them.
        margins: training margins in rising order, (m,) float64 on the CPU; None where the network cannot be run.
        test_margins: as `margins`, for the test split; None without one.
        reason: why there are no margins, or "".
        patches: for each layer in order of execution the largest l2 norm of an input patch over the training data, from above;
            None where the network cannot be run.
        census: labels, predictions and a few samples of the training split.
        test_census: as `census`, for the test split; None without one, or where the network cannot be run.
    """

    energies: Energies
    margins: torch.Tensor | None
    test_margins: torch.Tensor | None
    reason: str = ""
    patches: tuple[float, ...] | None = None
    census: Census | None = None
    test_census: Census | None = None


def error(margins: torch.Tensor) -> float:
    """Return the share of samples with margin <= 0: ties count as errors."""
    return float((margins <= 0).double().mean())


def quantiles(margins: torch.Tensor) -> dict[str, float]:
    """Return lower quantiles of sorted margins, keyed by their level."""
    return {f"{level:g}": float(margins[math.floor(level * (margins.numel() - 1))]) for level in QUANTILES}


def margins_of(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the margins f(x)_y - max_{c != y} f(x)_c, or (2y - 1) f(x) for a single output.

    Args:
        outputs: (b, C) float64.
        labels: (b,) int64 in 0..C-1 (0 or 1 for a single output).

    Returns:
        (b,) float64.
    """
    if outputs.shape[1] == 1:
        return outputs[:, 0] * (2 * labels - 1)
    own = outputs.gather(1, labels[:, None])
    others = outputs.scatter(1, labels[:, None], -math.inf)
    return own[:, 0] - others.amax(1)


def measure(network: Network, data: Dataset, device: str = "cpu", progress: Progress = silent) -> Measured:
    """Stream the data once through the network, in float64.

    Args:
        network: masked weights in float64.
        data: training and perhaps test split; samples of any shape with as many entries as the network's input.
        device: where to compute, ``"cpu"`` or ``"cuda"``.
        progress: shows how far the pass is.

    Returns:
        Energies, margins and, where the network holds an operation that cannot be run, the reason.

    Raises:
        DataError: samples or labels do not fit the network, or the data is damaged.
    """
    check_shape(network, data.train, data.name)
    energy = torch.zeros(network.nodes[0].shape, dtype=torch.float64)
    peak = torch.zeros_like(energy)
    count, reason = 0, ""
    train: list[torch.Tensor] = []
    seen, tally = PatchNorms(network), Tally(network)
    for x, labels in progress(_batches(network, data.train, data.name), "train", data.train.m):
        energy += x.square().sum(0).reshape(energy.shape)
        peak = torch.maximum(peak, x.abs().amax(0).reshape(peak.shape))
        count += x.shape[0]
        tally.inputs(x, labels)
        if not reason:
            try:
                train.append(_margins(network, x, labels, device, tally, seen))
            except NotCovered as problem:
                reason = f"the network cannot be run here: {problem}"
    energy = energy * (1 + 1e-15 * (count + 8)) + count * LEAST_SQUARE * (peak > 0).double()
    if not math.isfinite(float(energy.sum())):
        raise DataError(
            f"{data.name}: the squares of its samples are more than float64 holds: scale them down"
        )
    energies = Energies(count, energy, float(peak.max()))
    census = tally.census(run=not reason)
    if reason:
        return Measured(energies, None, None, reason, census=census)
    margins = torch.cat(train).sort().values
    tested = Tally(network)
    try:
        test_margins = _test_margins(network, data, device, tested, progress)
    except NotCovered as problem:
        told = f"the network cannot be run on the test split: {problem}"
        return Measured(energies, None, None, told, census=census)
    test_census = None if test_margins is None else tested.census(run=True)
    return Measured(energies, margins, test_margins, "", seen.norms(), census, test_census)


def check_shape(network: Network, split: Split, name: str) -> None:
    """Refuse samples that do not have as many entries as the network's input.

    Raises:
        DataError: naming both shapes.
    """
    if (
        _spread(split.shape) != _spread(network.input_shape)
        and min(len(split.shape), len(network.input_shape)) > 1
    ):
        raise DataError(
            f"{name}: a sample has shape {tuple(split.shape)}, the network takes {network.input_shape}: bring the axes "
            "into that order, channels first"
        )
    if math.prod(split.shape) != network.inputs:
        raise DataError(
            f"{name}: a sample has shape {split.shape}, the network takes {network.input_shape}: "
            f"{math.prod(split.shape)} entries, not {network.inputs}"
        )


def _spread(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _test_margins(
    network: Network, data: Dataset, device: str, tally: Tally, progress: Progress
) -> torch.Tensor | None:
    if data.test is None:
        return None
    batches = progress(_batches(network, data.test, data.name), "test", data.test.m)
    found: list[torch.Tensor] = []
    for x, y in batches:
        tally.inputs(x, y)
        found.append(_margins(network, x, y, device, tally))
    return torch.cat(found).sort().values


def _batches(network: Network, split: Split, name: str) -> Iterator[Batch]:
    widest = max(math.prod(node.shape) for node in network.nodes)
    size = max(1, min(4096, BATCH_ENTRIES // widest))
    classes = max(2, network.outputs)
    for x, y in split.batches(size):
        labels = torch.from_numpy(y)
        if int(labels.max()) >= classes:
            raise DataError(
                f"{name}: label {int(labels.max())} does not fit {network.outputs} outputs: labels start at 0"
            )
        yield torch.from_numpy(x), labels


def _margins(
    network: Network,
    x: torch.Tensor,
    labels: torch.Tensor,
    device: str,
    tally: Tally,
    evaluate: Evaluate = evaluate_node,
) -> torch.Tensor:
    with torch.no_grad():
        outputs = run(network, x.to(device), evaluate)
    if not bool(outputs.isfinite().all()):
        raise NotCovered("outputs that float64 does not hold", network.nodes[-1].name)
    tally.outputs(outputs.cpu(), labels)
    return margins_of(outputs, labels.to(device)).cpu()

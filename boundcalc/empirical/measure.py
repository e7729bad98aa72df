"""One pass over the data that measures energies of the inputs, margins of the outputs, and errors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from boundcalc.empirical.census import Census, Tally
from boundcalc.empirical.datasets import Dataset
from boundcalc.empirical.energies import Energies, SecondMoments, energy_of
from boundcalc.empirical.patches import PatchNorms
from boundcalc.empirical.split import Split
from boundcalc.errors import DataError, NotCovered, SampleError
from boundcalc.network.first_stage import behind_first_stage
from boundcalc.network.forward import Evaluate, evaluate_node, run
from boundcalc.network.network import Network
from boundcalc.network.ops import FirstStage, Node
from boundcalc.norms.pass_error import pass_error

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
BATCH_ENTRIES = 2**22
"""Largest number of entries in any intermediate value of a batch."""

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Measured:
    """The results of one pass over a data set.

    Attributes:
        energies: energies of the training inputs, as the network sees them.
        margins: training margins in ascending order, (m,) float64 on the CPU; None if the network cannot be run on them.
        test_margins: as `margins`, for the test split; None if there is none, or if the network cannot be run on it.
        reason: why there are no training margins, or "".
        patches: for each layer in order of execution the largest l2 norm of an input patch over the training data, rounded up;
            None if the network cannot be run.
        census: labels, predictions and a few samples of the training split.
        test_census: as `census`, for the test split; None if there is none, or if the network cannot be run.
        test_reason: why there are no test margins although there is a test split, or "".
        rounding: upper bound on the rounding error of a margin in the float64 pass.
        in_order: the training margins in the order of the samples; None if there are none.
        features: energies of the training inputs behind a fixed first stage; None if there is none, or if the network cannot be
            run.
    """

    energies: Energies
    margins: torch.Tensor | None
    test_margins: torch.Tensor | None
    reason: str = ""
    patches: tuple[float, ...] | None = None
    census: Census | None = None
    test_census: Census | None = None
    test_reason: str = ""
    rounding: float = 0.0
    in_order: torch.Tensor | None = None
    features: Energies | None = None


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


def measure(network: Network, data: Dataset, device: str = "cpu") -> Measured:
    """Stream the data once through the network, in float64.

    Args:
        network: masked weights in float64.
        data: training and possibly test split; samples of any shape with as many entries as the network's input.
        device: device of the computation, ``"cpu"`` or ``"cuda"``.

    Returns:
        Energies and margins; if the network cannot be run on a split, the reason in place of its margins. The splits are
        independent: a test sample that cannot be used leaves the training margins as they are.

    Raises:
        DataError: training samples or labels do not fit the network, or the data are damaged.
    """
    check_shape(network, data.train, data.name)
    reason = ""
    train = Collected(data.train.m)
    seen, tally = PatchNorms(network), Tally(network)
    inputs, behind = _Sums(network.nodes[0].shape, network.outputs), behind_first_stage(network)
    features = None if behind is None else _Sums(behind.nodes[0].shape, network.outputs)

    def evaluate(node: Node, values: list[torch.Tensor]) -> torch.Tensor:
        found = seen(node, values)
        if features is not None and isinstance(node, FirstStage):
            features.add(found.cpu(), labels)
        return found

    for x, labels in _batches(network, data.train, data.name):
        inputs.add(x, labels)
        tally.inputs(x, labels)
        if not reason:
            try:
                train.add(_margins(network, x, labels, device, tally, evaluate))
            except _Overflow as problem:
                reason = problem.reason(data.train, inputs.count - x.shape[0])
            except NotCovered as problem:
                reason = f"the network cannot be run here: {problem}"
    energies = inputs.energies()
    if energies is None:
        raise DataError(f"{data.name}: the squares of its samples overflow float64: scale the samples down")
    census = tally.census(run=not reason)
    tests = Tally(network)
    tested, test_reason = _tested(network, data, device, tests)
    test_census = None if tested is None else tests.census(run=True)
    margins, patches = (None, None) if reason else (train.sorted(), seen.norms())
    rounding = 0.0 if reason else pass_error(network, energies.largest)
    in_order = None if reason else train.in_order()
    return Measured(
        energies, margins, tested, reason, patches, census, test_census, test_reason, rounding, in_order,
        None if features is None or reason else features.energies(),
    )  # fmt: skip


class _Sums:
    """Collects the energies of a sample batch by batch."""

    def __init__(self, shape: tuple[int, int, int], outputs: int) -> None:
        self._energy = torch.zeros(shape, dtype=torch.float64)
        self._peak = torch.zeros_like(self._energy)
        self._moments = SecondMoments(shape, max(2, outputs))
        self.count = 0

    def add(self, x: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch: samples (b, ...) float64 and labels (b,)."""
        self._energy += x.square().sum(0).reshape(self._energy.shape)
        self._peak = torch.maximum(self._peak, torch.maximum(x.amax(0), -x.amin(0)).reshape(self._peak.shape))
        self.count += x.shape[0]
        self._moments.add(x, labels)

    def energies(self) -> Energies | None:
        """Return the energies of all batches; None if a sum of squares exceeds the range of float64."""
        energy, peak = energy_of(self._energy, self._peak, self.count), float(self._peak.max())
        if not math.isfinite(float(energy.sum())):
            return None
        classes, counts = self._moments.by_class() or (None, None)
        return Energies(self.count, energy, peak, False, classes, counts, self._moments.gram())


def check_shape(network: Network, split: Split, name: str) -> None:
    """Refuse samples whose shape does not fit the network's input.

    Raises:
        DataError: the shapes do not fit; the message names both.
    """
    if (
        _spread(split.shape) != _spread(network.input_shape)
        and min(len(split.shape), len(network.input_shape)) > 1
    ):
        raise DataError(
            f"{name}: a sample has shape {tuple(split.shape)}, the network takes "
            f"{network.input_shape}: permute the axes to that order, channels first"
        )
    if math.prod(split.shape) != network.inputs:
        raise DataError(
            f"{name}: a sample has shape {split.shape}, the network takes {network.input_shape}: "
            f"{math.prod(split.shape)} entries, not {network.inputs}"
        )


def _spread(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _tested(network: Network, data: Dataset, device: str, tally: Tally) -> tuple[torch.Tensor | None, str]:
    """Return the test margins, or the reason why there are none although there is a test split."""
    if data.test is None:
        return None, ""
    batches = _batches(network, data.test, data.name)
    found = Collected(data.test.m)
    count = 0
    try:
        for x, y in batches:
            tally.inputs(x, y)
            found.add(_margins(network, x, y, device, tally))
            count += x.shape[0]
    except _Overflow as problem:
        return None, problem.reason(data.test, count)
    except SampleError as problem:
        return None, str(problem)
    except NotCovered as problem:
        return None, f"the network cannot be run here: {problem}"
    return found.sorted(), ""


class _Overflow(NotCovered):
    """The outputs for one sample of a batch exceed the range of float64."""

    def __init__(self, layer: str, row: int) -> None:
        super().__init__("an output overflows float64", layer)
        self.row = row

    def reason(self, split: Split, before: int) -> str:
        """Return the reason with the sample's row."""
        return f"the network cannot be run on {split.source.x_label}, row {before + self.row}: {self}"


def _batches(network: Network, split: Split, name: str) -> Iterator[Batch]:
    widest = max(math.prod(node.shape) for node in network.nodes)
    size = max(1, min(4096, BATCH_ENTRIES // widest))
    classes = max(2, network.outputs)
    count = 0
    for x, y in split.batches(size):
        labels = torch.from_numpy(y)
        if int(labels.max()) >= classes:
            row = int((labels >= classes).nonzero()[0])
            raise SampleError(
                f"{name}: {split.source.y_label}, row {count + row}: label {int(labels[row])} does not fit {network.outputs} outputs:"
                " labels start at 0"
            )
        count += len(y)
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
    finite = outputs.isfinite().all(1)
    if not bool(finite.all()):
        raise _Overflow(network.nodes[-1].name, int((~finite).nonzero()[0]))
    tally.outputs(outputs.cpu(), labels)
    return margins_of(outputs, labels.to(device)).cpu()


class Collected:
    """Collects one number per sample.

    A list with one small tensor per batch would cost memory: the allocator places each of them in the block that the last batch
    has just freed, which is then too short for the next batch, so that a pass over 20 GB takes 20 GB.

    Args:
        count: number of numbers; None if it is known only after the last batch.

    Example:
        >>> found = Collected(None)
        >>> for batch in ([3.0, 1.0], [2.0]):
        ...     found.add(torch.tensor(batch, dtype=torch.float64))
        >>> found.sorted().tolist()
        [1.0, 2.0, 3.0]
    """

    def __init__(self, count: int | None) -> None:
        self._numbers = torch.empty(count or 1024, dtype=torch.float64)
        self._count = 0

    def add(self, numbers: torch.Tensor) -> None:
        """Add the numbers of a batch, (b,) float64."""
        end = self._count + len(numbers)
        if end > len(self._numbers):
            longer = torch.empty(max(end, 2 * len(self._numbers)), dtype=torch.float64)
            longer[: self._count] = self._numbers[: self._count]
            self._numbers = longer
        self._numbers[self._count : end] = numbers
        self._count = end

    def in_order(self) -> torch.Tensor:
        """Return all numbers in the order in which they were added, (m,) float64."""
        return self._numbers[: self._count].clone()

    def sorted(self) -> torch.Tensor:
        """Return all numbers in ascending order, (m,) float64."""
        return self._numbers[: self._count].sort().values

"""The part "gntk": kernel of a batch, its spectrum, the decay of the residual, and the bound for the kernel's interpolant."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from boundcalc.bounds.code_lengths import mask_bits
from boundcalc.bounds.normalization import Normalization
from boundcalc.empirical.split import Split
from boundcalc.errors import UsageError
from boundcalc.graphon.kernel_bound import KernelBound, Price, Unproved, entry_error, kernel_bound
from boundcalc.graphon.ntk import bytes_needed, kernels, unit_variance
from boundcalc.graphon.ntk_maps import Floats, Maps, merged
from boundcalc.graphon.ntk_network import exact_maps, is_extension, maps_of
from boundcalc.graphon.ntk_spectrum import Residual, Spectrum, decompose, residual, spectrum, targets
from boundcalc.network.network import Network

if TYPE_CHECKING:
    from boundcalc.empirical.datasets import Dataset

NO_ROOM = "the kernels of all outputs do not fit: raise --max-memory, or lower --batch"
SMALL = 2048
"""Samples up to which one BLAS thread is used: on a busy machine, waiting for a second one costs more than it saves."""

SQUARES = 5
"""Kernel-sized arrays beside the kernels: eigenvectors, their work space, a copy."""


@dataclass(frozen=True)
class KernelSettings:
    """Settings that the user fixed before seeing the data.

    Attributes:
        cells: largest number of cells per side of the hidden graphons.
        batch: largest number of samples in the batch.
        sigma_w2: variance of the weights times fan-in.
        exact: whether the exact masks are used as graphons.
        max_memory: bytes that arrays may occupy.
        learning_rate: learning rate for the residual's decay; None for 1 / lambda_1.
        mask_origin: ``"data"`` if the mask depends on the sample, otherwise ``"independent"``.
        delta: failure probability of the bound.
        seed: seed of the batch.
        device: ``"cpu"`` or ``"cuda"``.
        normalization: normalization of the inputs.
    """

    cells: int = 64
    batch: int = 1024
    sigma_w2: float = 1.0
    exact: bool = False
    max_memory: float = 2e9
    learning_rate: float | None = None
    mask_origin: str = "data"
    delta: float = 0.05
    seed: int = 0
    device: str = "cpu"
    normalization: Normalization = field(default_factory=Normalization)


@dataclass(frozen=True, eq=False)
class KernelAnalysis:
    """Results of the kernel of a network.

    Attributes:
        settings: settings of the analysis.
        m: number of samples in the batch.
        whole: whether the batch is the whole training split.
        layers: numbers of cells of the hidden layers after equal cells are merged and dead ones dropped.
        outputs: number C of outputs.
        kernels: number of distinct kernels among the outputs.
        extension: whether convolutions are included by their channels.
        biased: whether the network has biases, which the kernel leaves out.
        spectrum: spectrum of the mean kernel over outputs.
        residual: decay of the residual under the mean kernel; None for a kernel that is 0.
        bound: bound for the minimum-norm interpolant of the kernels, or why there is none.
        exponent: the kernel is 2^exponent times the kernel with the eigenvalues in `spectrum`.
    """

    settings: KernelSettings
    m: int
    whole: bool
    layers: tuple[int, ...]
    outputs: int
    kernels: int
    extension: bool
    biased: bool
    spectrum: Spectrum
    residual: Residual | None
    bound: KernelBound | Unproved
    exponent: int = 0


def analyze(network: Network, dataset: Dataset, settings: KernelSettings) -> KernelAnalysis:
    """Return the analysis of the kernel on a stratified batch of the training split.

    Inputs and sigma_w^2 are scaled to about 1 by powers of two; the kernel is homogeneous in both, e.g. Theta(c x, c x') =
    c^2 Theta(x, x').

    Args:
        network: network whose masks determine the kernel; weights and biases do not enter.
        dataset: data set whose training split is streamed twice.
        settings: settings of the analysis.

    Raises:
        NotCovered: the network is not a chain of layers with a ReLU between consecutive layers.
        UsageError: too little memory is allowed; the message says how much is needed.

    Source:
        Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025; docs/theory/gntk.md.
    """
    variance, power = unit_variance(settings.sigma_w2)
    found = exact_maps(network, variance) if settings.exact else maps_of(network, settings.cells, variance)
    maps = merged(found)
    batch, exponent = _unit_inputs(draw(dataset.train, settings.batch, settings.seed))
    exponent = 2 * exponent + power * (len(maps.hidden) + 1)
    distinct, which = np.unique(maps.output, axis=0, return_inverse=True)
    which = which.reshape(-1)
    per_output = _room(replace(maps, output=distinct), len(batch.x), settings.max_memory)
    chosen = distinct if per_output else maps.mean_output
    squares = 8.0 * SQUARES * len(batch.x) ** 2
    own = kernels(replace(maps, output=chosen), batch.x, settings.max_memory - squares, settings.device)
    with threadpool_limits(limits=1 if len(batch.x) <= SMALL else None, user_api="blas"):
        shares = np.bincount(which) / len(which)
        mean = np.tensordot(shares, own, 1) if per_output and len(own) > 1 else own[0]
        values, vectors = decompose(mean)
        wanted = targets(batch.y, network.outputs)
        decay = residual(values, vectors, wanted, settings.learning_rate, exponent)
        del vectors, mean
        bound: KernelBound | Unproved = Unproved(NO_ROOM)
        if per_output:
            bound = _bound(network, own, which, batch, entry_error(maps), settings, exponent)
    return KernelAnalysis(
        settings, len(batch.x), batch.whole, maps.cells, network.outputs, len(distinct), is_extension(network),
        network.biases > 0, spectrum(values), decay, bound, exponent,
    )  # fmt: skip


def _unit_inputs(batch: Batch) -> tuple[Batch, int]:
    """Return the batch scaled so that its largest absolute entry is in [1/2, 1), and the exponent of the power of two removed."""
    largest = float(np.abs(batch.x).max())
    exponent = math.frexp(largest)[1] if math.isfinite(largest) else 0
    with np.errstate(under="ignore"):
        return replace(batch, x=np.ldexp(batch.x, -exponent)), exponent


def _room(maps: Maps, m: int, memory: float) -> bool:
    """Return whether the kernels of all outputs fit into memory.

    Raises:
        UsageError: not even one kernel fits.
    """
    squares = 8.0 * SQUARES * m * m
    if bytes_needed(maps, m, repeated=True) + squares <= memory:
        return True
    needed = bytes_needed(replace(maps, output=maps.mean_output), m, repeated=True) + squares
    if needed > memory:
        raise UsageError(
            f"the graphon NTK of {m} samples needs {needed / 1e9:.2g} GB, more than --max-memory {memory / 1e9:.2g}: "
            "raise it, or lower --batch"
        )
    return False


def _bound(
    network: Network,
    own: Floats,
    which: np.ndarray,
    batch: Batch,
    error: float,
    settings: KernelSettings,
    exponent: int,
) -> KernelBound | Unproved:
    if int(batch.y.max()) >= max(2, network.outputs):
        return Unproved("labels do not fit the outputs")
    bits = mask_bits(network) if settings.mask_origin == "data" else 0.0
    price = Price(settings.delta, bits, settings.normalization.bits)
    return kernel_bound(own, which, (batch.x, batch.y), error, price, exponent)


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples with labels.

    Attributes:
        x: inputs, (m, d) float64.
        y: labels, (m,) int64.
        whole: whether the batch is the whole split.
    """

    x: NDArray[np.float64]
    y: NDArray[np.int64]
    whole: bool


def draw(split: Split, size: int, seed: int = 0) -> Batch:
    """Draw a batch stratified by class; the split is streamed twice and never held in memory.

    Args:
        split: samples and labels.
        size: number of samples, at least 1; the whole split if it is smaller.
        seed: seed of the draw.

    Returns:
        The samples in the order of the split; the number from each class is proportional, rounded by largest remainders.
    """
    labels = np.concatenate([y for _, y in split.batches()])
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[_choose(labels, min(size, len(labels)), np.random.default_rng(seed))] = True
    rows, kept, start = [], [], 0
    for x, y in split.batches():
        part = chosen[start : start + len(y)]
        rows.append(x[part].reshape(int(part.sum()), -1))
        kept.append(y[part])
        start += len(y)
    return Batch(np.concatenate(rows), np.concatenate(kept), bool(chosen.all()))


def _choose(labels: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    counts = np.bincount(labels)
    exact = counts * (size / len(labels))
    take = np.floor(exact).astype(np.int64)
    left = size - int(take.sum())
    take[np.argsort(-(exact - take), kind="stable")[:left]] += 1
    found = [rng.choice(np.flatnonzero(labels == c), n, replace=False) for c, n in enumerate(take) if n]
    return np.concatenate(found)

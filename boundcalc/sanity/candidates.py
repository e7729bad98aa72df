"""Common normalizations, and the errors of a network under each of them on samples drawn from a split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from boundcalc.data.normalizations import NAMED, name_of
from boundcalc.empirical.measure import margins_of
from boundcalc.errors import NotCovered
from boundcalc.network.forward import run

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult
    from boundcalc.empirical.census import Census
    from boundcalc.network.network import Network

WORK = 6e9
"""Number of multiplications that measuring again may always take: one or two seconds on one core."""

LARGEST_COST_SHARE = 0.1
"""Share of the cost of the pass over all samples that it may take if that is more."""

LEAST_SAMPLES = 64
"""Number of samples below which an error says nothing."""


@dataclass(frozen=True)
class NamedNormalization:
    """Means and deviations, either one of each or one per channel.

    Attributes:
        means: means that are subtracted.
        deviations: standard deviations to divide by afterwards.
        name: name of the data set or convention that uses these numbers.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    name: str = ""

    @classmethod
    def of(cls, numbers: Sequence[float], name: str = "") -> NamedNormalization:
        """Return the normalization that --normalize denotes by these numbers."""
        half = len(numbers) // 2
        return cls(tuple(numbers[:half]), tuple(numbers[half:]), name)

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers in the order of --normalize: means, then deviations."""
        return self.means + self.deviations

    @property
    def option(self) -> str:
        """Words that say how to request this normalization on the command line."""
        plain = set(self.means) == {0.0} and set(self.deviations) == {1.0}
        return (
            "without --normalize"
            if plain
            else f"with --normalize {name_of(self.numbers) or shown(self.numbers)}"
        )

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the normalization to samples (n, channels, height, width)."""
        means, deviations = (
            torch.tensor(v, dtype=x.dtype)[:, None, None] for v in (self.means, self.deviations)
        )
        return (x - means) / deviations

    def undone(self, x: torch.Tensor) -> torch.Tensor:
        """Return the samples before the normalization was applied."""
        means, deviations = (
            torch.tensor(v, dtype=x.dtype)[:, None, None] for v in (self.means, self.deviations)
        )
        return x * deviations + means

    def inverse(self) -> NamedNormalization:
        """Return the inverse normalization, with its numbers rounded to six digits."""
        pairs = zip(self.means, self.deviations, strict=True)
        means, deviations = zip(
            *((-mean / deviation, 1 / deviation) for mean, deviation in pairs), strict=True
        )
        numbers = [float(f"{value:.6g}") for value in (*means, *deviations)]
        return NamedNormalization.of(numbers, f"{self.name} undone")

    def fits(self, channels: int) -> bool:
        """Return whether the normalization can be applied to samples with `channels` channels."""
        return len(self.means) in {1, channels}

    def is_near(self, other: NamedNormalization, tolerance: float) -> bool:
        """Return whether every number equals the other's up to a relative tolerance."""
        return len(self.means) == len(other.means) and all(
            abs(own - theirs) <= tolerance * abs(theirs)
            for own, theirs in zip(self.numbers, other.numbers, strict=True)
        )


UNNORMALIZED = NamedNormalization((0.0,), (1.0,), "plain samples")
COMMON_NORMALIZATIONS = (
    NamedNormalization.of(NAMED["mnist"], "MNIST"),
    NamedNormalization.of(NAMED["fashion"], "Fashion-MNIST"),
    NamedNormalization((0.5,), (0.5,), "[-1, 1]"),
    NamedNormalization.of(NAMED["cifar10"], "CIFAR-10"),
    NamedNormalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), "CIFAR-10, the older constants"),
    NamedNormalization((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762), "CIFAR-100"),
    NamedNormalization.of(NAMED["imagenet"], "ImageNet"),
)
"""Normalisations that the tutorials and tools of the field give, for inputs in [0, 1]."""

TWO = 2.0
"""Samples that exceed this are not in [0, 1]: units of 0 to 255 are tried, too."""


@dataclass(frozen=True, eq=False)
class Errors:
    """The samples that a network misclassifies.

    Attributes:
        as_given: errors on the inputs as they are, (n,) bool.
        wrong: errors under each candidate normalization, each (n,) bool.
    """

    as_given: torch.Tensor
    wrong: tuple[torch.Tensor, ...]


def base_inputs(result: AnalysisResult, *, test: bool = False) -> torch.Tensor | None:
    """Return samples as they were before --normalize, (n, channels, height, width) float64, or None if they are unavailable.

    Args:
        result: result of one analysis.
        test: whether to take the samples from the test split.
    """
    census = census_of(result, test=test)
    if census is None:
        return None
    given = normalized_by(result)
    if given is None:
        return census.x
    applied = NamedNormalization.of(given)
    return applied.undone(census.x) if applied.fits(census.x.shape[1]) else None


def normalized_by(result: AnalysisResult) -> tuple[float, ...] | None:
    """Return the means and deviations of --normalize, or those with which the data were opened; None if there are none."""
    if result.options.normalize is not None:
        return result.options.normalize
    return None if result.dataset is None else result.dataset.normalized or None


def census_of(result: AnalysisResult, *, test: bool) -> Census | None:
    """Return the census of the training split, or of the test split; None if there is none."""
    if result.measured is None:
        return None
    return result.measured.test_census if test else result.measured.census


def candidates_for(result: AnalysisResult) -> tuple[NamedNormalization, ...]:
    """Return the normalizations that may have been intended, without the one that is applied.

    These are the common ones with a fitting number of channels, none at all, and the samples' own mean and deviation. If
    the samples exceed [0, 1], the common ones in units of 0 to 255 and a division by 255 are added, otherwise a
    multiplication by 255; if some samples are negative, the inverse of each is added.

    Args:
        result: result of one analysis.
    """
    base = base_inputs(result)
    if base is None or not base.numel():
        return ()
    channels = base.shape[1]
    fitting = [known for known in COMMON_NORMALIZATIONS if known.fits(channels)]
    own = NamedNormalization(
        (_digits(float(base.mean())),), (_digits(float(base.std())),), "the samples' own"
    )
    if float(base.abs().max()) > TWO:
        scaled = [
            NamedNormalization.of(
                [_digits(255 * value) for value in known.numbers], f"{known.name} in units of 0 to 255"
            )
            for known in fitting
        ]
        fitting = [*scaled, NamedNormalization((0.0,), (255.0,), "[0, 1]"), *fitting]
    else:
        fitting.append(NamedNormalization((0.0,), (0.0039216,), "units of 0 to 255"))
    if float(base.min()) < 0:
        fitting += [known.inverse() for known in fitting if known.name]
    applied = normalized_by(result)
    given = None if applied is None else NamedNormalization.of(applied)
    every = [UNNORMALIZED, *fitting, *([own] if own.deviations[0] > 0 else [])]
    return tuple(found for found in every if found.numbers != (given or UNNORMALIZED).numbers)


def measured_with(
    result: AnalysisResult,
    candidates: Sequence[NamedNormalization],
    *,
    test: bool = False,
    least: int = LEAST_SAMPLES,
) -> Errors | None:
    """Run the network on samples of a split as given and under each candidate normalization.

    Args:
        result: result of one analysis.
        candidates: normalizations that replace the one that is applied.
        test: whether to take the samples from the test split.
        least: number of samples needed to distinguish the candidates.

    Returns:
        Which samples are misclassified; None if the network cannot be run, or if so many samples would exceed the work limit.
    """
    census, base = census_of(result, test=test), base_inputs(result, test=test)
    network = result.network
    if census is None or census.counts is None or base is None:
        return None
    afford = max(WORK / max(1, multiplications(network)), LARGEST_COST_SHARE * census.m) / (
        len(candidates) + 1
    )
    count = min(len(census.y), int(afford))
    if count < max(least, LEAST_SAMPLES):
        return None
    x, y = base[:count], census.y[:count]
    try:
        wrong = [_misclassified(network, known(x), y) for known in candidates]
        return Errors(_misclassified(network, census.x[:count], y), tuple(wrong))
    except NotCovered:
        return None


def multiplications(network: Network) -> int:
    """Return the number of multiplications in the layers of a network for one sample."""
    return sum(layer.weight.numel() * math.prod(layer.window.out) for layer in network.layers())


def shown(numbers: Sequence[float]) -> str:
    """Return numbers in the syntax of --normalize."""
    return ",".join(f"{value:.6g}" for value in numbers)


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def _misclassified(network: Network, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    found = []
    with torch.no_grad():
        for some, labels in zip(x.split(256), y.split(256), strict=True):
            outputs = run(network, some)
            found.append((margins_of(outputs, labels) <= 0) | ~outputs.isfinite().all(1))
    return torch.cat(found)

"""All that one analysis found, typed, before it becomes a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from boundcalc.bounds.evaluate import BoundResult, Together
    from boundcalc.checkpoint.types import Checkpoint
    from boundcalc.empirical.datasets import Dataset
    from boundcalc.empirical.energies import Energies
    from boundcalc.empirical.measure import Measured
    from boundcalc.network.network import Network
    from boundcalc.options import Options
    from boundcalc.parts.bounds import BoundsFound


@dataclass(frozen=True, eq=False)
class Reference:
    """The initialisation that distances are measured from.

    Attributes:
        path: its file.
        how: ``"given"`` or ``"found beside the checkpoint"``.
        tensors: its plain state dict.
    """

    path: str
    how: str
    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AnalysisResult:
    """Results of the parts, and what they were computed from.

    Attributes:
        options: what was asked for.
        checkpoint: what was read.
        network: what it means.
        dataset: the data set, if any.
        measured: its pass through the network.
        energies: of the data, or declared.
        reference: where distances start, if known.
        results: part -> its result, for each part that ran.
        skipped: part -> why it did not run.
        seconds: part -> time.
        warnings: what looks wrong, a line each.
    """

    options: Options
    checkpoint: Checkpoint
    network: Network
    dataset: Dataset | None
    measured: Measured | None
    energies: Energies | None
    reference: Reference | None
    results: dict[str, Any]
    skipped: dict[str, str]
    seconds: dict[str, float]
    warnings: tuple[str, ...] = ()

    @property
    def bounds(self) -> dict[str, BoundResult]:
        """Name -> result of every bound; empty where they did not run."""
        found: BoundsFound | None = self.results.get("bounds")
        return {} if found is None else found.results

    @property
    def together(self) -> Together | None:
        """The smallest theorem about the checkpoint's own error when all of them hold at once; None where none bounds it."""
        found: BoundsFound | None = self.results.get("bounds")
        return None if found is None else found.together

    @property
    def compressions(self) -> Together | None:
        """The smallest certificate of a compression when all of them hold at once; None where there is none."""
        found: BoundsFound | None = self.results.get("bounds")
        return None if found is None else found.compressions

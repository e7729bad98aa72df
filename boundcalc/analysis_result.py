"""All results of one analysis as typed objects, before they become a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from boundcalc.bounds.evaluate import BoundResult, JointBound
    from boundcalc.checkpoint.types import Checkpoint
    from boundcalc.empirical.datasets import Dataset
    from boundcalc.empirical.energies import Energies
    from boundcalc.empirical.measure import Measured
    from boundcalc.network.network import Network
    from boundcalc.options import Options
    from boundcalc.parts.bounds import BoundsFound


@dataclass(frozen=True, eq=False)
class Reference:
    """The initialization from which distances are measured.

    Attributes:
        path: path of its file.
        how: ``"given"`` or ``"found beside the checkpoint"``.
        tensors: plain state dict of the initialization.
    """

    path: str
    how: str
    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AnalysisResult:
    """Results of the parts, and the inputs from which they were computed.

    Attributes:
        options: options of the analysis.
        checkpoint: the checkpoint that was read.
        network: the network that it describes.
        dataset: the data set, if any.
        measured: results of the data's pass through the network.
        energies: energies of the data, or of the declared sample.
        reference: the reference from which distances are measured, if known.
        results: result by part, for each part that ran.
        skipped: reason by part, for each part that did not run.
        seconds: running time by part.
        warnings: what looks wrong, one line each.
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
        """Result of every bound by name; empty if the bounds did not run."""
        found: BoundsFound | None = self.results.get("bounds")
        return {} if found is None else found.results

    @property
    def together(self) -> JointBound | None:
        """The smallest theorem about the checkpoint's own error when all hold at once; None if no theorem bounds it."""
        found: BoundsFound | None = self.results.get("bounds")
        return None if found is None else found.together

    @property
    def compressions(self) -> JointBound | None:
        """The smallest certificate of a compression when all of them hold at once; None if there is none."""
        found: BoundsFound | None = self.results.get("bounds")
        return None if found is None else found.compressions

"""All that one analysis found, typed, before it becomes a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from boundcalc.bounds.evaluate import BoundResult, Together
    from boundcalc.checkpoint.types import Checkpoint
    from boundcalc.empirical.datasets import Dataset
    from boundcalc.empirical.energies import Energies
    from boundcalc.empirical.measure import Measured
    from boundcalc.graphon.ntk_part import KernelAnalysis
    from boundcalc.graphon.pham2025 import MaskGraphons
    from boundcalc.network.network import Network
    from boundcalc.options import Options
    from boundcalc.samples.zhang2021 import SampleComplexity
    from boundcalc.topology.hoang2023 import Topology


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
class Findings:
    """Results of the parts; None or empty where a part did not run.

    Attributes:
        options: what was asked for.
        checkpoint: what was read.
        network: what it means.
        dataset: the data set, if any.
        measured: its pass through the network.
        energies: of the data, or declared.
        reference: where distances start, if known.
        bounds: name -> result.
        together: the smallest theorem about the checkpoint's own error when all of them hold at once; None where none bounds it.
        samples: sample complexity.
        topology: topology of the masks.
        graphon: graphons of the masks.
        gntk: the graphon NTK on a batch.
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
    bounds: dict[str, BoundResult]
    together: Together | None
    samples: SampleComplexity | None
    topology: Topology | None
    graphon: MaskGraphons | None
    gntk: KernelAnalysis | None
    skipped: dict[str, str]
    seconds: dict[str, float]
    warnings: tuple[str, ...] = ()

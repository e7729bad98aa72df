"""Rules of a walk over the node graph, as published and sharper: allowed choices, and an estimate of their promise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from boundcalc.bounds.peeling.kernels import Choice, KernelStructure
from boundcalc.bounds.peeling.norms import L1, L2, NORMS, NodeNorm
from boundcalc.bounds.peeling.predecessors import Predecessors
from boundcalc.bounds.peeling.state import InputField, PreActivation
from boundcalc.empirical.energies import Energies
from boundcalc.network.coverage import RELU_NETWORK
from boundcalc.network.nodes import NeuronGroups, Positions
from boundcalc.network.ops import Affine, ChannelAffine, Concat, LeakyReLU
from boundcalc.norms.rounding import LOG2

Biases = tuple[torch.Tensor, int, torch.Tensor] | None


@dataclass(frozen=True)
class Setting:
    """Data shared by all walks of a search.

    Attributes:
        structure: which connections exist.
        positions: exact positions or one general position.
        energies: energies of the sample.
        inputs: what the inputs add up to at the nodes of a layer, by layer, node size, norm and whether paths count: no constant t
            changes it.
        biases: what the biases of a layer add to its nodes, by layer, node size and constant t; see `Predecessors.with_constant`.
    """

    structure: KernelStructure
    positions: Positions
    energies: Energies
    inputs: dict[tuple[Affine, int, str, bool], Predecessors] = field(default_factory=dict)
    biases: dict[tuple[Affine, int, float], Biases] = field(default_factory=dict)


class Rules(Protocol):
    """The choices that a walk may make, and an estimate of how promising they are.

    Attributes:
        signed_pools: whether a maximum may be taken over values of any sign.
        covered: kinds of network nodes that the theorem covers.
        counts_paths: whether paths and the energies at their ends enter the theorem; otherwise they only guide the search.
        of_copies: norm of a sum whose terms are all skipped values.
        beam: walks that are kept for each pair of norms of the first and of the last nodes.
    """

    signed_pools: bool
    covered: tuple[type, ...]
    counts_paths: bool
    of_copies: NodeNorm
    beam: int

    def norms(self, value: PreActivation) -> Sequence[NodeNorm]:
        """Return the norms allowed for the nodes of a hidden value."""
        ...

    def sizes(self, value: PreActivation, sizes: list[int]) -> list[int]:
        """Return the node sizes of a hidden value that are worth trying, out of the given ones."""
        ...

    def last(self, value: PreActivation, fixed: dict[str, Choice] | None) -> list[Choice]:
        """Return the allowed choices for the output."""
        ...

    def promise(self, field: NeuronGroups, reach: torch.Tensor, energies: Energies) -> float:
        """Return the log of an estimate of the bound that a walk leads to; it only guides the search."""
        ...


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _size(field: NeuronGroups, reach: torch.Tensor) -> float:
    return _log(float((field.squares.sqrt() * reach).sum())) + field.exponent * LOG2


class PublishedRules:
    """The theorem as published: both norms everywhere, paths are counted."""

    signed_pools = False
    covered: tuple[type, ...] = RELU_NETWORK
    counts_paths = True
    of_copies: NodeNorm = L2()
    beam = 1

    def norms(self, value: PreActivation) -> Sequence[NodeNorm]:
        """Return both norms."""
        return NORMS

    def sizes(self, value: PreActivation, sizes: list[int]) -> list[int]:
        """Return all sizes."""
        return sizes

    def last(self, value: PreActivation, fixed: dict[str, Choice] | None) -> list[Choice]:
        """Return one node per class, with the fixed norm or with each norm."""
        if fixed is not None:
            return [Choice(1, fixed[value.layers[0][0].name].norm)]
        return [Choice(1, norm) for norm in NORMS]

    def promise(self, field: NeuronGroups, reach: torch.Tensor, energies: Energies) -> float:
        """Return the published formula with the l1 size of the remaining paths."""
        paths = float(field.log_paths.flatten().logsumexp(0))
        spread = math.sqrt(max(0.0, 2 * (field.log_factor + paths)))
        return _size(field, reach) + 0.5 * float(field.log_energy.max()) + math.log1p(spread)


class SharpRules:
    """The sharper theorem: hidden nodes are measured by l1; nodes that read only inputs, and the output, also by l2.

    Args:
        log_factor: exponent K.
    """

    signed_pools = True
    covered: tuple[type, ...] = (*RELU_NETWORK, Concat, ChannelAffine, LeakyReLU)
    counts_paths = False
    of_copies: NodeNorm = L1()
    beam = 2

    def __init__(self, log_factor: float) -> None:
        self._log_factor = log_factor

    def norms(self, value: PreActivation) -> Sequence[NodeNorm]:
        """Return l1, and also l2 for a node that one layer feeds from the input."""
        return (L2(), L1()) if reads_input_alone(value) else (L1(),)

    def sizes(self, value: PreActivation, sizes: list[int]) -> list[int]:
        """Return all sizes for a value that reads the input, else 1: no larger node has smaller scales (docs/theory/peeling.md)."""
        return sizes if any(isinstance(source, InputField) for _, source in value.layers) else [1]

    def last(self, value: PreActivation, fixed: dict[str, Choice] | None) -> list[Choice]:
        """Return l2 over classes and l1 over units, and l1 or l2 over both."""
        layer = value.layers[0][0]
        if fixed is not None:
            return [fixed[layer.name]]
        mixed = any(isinstance(source, InputField) for _, source in value.layers)
        found = [Choice(1, L1())]
        if not mixed or reads_input_alone(value):
            found.append(Choice(1, L2()))
        if not mixed and layer.shape[1:] == (1, 1) and layer.shape[0] > 1:
            found.append(Choice(layer.shape[0], L1()))
        return found

    def promise(self, field: NeuronGroups, reach: torch.Tensor, energies: Energies) -> float:
        """Return the l1 size of the remaining paths times z, for as many sets as fit into the energy of the sample."""
        energy = float(field.log_energy.max())
        if energy == -math.inf:
            return -math.inf
        sets = max(0.0, _log(energies.frobenius_squared) - energy)
        few, many = self._log_factor + sets, math.log(2 * (self._log_factor + sets + LOG2))
        return _size(field, reach) + 0.5 * (energy + min(few, many))


def reads_input_alone(value: PreActivation) -> bool:
    """Return whether a value is the output of one layer that reads the input, and nothing else."""
    return len(value.layers) == 1 and not value.skips and isinstance(value.layers[0][1], InputField)

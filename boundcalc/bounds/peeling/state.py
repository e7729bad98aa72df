"""What a walk over the node graph holds on its way: values that are still needed, and the choices made."""

from __future__ import annotations

from dataclasses import dataclass

from boundcalc.bounds.peeling.kernels import Chosen
from boundcalc.network.nodes import NeuronGroups
from boundcalc.network.ops import Affine


@dataclass(frozen=True, eq=False)
class InputField:
    """The raw input: not a node, restricted anew by every node that reads it."""


@dataclass(frozen=True, eq=False)
class PreActivation:
    """A value before its ReLU: layers applied to fields, plus fields added as they are."""

    layers: tuple[tuple[Affine, NeuronGroups | InputField], ...]
    skips: tuple[NeuronGroups, ...]
    place: str


Value = NeuronGroups | InputField | PreActivation


@dataclass(frozen=True, eq=False)
class PartialWalk:
    """A partial walk: the values still needed and the choices made."""

    values: dict[int, Value]
    chosen: Chosen | None
    score: float = 0.0

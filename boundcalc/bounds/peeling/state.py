"""The state of a walk over the node graph: the values that are still needed, and the choices made so far."""

from __future__ import annotations

from dataclasses import dataclass, replace

from boundcalc.bounds.peeling.kernels import Chosen
from boundcalc.network.nodes import NeuronGroups
from boundcalc.network.ops import Affine


@dataclass(frozen=True, eq=False)
class InputField:
    """The raw input. It is not a node; each node that reads it has its own set of inputs."""


@dataclass(frozen=True, eq=False)
class PreActivation:
    """A value before its ReLU: the outputs of layers, plus skipped values that are added to them."""

    layers: tuple[tuple[Affine, NeuronGroups | InputField], ...]
    skips: tuple[NeuronGroups, ...]
    place: str


Value = NeuronGroups | InputField | PreActivation


@dataclass(frozen=True, eq=False)
class PartialWalk:
    """A partial walk: the values that are still needed and the choices made so far."""

    values: dict[int, Value]
    chosen: Chosen | None
    score: float = 0.0

    def with_value(self, index: int, value: Value) -> PartialWalk:
        """Return the walk with one more value."""
        return replace(self, values={**self.values, index: value})


def most_promising(walks: list[PartialWalk], beam: int) -> list[PartialWalk]:
    """Return the walks of lowest score, `beam` for each pair of norms of the first and of the last nodes, the lowest first.

    Scores compare walks of the same norms well and others badly.
    """
    kept: dict[tuple[str, ...], list[PartialWalk]] = {}
    for walk in sorted(walks, key=lambda walk: walk.score):
        same = kept.setdefault(walk.chosen.ends() if walk.chosen else (), [])
        if len(same) < beam:
            same.append(walk)
    return sorted((walk for same in kept.values() for walk in same), key=lambda walk: walk.score)

"""What a codeword says: groups of units, masks, codebooks, which value each surviving weight has.

Units of free axes stand in the order of their groups, so a codeword speaks of the network up to the order of its hidden units,
which does not change the function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundcalc.network.network import Network
from boundcalc.network.ops import Affine
from boundcalc.occam.axes import Axes, axes_of

MAX_GROUPS = 16
"""Groups of an axis: 1..16, fixed before any sample."""
MAX_VALUES = 64
"""Values of a codebook: 1..64, fixed before any sample."""
BIASES = ("none", "raw", "own", "shared")
"""How biases are coded: all zero; 16 bits each; a subset with a codebook of its own, or with the layer's."""


@dataclass(frozen=True)
class LayerLayout:
    """What sender and receiver know of a layer beforehand.

    Attributes:
        name: of the layer.
        rows: index of its output axis.
        columns: index of its input axis.
        shape: (output units, input units, kernel entries).
        biased: whether the architecture has a bias here.
    """

    name: str
    rows: int
    columns: int
    shape: tuple[int, int, int]
    biased: bool


@dataclass(frozen=True)
class CodeLayout:
    """What sender and receiver know of the network beforehand.

    Attributes:
        axes: sets of units.
        layers: in order of execution, each module once.
    """

    axes: Axes
    layers: tuple[LayerLayout, ...]


@dataclass(frozen=True, eq=False)
class Values:
    """Numbers that take few values.

    Attributes:
        codebook: (K,) float16.
        indices: (s,) int64, which value each number has.
    """

    codebook: np.ndarray
    indices: np.ndarray

    @property
    def numbers(self) -> np.ndarray:
        """The numbers, (s,) float64."""
        return self.codebook.astype(np.float64)[self.indices]


@dataclass(frozen=True, eq=False)
class BiasWord:
    """A layer's biases.

    Attributes:
        mode: one of `BIASES`.
        mask: (rows,) bool, which are coded; the others are 0.
        values: of those coded, in order.
    """

    mode: str
    mask: np.ndarray
    values: Values


@dataclass(frozen=True, eq=False)
class LayerWord:
    """A layer's weights and biases.

    Attributes:
        blockwise: whether the mask is coded block by block; uniformly otherwise.
        mask: (rows, columns, kernel entries) bool.
        values: of the surviving weights, in the mask's order.
        bias: the biases, None where the architecture has none.
        positions: (kernel entries,) int64, the group of each of a kernel's positions, where the mask is coded block by block; None
            for one group.
    """

    blockwise: bool
    mask: np.ndarray
    values: Values
    bias: BiasWord | None
    positions: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Codeword:
    """A quantised network up to the order of its hidden units.

    Attributes:
        relative: whether values are differences from the reference; every axis then keeps its order.
        groups: for each axis (size,) int64, the group of each unit; in rising order on free axes unless `relative`.
        sizes: for each axis the number of units in each group.
        layers: one a layer of the plan.
    """

    relative: bool
    groups: tuple[np.ndarray, ...]
    sizes: tuple[list[int], ...]
    layers: tuple[LayerWord, ...]


def plan_of(network: Network) -> CodeLayout:
    """Return what is known before any sample: the architecture.

    Raises:
        NotCovered: an operation with parameters of its own, or one that is not understood.
    """
    axes = axes_of(network)
    return CodeLayout(axes, tuple(_layer_plan(axes, layer) for layer in network.stored()))


def _layer_plan(axes: Axes, layer: Affine) -> LayerLayout:
    out, columns, height, width = layer.weight.shape
    shape = (out, columns, height * width)
    return LayerLayout(
        layer.name, axes.rows[layer.name], axes.columns[layer.name], shape, layer.bias is not None
    )

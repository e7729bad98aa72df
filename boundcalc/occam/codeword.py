"""The content of a codeword: groups of units, masks, codebooks, and the value of each surviving weight.

Units of free axes are listed in the order of their groups, so a codeword describes the network up to the order of its
hidden units, which does not change the function.
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
    """The facts about a layer that sender and receiver know beforehand.

    Attributes:
        name: name of the layer.
        rows: index of its output axis.
        columns: index of its input axis.
        shape: (output units, input units, kernel entries).
        biased: whether the layer has a bias.
    """

    name: str
    rows: int
    columns: int
    shape: tuple[int, int, int]
    biased: bool


@dataclass(frozen=True)
class CodeLayout:
    """The facts about the network that sender and receiver know beforehand.

    Attributes:
        axes: axes of the network.
        layers: layers in order of execution, each module once.
    """

    axes: Axes
    layers: tuple[LayerLayout, ...]


@dataclass(frozen=True, eq=False)
class Values:
    """Numbers that take only a few distinct values.

    Attributes:
        codebook: the distinct values, (K,) float16.
        indices: index of each number's value, (s,) int64.
    """

    codebook: np.ndarray
    indices: np.ndarray

    @property
    def numbers(self) -> np.ndarray:
        """The numbers, (s,) float64."""
        return self.codebook.astype(np.float64)[self.indices]


@dataclass(frozen=True, eq=False)
class BiasWord:
    """The biases of a layer.

    Attributes:
        mode: one of `BIASES`.
        mask: which biases are coded, (rows,) bool; the others are 0.
        values: values of the coded biases, in order.
    """

    mode: str
    mask: np.ndarray
    values: Values


@dataclass(frozen=True, eq=False)
class LayerWord:
    """The weights and biases of a layer.

    Attributes:
        blockwise: whether the mask is coded block by block instead of uniformly.
        mask: the mask, (rows, columns, kernel entries) bool.
        values: values of the surviving weights, in the mask's order.
        bias: the biases, None if the layer has none.
        positions: group of each of a kernel's positions, (kernel entries,) int64, if the mask is coded block by block; None
            for one group.
    """

    blockwise: bool
    mask: np.ndarray
    values: Values
    bias: BiasWord | None
    positions: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Codeword:
    """A quantized network, up to the order of its hidden units.

    Attributes:
        relative: whether values are differences from the reference; the order of every axis is then fixed.
        groups: for each axis the group of each unit, (size,) int64; in increasing order on free axes unless `relative`.
        sizes: for each axis the number of units in each group.
        layers: one `LayerWord` for each layer of the plan.
    """

    relative: bool
    groups: tuple[np.ndarray, ...]
    sizes: tuple[list[int], ...]
    layers: tuple[LayerWord, ...]


def plan_of(network: Network) -> CodeLayout:
    """Return the layout that is known before any sample is drawn: the architecture.

    Raises:
        NotCovered: when an operation has parameters of its own, or is not understood.
    """
    axes = axes_of(network)
    return CodeLayout(axes, tuple(_layer_plan(axes, layer) for layer in network.stored()))


def _layer_plan(axes: Axes, layer: Affine) -> LayerLayout:
    out, columns, height, width = layer.weight.shape
    shape = (out, columns, height * width)
    return LayerLayout(
        layer.name, axes.rows[layer.name], axes.columns[layer.name], shape, layer.bias is not None
    )

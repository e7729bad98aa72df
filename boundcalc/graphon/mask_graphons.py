"""Mask graphons of a network (Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025; docs/theory/pham2025.md).

Each layer's mask becomes a step graphon on a grid of cells (Chan & Airoldi 2014). Its distance from the constant graphon of
the same density measures how far the mask is from a random one: masks of random and of magnitude pruning at initialization
tend to the constant as layers grow wide. The cells are those of units sorted by degree, or spectral ones if these
predict held-out entries better. No number here is a bound on an error; the interval of the cut norm is proved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

from boundcalc.graphon.counts import EntryCounts
from boundcalc.graphon.cut import cut_norm
from boundcalc.graphon.estimate import GraphonChain, chain, estimate
from boundcalc.graphon.held_out import HeldOut, hold_out, singular_cells, sorted_cells, whole
from boundcalc.graphon.homomorphisms import Homomorphisms, of_mask, of_step
from boundcalc.graphon.ordering import layer_counts, not_a_chain
from boundcalc.graphon.refine import from_constant
from boundcalc.graphon.step import StepGraphon
from boundcalc.network.network import Network


@dataclass(frozen=True, eq=False)
class LayerGraphon:
    """The graphon of a layer's mask.

    Attributes:
        name: name of the layer.
        shape: (outputs, inputs), in channels for a convolution.
        taps: number of kernel entries between an output and an input.
        density: share of surviving entries; no entry survives between groups of channels.
        graphon: the step graphon.
        used: how its cells were found, ``"sorted"`` or ``"spectral"``.
        held_out: comparison that chose the cells; None if the layer is too small for one.
        l2_from_constant: L2 distance from the constant graphon of the same density.
        cut_from_constant: interval (low, high) of the cut norm of the same difference.
        mask: homomorphism densities of the mask itself.
        step: homomorphism densities of the step graphon.
    """

    name: str
    shape: tuple[int, int]
    taps: int
    density: float
    graphon: StepGraphon
    used: str
    held_out: HeldOut | None
    l2_from_constant: float
    cut_from_constant: tuple[float, float]
    mask: Homomorphisms
    step: Homomorphisms


@dataclass(frozen=True, eq=False)
class MaskGraphons:
    """The graphons of a network's masks.

    Attributes:
        layers: graphons in execution order, with rows and columns of each layer ordered independently.
        cells: resolution, the largest number of cells per side.
        chain: graphons with every hidden layer ordered only once; None if the layers do not form a chain.
        reason: why the layers do not form a chain; None if they do.
        grouped: whether a convolution has groups of channels.
    """

    layers: tuple[LayerGraphon, ...]
    cells: int
    chain: GraphonChain | None
    reason: str | None
    grouped: bool = False


def analyze(network: Network, cells: int = 64, seed: int = 0) -> MaskGraphons:
    """Estimate the graphons of a network's masks.

    Args:
        network: network whose layers have masks (`mask`).
        cells: largest number of cells per side; a layer with fewer units has one cell per unit.
        seed: seed of the held-out entries and of the search for a cut; each layer derives its own.

    Returns:
        The graphons, their densities and distances.

    Raises:
        ValueError: `cells` is less than 1.

    Source: Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025.
    """
    if cells < 1:
        raise ValueError(f"{cells} cells: at least 1 is needed")
    reason = not_a_chain(network)
    with threadpool_limits(limits=1, user_api="blas"):
        layers = tuple(
            of_layer(layer.name, counts, cells, [seed, index])
            for index, (layer, counts) in enumerate(zip(network.masked(), layer_counts(network), strict=True))
        )
        ordered = chain(network, cells) if reason is None else None
    grouped = any(layer.groups > 1 for layer in network.masked())
    return MaskGraphons(layers, cells, ordered, reason, grouped)


def of_layer(name: str, counts: EntryCounts, cells: int, seed: list[int]) -> LayerGraphon:
    """Return the graphon of one mask; `cells` and `seed` are those of `analyze`, with the layer's index added to the seed."""
    held_out = hold_out(counts, cells, np.random.default_rng(seed))
    graphon, used = _estimate(counts, cells, held_out)
    excess = from_constant(graphon)
    return LayerGraphon(
        name,
        counts.shape,
        counts.taps,
        counts.density,
        graphon,
        used,
        held_out,
        excess.l2,
        cut_norm(excess, seed),
        of_mask(counts),
        of_step(graphon),
    )


def _estimate(counts: EntryCounts, cells: int, held_out: HeldOut | None) -> tuple[StepGraphon, str]:
    """Return the estimate that predicts better, recomputed from all entries, and its name."""
    sample = whole(counts)
    if held_out is not None and held_out.best == "spectral":
        singular = singular_cells(sample, cells)
        if singular is not None:
            return estimate(counts, *singular), "spectral"
    return estimate(counts, *sorted_cells(sample, cells)), "sorted"

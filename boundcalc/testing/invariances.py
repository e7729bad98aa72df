"""Changes of a network or a sample that leave its function alone, or scale it in a known way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound
from boundcalc.empirical.energies import Gram
from boundcalc.network.folding import fold_batchnorm
from boundcalc.network.forward import run
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, ChannelAffine
from boundcalc.testing.subject import close, complexity, with_network

Change = Callable[[int, Affine], tuple[torch.Tensor, torch.Tensor | None]]
SIZES = (0.125, 0.5, 2.0, 8.0)
"""Factors of a rescaling: powers of two, so that products stay exact."""


def changed(network: Network, change: Change) -> Network:
    """Replace layers: `change` maps a layer's number and the layer to its new weight and bias."""
    nodes = list(network.nodes)
    places = [index for index, node in enumerate(nodes) if isinstance(node, Affine)]
    for number, index in enumerate(places):
        layer = nodes[index]
        assert isinstance(layer, Affine)
        weight, bias = change(number, layer)
        nodes[index] = replace(layer, weight=weight, bias=bias, support=weight != 0)
    return Network(tuple(nodes), network.source, network.input_shape)


def rescaled(network: Network, factors: torch.Tensor) -> Network:
    """Multiply each channel of the first layer by a positive factor, and divide what reads it.

    Args:
        network: the second layer reads the first through a ReLU, in the same channels.
        factors: (channels,) float64, positive.
    """

    def change(number: int, layer: Affine) -> tuple[torch.Tensor, torch.Tensor | None]:
        if number == 0:
            bias = None if layer.bias is None else layer.bias * factors
            return layer.weight * factors[:, None, None, None], bias
        if number == 1:
            return layer.weight / factors[None, :, None, None], layer.bias
        return layer.weight, layer.bias

    return changed(network, change)


def rescaled_layers(network: Network, factor: float) -> Network:
    """Multiply the whole first layer by a positive factor, and divide the second by it."""
    return rescaled(network, torch.full((next(network.layers()).shape[0],), factor, dtype=torch.float64))


def permuted(network: Network, order: torch.Tensor) -> Network:
    """Put the channels of the first layer into another order, and those that the second reads."""

    def change(number: int, layer: Affine) -> tuple[torch.Tensor, torch.Tensor | None]:
        if number == 0:
            return layer.weight[order], None if layer.bias is None else layer.bias[order]
        return (layer.weight[:, order] if number == 1 else layer.weight), layer.bias

    return changed(network, change)


def check_rescaling(bound: Bound, problem: BoundInputs, seed: int = 0, tolerance: float = 1e-9) -> None:
    """Check that the complexity does not change when single units are rescaled.

    A ReLU network computes the same function when a unit's incoming weights and bias are multiplied by c > 0 and its outgoing
    weights divided by it. Path norms see only products along paths; norms of whole layers change.

    Args:
        bound: with a complexity.
        problem: a network whose second layer reads the first through a ReLU.
        seed: of the factors.
        tolerance: of the log of the complexity.

    Raises:
        AssertionError: it changes.

    Source: Neyshabur, Salakhutdinov & Srebro 2015, Path-SGD.
    """
    random = torch.Generator().manual_seed(seed)
    width = next(problem.network.layers()).shape[0]
    draws = torch.randint(len(SIZES), (width,), generator=random)
    other = rescaled(problem.network, torch.tensor(SIZES, dtype=torch.float64)[draws])
    _same(bound, problem, with_network(problem, other), tolerance, "rescaling single units")


def check_layer_rescaling(
    bound: Bound, problem: BoundInputs, factor: float = 4.0, tolerance: float = 1e-9
) -> None:
    """Check that the complexity does not change when a whole layer is multiplied and the next divided; as `check_rescaling`.

    Raises:
        AssertionError: it changes.
    """
    other = rescaled_layers(problem.network, factor)
    _same(bound, problem, with_network(problem, other), tolerance, f"rescaling a layer by {factor:g}")


def check_permutation(bound: Bound, problem: BoundInputs, seed: int = 0, tolerance: float = 1e-9) -> None:
    """Check that the complexity does not change when hidden units change places.

    A bound that splits channels into groups in their order is invariant for groups of one or of all channels.

    Raises:
        AssertionError: it changes.
    """
    width = next(problem.network.layers()).shape[0]
    order = torch.randperm(width, generator=torch.Generator().manual_seed(seed))
    other = with_network(problem, permuted(problem.network, order))
    _same(bound, problem, other, tolerance, "permuting hidden units")


def _same(bound: Bound, problem: BoundInputs, other: BoundInputs, tolerance: float, what: str) -> None:
    before, after = complexity(bound, problem), complexity(bound, other)
    assert close(before, after, tolerance), (
        f"{bound.name}: {what} moves log complexity from {before:.12g} to {after:.12g}"
    )


def check_repeated_sample(
    bound: Bound, problem: BoundInputs, copies: int = 4, tolerance: float = 1e-6
) -> None:
    """Check that a sample repeated c times has its R_S divided by sqrt(c), as energies grow by c and m by c.

    For bounds R_S <= sqrt(energy) / m times a factor of the network, as all of kind F here.

    Raises:
        AssertionError: another ratio.
    """
    energies = problem.energies
    more = replace(
        energies, m=energies.m * copies, coordinate=energies.coordinate * copies,
        classes=None if energies.classes is None else energies.classes * copies,
        counts=None if energies.counts is None else energies.counts * copies,
        gram=None if energies.gram is None else Gram(energies.gram.matrix * copies, energies.gram.error * copies),
    )  # fmt: skip
    other = replace(problem, energies=more, margins=None, split=None)
    before, after = complexity(bound, replace(problem, margins=None, split=None)), complexity(bound, other)
    expected = before - 0.5 * math.log(copies)
    assert close(after, expected, tolerance), (
        f"{bound.name}: {copies} copies of the sample give log complexity {after:.12g}, not {expected:.12g}"
    )


def check_batchnorm_folding(network: Network, x: torch.Tensor, tolerance: float = 1e-9) -> Network:
    """Check that folding BatchNorms into the layers before them leaves outputs alone and every weight as computed by hand.

    Args:
        network: with `ChannelAffine` nodes right after layers.
        x: (m, channels, height, width) float64.
        tolerance: relative, of outputs and weights.

    Returns:
        The folded network, whose bounds are those of any network with these weights.

    Raises:
        AssertionError: an output or a weight differs.
    """
    folded = Network(tuple(fold_batchnorm(list(network.nodes))), network.source, network.input_shape)
    before, after = run(network, x), run(folded, x)
    gap = float((before - after).abs().max() / before.abs().max().clamp(min=1e-300))
    assert gap <= tolerance, f"folding BatchNorm moves an output by {gap:.3g} of the largest"
    readers = network.consumers()
    expected = [
        node.weight * network.nodes[readers[index][0]].scale[:, None, None, None]  # type: ignore[attr-defined]
        if len(readers[index]) == 1 and isinstance(network.nodes[readers[index][0]], ChannelAffine)
        else node.weight
        for index, node in enumerate(network.nodes)
        if isinstance(node, Affine)
    ]
    for layer, weight in zip(folded.layers(), expected, strict=True):
        error = float((layer.weight - weight).abs().max())
        assert error <= tolerance * float(weight.abs().max()), (
            f"{layer.name}: a folded weight is off by {error:.3g}"
        )
    assert not any(isinstance(node, ChannelAffine) for node in folded.nodes), "a BatchNorm was not folded"
    return folded

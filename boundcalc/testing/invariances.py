"""Changes of a network or a sample that preserve its function, or scale it in a known way, and the matching checks."""

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
    """Replace layers: `change` maps the number of a layer and the layer to its new weight and bias."""
    nodes = list(network.nodes)
    places = [index for index, node in enumerate(nodes) if isinstance(node, Affine)]
    for number, index in enumerate(places):
        layer = nodes[index]
        assert isinstance(layer, Affine)
        weight, bias = change(number, layer)
        nodes[index] = replace(layer, weight=weight, bias=bias, support=weight != 0)
    return Network(tuple(nodes), network.source, network.input_shape)


def rescaled(network: Network, factors: torch.Tensor) -> Network:
    """Multiply each channel of the first layer by a positive factor, and divide the weights that read this channel by it.

    Args:
        network: network whose second layer reads the first through a ReLU, with the same channels.
        factors: positive factors, (channels,) float64.
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
    """Multiply the whole first layer by a positive factor, and divide the weights of the second layer by it."""
    return rescaled(network, torch.full((next(network.layers()).shape[0],), factor, dtype=torch.float64))


def permuted(network: Network, order: torch.Tensor) -> Network:
    """Permute the channels of the first layer, and correspondingly the channels that the second layer reads."""

    def change(number: int, layer: Affine) -> tuple[torch.Tensor, torch.Tensor | None]:
        if number == 0:
            return layer.weight[order], None if layer.bias is None else layer.bias[order]
        return (layer.weight[:, order] if number == 1 else layer.weight), layer.bias

    return changed(network, change)


def check_rescaling(bound: Bound, problem: BoundInputs, seed: int = 0, tolerance: float = 1e-9) -> None:
    """Check that rescaling single units does not change the complexity.

    A ReLU network computes the same function when the incoming weights and the bias of a unit are multiplied by c > 0 and its
    outgoing weights are divided by c. Path norms depend only on products along paths and do not change; norms of whole layers do.

    Args:
        bound: bound with a complexity.
        problem: problem with a network whose second layer reads the first through a ReLU.
        seed: seed of the factors.
        tolerance: absolute tolerance of the log of the complexity.

    Raises:
        AssertionError: the complexity changes.

    Source: Neyshabur, Salakhutdinov & Srebro 2015, Path-SGD.
    """
    random = torch.Generator().manual_seed(seed)
    width = next(problem.network.layers()).shape[0]
    draws = torch.randint(len(SIZES), (width,), generator=random)
    other = rescaled(problem.network, torch.tensor(SIZES, dtype=torch.float64)[draws])
    _check_equal(bound, problem, with_network(problem, other), tolerance, "rescaling single units")


def check_layer_rescaling(
    bound: Bound, problem: BoundInputs, factor: float = 4.0, tolerance: float = 1e-9
) -> None:
    """Check that multiplying a layer and dividing the next by the same factor preserves the complexity; see `check_rescaling`.

    Raises:
        AssertionError: the complexity changes.
    """
    other = rescaled_layers(problem.network, factor)
    _check_equal(bound, problem, with_network(problem, other), tolerance, f"rescaling a layer by {factor:g}")


def check_permutation(bound: Bound, problem: BoundInputs, seed: int = 0, tolerance: float = 1e-9) -> None:
    """Check that permuting hidden units does not change the complexity.

    A bound that splits channels into groups in their order is invariant only if groups consist of one or of all channels.

    Raises:
        AssertionError: the complexity changes.
    """
    width = next(problem.network.layers()).shape[0]
    order = torch.randperm(width, generator=torch.Generator().manual_seed(seed))
    other = with_network(problem, permuted(problem.network, order))
    _check_equal(bound, problem, other, tolerance, "permuting hidden units")


def _check_equal(bound: Bound, problem: BoundInputs, other: BoundInputs, tolerance: float, what: str) -> None:
    before, after = complexity(bound, problem), complexity(bound, other)
    assert close(before, after, tolerance), (
        f"{bound.name}: {what} moves log complexity from {before:.12g} to {after:.12g}"
    )


def check_repeated_sample(
    bound: Bound, problem: BoundInputs, copies: int = 4, tolerance: float = 1e-6
) -> None:
    """Check that repeating a sample c times divides R_S by sqrt(c): the energies and m both grow by the factor c.

    This holds for bounds R_S <= sqrt(energy) / m times a factor of the network, as for all bounds of kind F here.

    Raises:
        AssertionError: the ratio differs from sqrt(c).
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
    """Check that folding BatchNorms into the layers before them preserves the outputs and gives the weights computed by hand.

    Args:
        network: network with `ChannelAffine` nodes directly after layers.
        x: inputs, (m, channels, height, width) float64.
        tolerance: relative tolerance of outputs and weights.

    Returns:
        The folded network; bounds treat it like any network with these weights.

    Raises:
        AssertionError: an output or a weight differs, or a BatchNorm was not folded.
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

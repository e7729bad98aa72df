"""Checks of closed-form norms against explicit matrices."""

from __future__ import annotations

import math
from fractions import Fraction

import torch

from boundcalc.network import forward
from boundcalc.network.chain import ToeplitzLayer, toeplitz_layers
from boundcalc.network.network import Network
from boundcalc.network.ops import Add, Affine, AvgPool, MaxPool, Node, Rearrange, ReLU
from boundcalc.norms import kernels
from boundcalc.norms.path import log_path_norm
from boundcalc.norms.toeplitz import rows_of

LARGEST = 4_000_000
"""Largest number of entries of a matrix that is written out."""


def matrix_of(link: ToeplitzLayer, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Return A^l as an explicit matrix, (outputs, inputs) float64; its inputs are the values before the poolings.

    Args:
        link: layer together with the average poolings before it.
        weight: another kernel of the same shape; None for the layer's own.

    Raises:
        ValueError: the matrix has more than `LARGEST` entries.
    """
    layer = link.layer
    weight = layer.weight if weight is None else weight
    first = link.pools[0] if link.pools else None
    channels = weight.shape[1] * layer.groups
    high, wide = layer.window.height.size, layer.window.width.size
    if first is not None:
        high, wide = first.rows_h.shape[1], first.rows_w.shape[1]
    size = channels * high * wide
    if size * math.prod(layer.shape) > LARGEST:
        raise ValueError(
            f"{layer.name}: a matrix of {size * math.prod(layer.shape)} entries is not written out"
        )
    x = torch.eye(size, dtype=torch.float64).reshape(size, channels, high, wide)
    for pool in link.pools:
        x = torch.einsum("ih,bchw,jw->bcij", pool.rows_h, x, pool.rows_w)
    return forward.affine(layer, x, weight, None).flatten(1).T.contiguous()


def check_toeplitz(network: Network, tolerance: float = 1e-10) -> None:
    """Check the closed-form norms of every layer's Toeplitz matrix and kernel by brute force.

    The check compares ||A||_F, ||A||_{2,1}, ||A||_{1,inf} (an upper bound where average pooling precedes the layer) and the
    kernel's (2,1), filter and Frobenius norms.

    Args:
        network: a chain of small layers.
        tolerance: relative tolerance.

    Raises:
        AssertionError: a norm differs from the true one, or is below it.
        NotCovered: the network is not a chain of matrices.
    """
    for link in toeplitz_layers(network):
        rows, matrix, weight = rows_of(link, link.layer.weight), matrix_of(link), link.layer.weight
        row_norms = matrix.square().sum(1).sqrt()
        pairs = {
            "Frobenius": (math.sqrt(rows.frobenius_squared().value), float(matrix.norm()), True),
            "(2,1)": (rows.two_one().value, float(row_norms.sum()), True),
            "(1,inf)": (rows.l1_inf().value, float(matrix.abs().sum(1).max()), not link.pools),
            "kernel (2,1)": (
                kernels.two_one(weight).value,
                _by_loop(weight.movedim(1, -1).flatten(0, 2)),
                True,
            ),
            "filter": (kernels.filters(weight).value, _by_loop(weight.flatten(1)), True),
            "kernel Frobenius": (kernels.frobenius(weight).value, _by_loop(weight.flatten()[None]), True),
        }
        for name, (closed, true, equal) in pairs.items():
            _compare(f"{link.layer.name}: {name} norm", closed, true, tolerance, equal=equal)


def _by_loop(rows: torch.Tensor) -> float:
    return math.fsum(math.hypot(*row) for row in rows.tolist())


def _compare(what: str, closed: float, true: float, tolerance: float, *, equal: bool) -> None:
    assert closed >= true * (1 - 1e-14), f"{what}: {closed!r} is below {true!r}"
    if equal:
        assert closed <= true * (1 + tolerance) + 1e-140, f"{what}: {closed!r} is above {true!r}"


def check_path_norm(network: Network, tolerance: float = 1e-10) -> None:
    """Check the l1 path norm against exact fractions summed backwards over all paths.

    Args:
        network: small network; sums, average and max pooling are allowed.
        tolerance: absolute tolerance of the logarithm.

    Raises:
        AssertionError: the path norm differs from the true one, or is below it.
    """
    closed, true = log_path_norm(network), path_norm(network)
    if true == 0:
        assert closed == -math.inf, f"path norm: {closed!r} for a network that is 0"
        return
    exact = math.log(true.numerator) - math.log(true.denominator)
    assert exact - 1e-13 <= closed <= exact + tolerance, f"log path norm: {closed!r}, exactly {exact!r}"


def path_norm(network: Network, t: Fraction = Fraction(1)) -> Fraction:
    """Return ||Phi||_1 exactly, propagating each unit's path weight back from ones at the outputs; biases count
    divided by t.
    """
    reach = [[Fraction(0)] * math.prod(node.shape) for node in network.nodes]
    reach[-1] = [Fraction(1)] * len(reach[-1])
    total = Fraction(0)
    for index in range(len(network.nodes) - 1, 0, -1):
        node = network.nodes[index]
        if isinstance(node, Affine) and node.bias is not None:
            area = math.prod(node.shape[1:])
            total += sum(
                abs(Fraction(float(node.bias[u // area]))) / t * r for u, r in enumerate(reach[index])
            )
        for source in node.inputs:
            for unit, below, weight in _edges(network, index, source):
                reach[source][below] += weight * reach[index][unit]
    return total + sum(reach[0])


def _edges(network: Network, index: int, source: int) -> list[tuple[int, int, Fraction]]:
    """Return (unit, unit below, absolute weight) for every connection of a node to its source."""
    node = network.nodes[index]
    if isinstance(node, ReLU | Add):
        return [(unit, unit, Fraction(1)) for unit in range(math.prod(node.shape))]
    matrix = _linear(network, node, network.nodes[source].shape)
    return [
        (unit, below, abs(Fraction(float(matrix[unit, below]))))
        for unit, below in torch.nonzero(matrix).tolist()
    ]


def _linear(network: Network, node: Node, shape: tuple[int, int, int]) -> torch.Tensor:
    size = math.prod(shape)
    units = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
    match node:
        case Affine():
            return forward.affine(node, units, node.weight, None).flatten(1).T
        case AvgPool() | Rearrange():
            return forward.evaluate_node(node, [units]).flatten(1).T
        case MaxPool():
            return (forward.pool_max(node, units) > 0).double().flatten(1).T
        case _:
            raise ValueError(f"no path norm through {type(node).__name__}")

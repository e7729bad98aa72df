"""Bound of the rounding error of a float64 pass through a network."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from boundcalc.errors import NotCovered
from boundcalc.network.network import Network
from boundcalc.network.ops import Activation, Affine, AvgPool, ChannelAffine, LeakyReLU, Node
from boundcalc.norms.path import log_absolute_pass
from boundcalc.norms.rounding import exp_up, gamma, log_product, log_up

FLOOR = 2.0**-1000
"""Added to every bias: gamma_n of it is more than n products lose below 2^-1022, n 2^-1075."""


def pass_error(network: Network, largest: float) -> float:
    """Return a bound of the sum, over all outputs, of the errors of a pass in float64.

    The error of an inner product of n terms is at most gamma_n times the sum of the absolute values of its terms (Higham 2002,
    section 3.1). Errors of earlier layers propagate through the absolute weights; ReLU and the maximum do not enlarge them. So with
    n operations on a path from input to output, the errors of all outputs sum to at most gamma_n times the l1 path norm times
    max(1, max |x|), where the path norm of a maximum is the sum over its window.

    Args:
        network: the network that is evaluated.
        largest: max |x|.

    Returns:
        The bound; infinite if the path norm does not cover an operation.
    """
    operations = sum(_operations(node) for node in network.nodes) + 8
    try:
        log_norm = log_absolute_pass(_floored(network))
    except NotCovered:
        return math.inf
    return exp_up(log_product([log_up(gamma(operations), 1), log_norm, log_up(max(1.0, largest), 0)]))


def _operations(node: Node) -> int:
    match node:
        case Affine():
            return node.weight[0].numel() + 2
        case AvgPool():
            return node.rows_h.shape[1] + node.rows_w.shape[1] + 2
        case Activation():
            return 32
        case ChannelAffine() | LeakyReLU():
            return 2
        case _:
            return 1


def _floored(network: Network) -> Network:
    return Network(tuple(_with_floor(node) for node in network.nodes), network.source, network.input_shape)


def _with_floor(node: Node) -> Node:
    if not isinstance(node, Affine):
        return node
    bias = torch.zeros(node.weight.shape[0], dtype=torch.float64) if node.bias is None else node.bias
    return replace(node, bias=bias.abs() + FLOOR)

"""Size of the outputs in Frobenius or l1-inf norms for a batch of networks: the number that limits a class.

Written independently of `boundcalc.bounds.toeplitz`: the same sizes from explicit matrices, differentiable in the weights.
"""

from __future__ import annotations

import math

import torch

from boundcalc.bounds.candidates import Candidates
from boundcalc.bounds.outcome import Terms
from boundcalc.network.ops import (
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    Input,
    LeakyReLU,
    MaxPool,
    Node,
    ReLU,
)

TINY = 1e-28


def unit_sizes(candidates: Candidates, terms: Terms, *, l1: bool) -> torch.Tensor:
    """Return the size of the outputs of each network, (B,) float64.

    Args:
        candidates: batch of networks.
        terms: terms of the bound's outcome, for the constant that carries biases.
        l1: whether matrices are measured by their largest row l1 norm; otherwise by their Frobenius norm.
    """
    t = terms.get("constant") or 1.0
    network = candidates.architecture.network
    along: list[torch.Tensor] = []
    units: list[torch.Tensor] = []
    for index, node in enumerate(network.nodes):
        if isinstance(node, Input):
            one = torch.ones(1, dtype=torch.float64)
            along.append(one)
            units.append(one if l1 else one * math.sqrt(math.prod(node.shape)))
        elif isinstance(node, Add):
            left, right = node.inputs
            along.append(along[left] + along[right])
            units.append(units[left] + units[right])
        elif isinstance(node, Affine):
            size = _layer(candidates, index, node, along, t, l1=l1)
            along.append(size)
            units.append(size)
        elif isinstance(node, Concat):
            for sizes in (along, units):
                parts = torch.stack(torch.broadcast_tensors(*(sizes[i] for i in node.inputs)))
                sizes.append(parts.amax(0) if l1 else parts.square().sum(0).sqrt())
        elif isinstance(node, ChannelAffine):
            shift = (
                float(node.shift.abs().max())
                if l1
                else float(node.shift.norm()) * math.sqrt(math.prod(node.shape[1:]))
            )
            for sizes in (along, units):
                sizes.append(sizes[node.inputs[0]] * float(node.scale.abs().max()) + shift / t)
        elif isinstance(node, LeakyReLU):
            along.append(units[node.inputs[0]])
            units.append(units[node.inputs[0]])
        else:
            (source,) = node.inputs
            matrix = _incidence(candidates, index)
            grown = float(matrix.sum(1).max()) if l1 else _norm_of(matrix, node)
            units.append(units[source] * grown)
            linear = not isinstance(node, ReLU | MaxPool)
            along.append(torch.minimum(along[source] * grown, units[-1]) if linear else units[-1])
    return units[-1]


def _layer(
    candidates: Candidates, index: int, node: Affine, along: list[torch.Tensor], t: float, *, l1: bool
) -> torch.Tensor:
    """Return the size of a layer's outputs; the average poolings before the layer are multiplied into its matrix."""
    nodes, matrix, (source,) = candidates.architecture.network.nodes, candidates.matrices[index], node.inputs
    while not node.circular and isinstance(nodes[source], AvgPool):
        matrix = matrix @ _incidence(candidates, source)
        (source,) = nodes[source].inputs
    bias = candidates.biases[index]
    if l1:
        rows = matrix.abs().sum(2) * along[source][:, None]
        return (rows if bias is None else rows + bias.abs() / t).amax(1)
    own = (matrix.square().sum((1, 2)) + TINY).sqrt() * along[source]
    return own if bias is None else own + (bias.square().sum(1) + TINY).sqrt() / t


def _incidence(candidates: Candidates, index: int) -> torch.Tensor:
    """Return the matrix of a fixed operation, (units, units below); a maximum has 1 for every entry of its window."""
    node = candidates.architecture.network.nodes[index]
    shape = candidates.architecture.network.nodes[node.inputs[0]].shape
    eye = torch.eye(math.prod(shape), dtype=torch.float64)
    return candidates.architecture.fixed(index, eye, lambda windows: windows.clamp(min=0).sum(-1)).T


def _norm_of(matrix: torch.Tensor, node: Node) -> float:
    """Return the spectral norm of a linear map; for a maximum, the root of its largest window times its largest overlap."""
    if isinstance(node, MaxPool):
        return math.sqrt(float(matrix.sum(1).max() * matrix.sum(0).max()))
    return float(torch.linalg.matrix_norm(matrix, ord=2))

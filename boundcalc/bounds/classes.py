"""The class of networks that a bound covers, as needed for an attack: the norms that must not grow.

A bound declares its class in `Bound.hypotheses`, in one of two forms:

- `Scale`: all networks for which one positively homogeneous, symmetric number (rho, a product of norms, a path norm) is
  at most that of the drawn network. For `NormComplexity` and `Formula` outcomes.
- `NormBalls`: all networks for which, layer by layer, norms of the weights minus the reference are at most those of the
  drawn network. For `LossComplexity` and `ClassComplexity` outcomes; their numbers are named ``"NORM.LAYER"``.

Each function takes a batch of networks (`Candidates`), is differentiable in the weights, and is written independently of
the bound's own arithmetic, so that an attack also detects errors in how a norm is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from boundcalc.bounds.candidates import Candidates
from boundcalc.bounds.class_sizes import unit_sizes
from boundcalc.bounds.margin_networks import with_layer_at_end
from boundcalc.bounds.outcome import Terms
from boundcalc.bounds.toeplitz.steps import LayerStep, steps_of
from boundcalc.network.chain import ToeplitzLayer
from boundcalc.network.network import Network

TINY = 1e-28


@dataclass(frozen=True)
class Scale:
    """Networks for which one number is at most that of the drawn network.

    Attributes:
        words: description of the class.
        log_number: log of the number of each network, (B,) float64, given the terms that the bound reports; doubling the outputs
            through the last layer doubles the number.
        masked: whether pruned weights stay 0, given these terms; otherwise every weight may change.
        biases: whether biases may change; otherwise the class contains only networks without biases.
        seen: maps a network to the form that the bound measures: the same function, in a class that contains the network's.
    """

    words: str
    log_number: Callable[[Candidates, Terms], torch.Tensor]
    masked: Callable[[Terms], bool] = lambda terms: False
    biases: bool = True
    seen: Callable[[Network], Network] = lambda network: network


@dataclass(frozen=True)
class LayerBatch:
    """One layer of each of B networks, as input of a norm.

    Attributes:
        link: layer with the average pooling before it.
        kernel: weights, or weights minus the reference, (B, out, in / groups, kh, kw).
        matrix: the same weights as a matrix that includes the pooling, (B, output units, input units).
        bias: bias divided by the bound's constant, (B, output units), or None.
        last: whether the layer computes the network's output.
        source: index of the node that the matrix reads.
    """

    link: ToeplitzLayer
    kernel: torch.Tensor
    matrix: torch.Tensor
    bias: torch.Tensor | None
    last: bool
    source: int = 0


@dataclass(frozen=True)
class NormBalls:
    """Networks for which, layer by layer, norms are at most those of the drawn network.

    Attributes:
        words: description of the class.
        norms: name -> norm of a layer, (B,); a norm that the outcome lacks for a layer does not restrict this layer.
        patches: whether ``"patch.LAYER"`` limits the largest l2 norm of an input patch on the sample.
        biases: whether biases may change; otherwise the class contains only networks without biases.
        reference: whether distances are measured from the reference; otherwise from zero.
    """

    words: str
    norms: Mapping[str, Callable[[LayerBatch], torch.Tensor]]
    patches: bool = False
    biases: bool = False
    reference: bool = True


Hypotheses = Scale | NormBalls


def parts_of(candidates: Candidates, constant: float = 1.0) -> list[LayerBatch]:
    """Return the layers in order of execution, each with the average pooling before it.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    network = candidates.architecture.network
    found = [step for step in steps_of(network) if isinstance(step, LayerStep)]
    parts = []
    for step, index in zip(found, candidates.architecture.layers, strict=True):
        kernel, _ = candidates.kernels[index]
        bias, link = candidates.biases[index], step.link
        matrix = candidates.matrices[index]
        for pool in reversed(link.pools):
            matrix = matrix @ _pool_matrix(
                pool.rows_h, pool.rows_w, link.layer.weight.shape[1] * link.layer.groups
            )
        parts.append(
            LayerBatch(
                link,
                kernel,
                matrix,
                None if bias is None else bias / constant,
                index == len(network.nodes) - 1,
                step.inputs[0],
            )
        )
    return parts


def _pool_matrix(rows_h: torch.Tensor, rows_w: torch.Tensor, channels: int) -> torch.Tensor:
    return torch.kron(
        torch.eye(channels, dtype=torch.float64), torch.kron(rows_h.contiguous(), rows_w.contiguous())
    )


# ---------------------------------------------------------------------------------------- norms of one layer


def frobenius(part: LayerBatch) -> torch.Tensor:
    """Return ||A||_F."""
    return (part.matrix.square().sum((1, 2)) + TINY).sqrt()


def l1_inf(part: LayerBatch) -> torch.Tensor:
    """Return ||A||_{1,inf}, the largest row l1 norm."""
    return part.matrix.abs().sum(2).amax(1)


def spectral(part: LayerBatch) -> torch.Tensor:
    """Return the spectral norm ||A||_2."""
    return torch.linalg.matrix_norm(part.matrix, ord=2)


def row_distance(part: LayerBatch) -> torch.Tensor:
    """Return ||A||_{2,1}, the sum of the row l2 norms."""
    return (part.matrix.square().sum(2) + TINY).sqrt().sum(1)


def largest_row(part: LayerBatch) -> torch.Tensor:
    """Return the largest row l2 norm; for the last layer the sum of the row l2 norms."""
    rows = (part.matrix.square().sum(2) + TINY).sqrt()
    return rows.sum(1) if part.last else rows.amax(1)


def largest_l1_row(part: LayerBatch) -> torch.Tensor:
    """Return the largest row l1 norm; for the last layer the sum of the row l1 norms."""
    rows = part.matrix.abs().sum(2)
    return rows.sum(1) if part.last else rows.amax(1)


def tap_distance(part: LayerBatch) -> torch.Tensor:
    """Return ||K||_{2,1}: l2 norms along input channels, summed over output channels and taps; for a linear layer over outputs."""
    dims = (2, 3, 4) if part.link.layer.kind == "linear" else (2,)
    return (part.kernel.square().sum(dims) + TINY).sqrt().flatten(1).sum(1)


def filter_distance(part: LayerBatch) -> torch.Tensor:
    """Return the sum of the filters' l2 norms, with the bias as one more entry; for the last layer the Frobenius norm."""
    squares = part.kernel.square().sum((2, 3, 4))
    if part.bias is not None:
        squares = squares + _channels(part, part.bias).square()
    return (squares.sum(1) + TINY).sqrt() if part.last else (squares + TINY).sqrt().sum(1)


def kernel_frobenius(part: LayerBatch) -> torch.Tensor:
    """Return ||K||_F."""
    return (part.kernel.square().sum((1, 2, 3, 4)) + TINY).sqrt()


def _channels(part: LayerBatch, bias: torch.Tensor) -> torch.Tensor:
    """Return one entry of the bias per channel."""
    return bias.unflatten(1, (part.link.layer.shape[0], -1))[:, :, 0]


def _of_bias(
    norm: Callable[[LayerBatch, torch.Tensor], torch.Tensor],
) -> Callable[[LayerBatch], torch.Tensor]:
    def size(part: LayerBatch) -> torch.Tensor:
        if part.bias is None:
            return torch.zeros(len(part.kernel), dtype=torch.float64)
        return norm(part, part.bias)

    return size


channel_norm = _of_bias(lambda part, bias: (_channels(part, bias).square().sum(1) + TINY).sqrt())
"""||b||_2 over channels."""
channel_sum = _of_bias(lambda part, bias: _channels(part, bias).abs().sum(1))
"""||b||_1 over channels."""
unit_norm = _of_bias(lambda part, bias: (bias.square().sum(1) + TINY).sqrt())
"""||b||_2 over all output units."""
unit_largest = _of_bias(lambda part, bias: bias.abs().amax(1))
"""The largest entry of a bias."""
unit_shift = _of_bias(lambda part, bias: bias.abs().sum(1) if part.last else bias.abs().amax(1))
"""The largest entry of a bias; for the last layer the sum of its entries over output units."""


# ---------------------------------------------------------------------------------------- classes


def _product_of_kernels(candidates: Candidates, terms: Terms) -> torch.Tensor:
    return torch.stack([kernel_frobenius(part).log() for part in parts_of(candidates)]).sum(0)


def _node_scale(candidates: Candidates, terms: Terms) -> torch.Tensor:
    from boundcalc.bounds.peeling.scale import peeling_scales

    return (peeling_scales(candidates, terms) + TINY).log()


FROBENIUS = Scale(
    "graphs by the size of their outputs in Frobenius norms of Toeplitz matrices",
    lambda candidates, terms: (unit_sizes(candidates, terms, l1=False) + TINY).log(),
)
L1_INF = Scale(
    "graphs by the size of their outputs in l1-inf norms of Toeplitz matrices",
    lambda candidates, terms: (unit_sizes(candidates, terms, l1=True) + TINY).log(),
)
KERNELS = Scale("chains by the product of their kernels' Frobenius norms", _product_of_kernels, biases=False)
PATHS = Scale(
    "networks of the architecture by their l1 path norm",
    lambda candidates, terms: (candidates.path_norms(terms["constant"] or 1.0) + TINY).log(),
)
PEELED = Scale(
    "networks with the same connections by their scale rho",
    _node_scale,
    masked=lambda terms: terms["structure"] == "masked",
    seen=with_layer_at_end,
)
_BIAS = {"bias": channel_norm, "shift": channel_sum}
SPECTRAL_ROWS = NormBalls(
    "graphs by spectral norms, row distances and norms of biases, layer by layer",
    {"spectral": spectral, "distance": row_distance, **_BIAS},
    biases=True,
)
SPECTRAL_TAPS = NormBalls(
    "graphs by spectral norms, kernel distances and norms of biases, layer by layer",
    {"spectral": spectral, "distance": tap_distance, **_BIAS},
    biases=True,
)
SPECTRAL_KERNELS = NormBalls(
    "graphs by spectral and kernel norms and norms of biases, layer by layer",
    {"spectral": spectral, "distance": kernel_frobenius, "bias": channel_norm},
    biases=True,
    reference=False,
)
SPECTRAL_PATCHES = NormBalls(
    "chains by spectral norms, filter distances and patch norms, layer by layer",
    {"spectral": spectral, "distance": filter_distance},
    patches=True,
)
AROUND_L1_INF = NormBalls(
    "graphs by l1-inf norms and distances, and biases, layer by layer",
    {"norm": l1_inf, "distance": largest_l1_row, "bias": unit_largest, "shift": unit_shift},
    biases=True,
)
AROUND_FROBENIUS = NormBalls(
    "graphs by Frobenius norms, row distances and norms of biases, layer by layer",
    {"norm": frobenius, "distance": largest_row, "bias": unit_norm, "shift": unit_shift},
    biases=True,
)

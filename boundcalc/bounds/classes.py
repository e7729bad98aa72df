"""The class of networks that a bound speaks of, as an attack needs it: what may not grow.

A bound declares its class in `Bound.hypotheses`. Two forms:

- `Scale`: all networks whose one positively homogeneous, symmetric number (rho, a product of norms, a path norm) is
  at most the drawn network's. `Homogeneous` and `Formula` outcomes.
- `Balls`: all networks whose norms, layer by layer, of weights less the reference are at most the drawn network's.
  `PostHoc` and `PostHocClass` outcomes; the names of their numbers are ``"NORM.LAYER"``.

Each function takes a batch of networks (`Candidates`), is differentiable in the weights, and is written apart from
the bound's own arithmetic, so that an attack also sees an error in how a norm is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from boundcalc.bounds.candidates import Candidates
from boundcalc.bounds.outcome import Terms
from boundcalc.network.chain import Link, links

TINY = 1e-28


@dataclass(frozen=True)
class Scale:
    """Networks whose one number is at most the drawn network's.

    Attributes:
        words: the class in words.
        log_number: log of the number of each network, (B,) float64, given the ingredients that the bound reports;
            doubling the outputs by the last layer doubles the number.
        masked: whether pruned weights stay 0, given these ingredients; otherwise every weight may move.
        biases: whether biases may move; otherwise only networks without biases are in the class.
    """

    words: str
    log_number: Callable[[Candidates, Terms], torch.Tensor]
    masked: Callable[[Terms], bool] = lambda terms: False
    biases: bool = True


@dataclass(frozen=True)
class Part:
    """One layer of each of B networks, as a norm sees it.

    Attributes:
        link: the layer and the average pooling before it.
        kernel: weights, or weights less the reference, (B, out, in / groups, kh, kw).
        matrix: the same as a matrix with the pooling multiplied in, (B, output units, input units).
        bias: (B, output units) divided by the bound's constant, or None.
        last: whether it is the last layer.
    """

    link: Link
    kernel: torch.Tensor
    matrix: torch.Tensor
    bias: torch.Tensor | None
    last: bool


@dataclass(frozen=True)
class Balls:
    """Networks whose norms, layer by layer, are at most the drawn network's.

    Attributes:
        words: the class in words.
        norms: name -> norm of a layer, (B,); a name that the outcome does not have for a layer does not restrict it.
        patches: whether ``"patch.LAYER"`` limits the largest l2 norm of an input patch on the sample.
        biases: as in `Scale`.
        reference: whether distances start from the reference; otherwise from zero.
    """

    words: str
    norms: Mapping[str, Callable[[Part], torch.Tensor]]
    patches: bool = False
    biases: bool = False
    reference: bool = True


Hypotheses = Scale | Balls


def parts_of(candidates: Candidates, constant: float = 1.0) -> list[Part]:
    """Return the layers of a chain with the pooling before them.

    Raises:
        NotCovered: the network is no chain.
    """
    found = links(candidates.architecture.network)
    index_of = {id(layer): index for index, layer in candidates.architecture.layers.items()}
    parts = []
    for place, link in enumerate(found):
        index = index_of[id(link.layer)]
        kernel, _ = candidates.kernels[index]
        bias = candidates.biases[index]
        matrix = candidates.matrices[index]
        for pool in reversed(link.pools):
            matrix = matrix @ _pool_matrix(
                pool.rows_h, pool.rows_w, link.layer.weight.shape[1] * link.layer.groups
            )
        parts.append(
            Part(link, kernel, matrix, None if bias is None else bias / constant, place == len(found) - 1)
        )
    return parts


def _pool_matrix(rows_h: torch.Tensor, rows_w: torch.Tensor, channels: int) -> torch.Tensor:
    return torch.kron(
        torch.eye(channels, dtype=torch.float64), torch.kron(rows_h.contiguous(), rows_w.contiguous())
    )


# ---------------------------------------------------------------------------------------- norms of one layer


def frobenius(part: Part) -> torch.Tensor:
    """||A||_F, bias entries counted."""
    return (_squares(part) + TINY).sqrt()


def l1_inf(part: Part) -> torch.Tensor:
    """||A||_{1,inf}: the largest row l1 norm, bias entries counted."""
    rows = part.matrix.abs().sum(2)
    return (rows if part.bias is None else rows + part.bias.abs()).amax(1)


def spectral(part: Part) -> torch.Tensor:
    """||A||_2; with a bias sqrt(||A||_2^2 + ||b||^2)."""
    own = torch.linalg.matrix_norm(part.matrix, ord=2)
    return own if part.bias is None else (own.square() + part.bias.square().sum(1) + TINY).sqrt()


def row_distance(part: Part) -> torch.Tensor:
    """||A||_{2,1}: row l2 norms summed, bias entries counted."""
    squares = part.matrix.square().sum(2)
    squares = squares if part.bias is None else squares + part.bias.square()
    return (squares + TINY).sqrt().sum(1)


def tap_distance(part: Part) -> torch.Tensor:
    """||K||_{2,1}: l2 norms along input channels summed over output channels and taps; of a linear layer over outputs."""
    dims = (2, 3, 4) if part.link.layer.kind == "linear" else (2,)
    return (part.kernel.square().sum(dims) + TINY).sqrt().flatten(1).sum(1)


def filter_distance(part: Part) -> torch.Tensor:
    """Sum of the filters' l2 norms; of the last layer the Frobenius norm."""
    if part.last:
        return kernel_frobenius(part)
    return (part.kernel.square().sum((2, 3, 4)) + TINY).sqrt().sum(1)


def kernel_frobenius(part: Part) -> torch.Tensor:
    """||K||_F."""
    return (part.kernel.square().sum((1, 2, 3, 4)) + TINY).sqrt()


def _squares(part: Part) -> torch.Tensor:
    own = part.matrix.square().sum((1, 2))
    return own if part.bias is None else own + part.bias.square().sum(1)


# ---------------------------------------------------------------------------------------- classes


def _product_of_frobenius(candidates: Candidates, terms: Terms) -> torch.Tensor:
    constant = terms.get("constant")
    parts = parts_of(candidates, constant or 1.0)
    handed = _handed_on(parts) if constant else [0.0] * len(parts)
    logs = [0.5 * (_squares(part) + more + TINY).log() for part, more in zip(parts, handed, strict=True)]
    return torch.stack(logs).sum(0)


def _product_of_l1_inf(candidates: Candidates, terms: Terms) -> torch.Tensor:
    constant = terms.get("constant")
    parts = parts_of(candidates, constant or 1.0)
    handed = _handed_on(parts) if constant else [0.0] * len(parts)
    logs = [(l1_inf(part) + TINY).clamp(min=more).log() for part, more in zip(parts, handed, strict=True)]
    return torch.stack(logs).sum(0)


def _handed_on(parts: list[Part]) -> list[float]:
    return [float(any(later.bias is not None for later in parts[place + 1 :])) for place in range(len(parts))]


def _product_of_kernels(candidates: Candidates, terms: Terms) -> torch.Tensor:
    return torch.stack([kernel_frobenius(part).log() for part in parts_of(candidates)]).sum(0)


def _node_scale(candidates: Candidates, terms: Terms) -> torch.Tensor:
    from boundcalc.bounds.peeling.scale import peeling_scales

    return (peeling_scales(candidates, terms) + TINY).log()


FROBENIUS = Scale(
    "chains by the product of Frobenius norms of their Toeplitz matrices", _product_of_frobenius
)
L1_INF = Scale("chains by the product of l1-inf norms of their Toeplitz matrices", _product_of_l1_inf)
KERNELS = Scale("chains by the product of their kernels' Frobenius norms", _product_of_kernels, biases=False)
PATHS = Scale(
    "networks of the architecture by their l1 path norm",
    lambda candidates, terms: (candidates.path_norms(terms["constant"] or 1.0) + TINY).log(),
)
PEELED = Scale(
    "networks with the same connections by their scale rho",
    _node_scale,
    masked=lambda terms: terms["structure"] == "masked",
)
SPECTRAL_ROWS = Balls(
    "chains by spectral norms and row distances, layer by layer",
    {"spectral": spectral, "distance": row_distance},
    biases=True,
)
SPECTRAL_TAPS = Balls(
    "chains by spectral norms and kernel distances, layer by layer",
    {"spectral": spectral, "distance": tap_distance},
)
SPECTRAL_KERNELS = Balls(
    "chains by spectral and kernel norms, layer by layer",
    {"spectral": spectral, "distance": kernel_frobenius},
    reference=False,
)
SPECTRAL_PATCHES = Balls(
    "chains by spectral norms, filter distances and patch norms, layer by layer",
    {"spectral": spectral, "distance": filter_distance},
    patches=True,
)
AROUND_L1_INF = Balls(
    "chains by l1-inf norms and distances, layer by layer", {"norm": l1_inf, "distance": l1_inf}
)
AROUND_FROBENIUS = Balls(
    "chains by Frobenius norms and distances, layer by layer", {"norm": frobenius, "distance": frobenius}
)

"""Code shared by the bounds that use spectral norms and distances from a reference."""

from __future__ import annotations

from collections.abc import Callable

import torch

from boundcalc.bounds.bound_inputs import BoundInputs, ToeplitzView
from boundcalc.bounds.toeplitz.steps import LayerStep
from boundcalc.errors import NotCovered
from boundcalc.network.chain import ToeplitzLayer
from boundcalc.network.ops import Affine
from boundcalc.norms.kernels import pooling, repeats
from boundcalc.norms.rounding import UpperSize, log_product, log_up

REFERENCE = "the reference weights do not depend on the sample"
SPECTRAL = "spectral norms certified from above"


def unbiased(problem: BoundInputs) -> ToeplitzView:
    """Return the chain of a network without biases.

    A bias that is 0 everywhere counts as no bias: the class is that of all networks without biases. If training could have changed
    the bias, bounds on any graph pay for the choice between the two classes.

    Raises:
        NotCovered: the network is not a chain, or a bias is not 0.
    """
    chain = problem.plain_chain()
    for link in chain.links:
        bias = link.layer.bias
        if bias is not None and bool((bias != 0).any()):
            raise NotCovered("bias", link.layer.name)
    return chain


def names_of(chain: ToeplitzView) -> list[str]:
    """Return a name for each link; several uses of one module are numbered, because their matrices may differ with their inputs."""
    return [name for name, step in chain.blocks() if isinstance(step, LayerStep)]


def origin(problem: BoundInputs, chain: ToeplitzView) -> str:
    """Return a description of the point from which distances are measured, for the report."""
    known = [f"{link.layer.name}.weight" in problem.reference for link in chain.links]
    if all(known):
        return "initialisation"
    rest = "zero where BatchNorm is folded or the reference is masked"
    return f"initialisation, {rest}" if any(known) else "zero"


def start_of(problem: BoundInputs, layer: Affine) -> torch.Tensor | None:
    """Return the reference of a layer's weight, in the shape of the weight; None for zero."""
    return problem.reference.get(f"{layer.name}.weight")


def weight_minus_init(problem: BoundInputs, layer: Affine) -> torch.Tensor:
    """Return K - K_0, the weight minus its reference."""
    start = start_of(problem, layer)
    return layer.weight if start is None else layer.weight - start


def log_kernel_norm(
    link: ToeplitzLayer, weight: torch.Tensor, norm: Callable[[torch.Tensor], UpperSize]
) -> float:
    """Return the log of a kernel's norm times that of the map that feeds the kernel, rounded up.

    Average pooling is a fixed map of norm at most `pooling`; a circular kernel that computes an output several times
    counts with the square root of this number.
    """
    return log_product([norm(weight).log, log_up(pooling(link), 1), log_up(repeats(link.layer), 1)])


def log_rms(problem: BoundInputs, added: float = 0.0) -> float:
    """Return log(||X||_F / sqrt m), rounded up; `added` is additional energy."""
    energies = problem.energies
    per_sample = (energies.frobenius_squared + added) / energies.m
    return 0.5 * log_up(per_sample, 1)

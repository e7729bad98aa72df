"""Bounds of Graf, Zeng, Rieck, Niethammer & Kwitt 2022 (On measuring excess capacity in neural networks), Theorem 3.5, on any
graph of layers (docs/theory/graf2022.md).

As published, for chains without biases: with Ct_l = (4/gamma) (||X|| / sqrt m) (prod_k s_k) ||K^l - K^l_0||_{2,1} / s_l, W_l the
kernel's number of weights and H_n the harmonic numbers, the Rademacher complexity R of the ramp-loss class is at most

    norms:   4/m + (12 H_{m-1} / sqrt m) sqrt(log(2 max_l W_l)) (sum_l ceil(Ct_l^{2/3}))^{3/2}
    params:  (12 / sqrt m) sqrt(sum_l 2 W_l (log(1 + ceil(L^2 Ct_l^2)) + psi_l)),   psi_l = 2.7, or 0 where Ct_l = 0.

Here, on any graph and with biases,

    Ct_l = (sqrt2/gamma) G_l (||K^l - K^l_0||_{2,1} r_l / sqrt m + sqrt(O_l) ||b_l - b_l0||_1),

covers of layer l by multisets of 2 (W_l + c_l) elementary maps, counted exactly, and few levels of chaining
(`boundcalc.bounds.toeplitz.covering`). The two bounds divide the resolution among the layers differently: by distances (norms) or
by numbers of weights (params).

A linear layer is a 1x1 convolution of its flattened input. Average pooling before a layer multiplies its distance by the
pooling's norm. W_l counts dense parameters: a mask costs nothing.
Spectral norms, distances and norms of biases were chosen by training, so each is rounded up to its own grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from boundcalc.bounds.bartlett2017 import capacities
from boundcalc.bounds.bound_inputs import BoundInputs, ToeplitzView
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import SPECTRAL_TAPS
from boundcalc.bounds.distances import (
    REFERENCE,
    SPECTRAL,
    log_kernel_norm,
    log_rms,
    names_of,
    unbiased,
    weight_minus_init,
)
from boundcalc.bounds.outcome import LossComplexity
from boundcalc.bounds.toeplitz.covering import Shares, by_distance, by_weights
from boundcalc.bounds.toeplitz.loss import GRAPH, entries, evaluate, measured
from boundcalc.bounds.toeplitz.steps import LayerStep
from boundcalc.errors import NotCovered
from boundcalc.network.ops import Affine
from boundcalc.norms.kernels import filters, two_one
from boundcalc.norms.rounding import LIBM, UpperSize, log_product, log_up, logsumexp

if TYPE_CHECKING:
    import torch

PSI = 2.7
"""Above psi(n) = integral over [0, 1] of log((1 + n ceil(1/eps^2)) / (1 + n)), whatever n."""

LARGEST_WHOLE = 36.0
"""Above this logarithm a double has no fractional part."""

LogFormula = Callable[[list[float], list[int], int], float]


def log_ceil(log_value: float) -> float:
    """Return log(ceil(exp(log_value))), rounded up.

    Example:
        >>> round(math.exp(log_ceil(math.log(2.5))), 9), log_ceil(-math.inf), log_ceil(1000.0) >= 1000.0
        (3.0, -inf, True)
    """
    if log_value == -math.inf:
        return -math.inf
    if log_value > LARGEST_WHOLE:
        return log_product([log_value, math.exp(-LARGEST_WHOLE)])
    whole = max(1, math.ceil(math.exp(log_value)))
    return 0.0 if whole == 1 else log_up(whole, 0)


def distance_norm(layer: Affine) -> Callable[[torch.Tensor], UpperSize]:
    """Return the norm ||.||_{2,1} for a layer's kernel; a linear layer is a 1x1 convolution whose input channels are
    all its inputs.
    """
    return filters if layer.kind == "linear" else two_one


def harmonic(n: int) -> float:
    """Return an upper bound of 1 + 1/2 + ... + 1/n: the sum for n <= 1000, otherwise log n + 1/(2n) + Euler's constant.

    Example:
        >>> harmonic(0), round(harmonic(4), 6)
        (0.0, 2.083333)
    """
    if n <= 1000:
        return math.fsum(1.0 / k for k in range(1, n + 1)) * (1 + LIBM)
    return (math.log(n) + 0.5 / n + 0.57721566490153287) * (1 + 2 * LIBM)


def log_by_norms(capacity: list[float], weights: list[int], m: int) -> float:
    """Return the log of the first bound.

    Args:
        capacity: log Ct_l of each layer.
        weights: number W_l of weights of each layer.
        m: number of samples.
    """
    pieces = [log_ceil(2 / 3 * value) for value in capacity]
    log_sum = math.log(harmonic(m - 1)) if m > 1 else -math.inf
    width = 0.5 * math.log(math.log(2 * max(weights)))
    cover = log_product([math.log(12), log_sum, -0.5 * math.log(m), width, 1.5 * logsumexp(pieces)])
    return logsumexp([log_product([math.log(4), -math.log(m)]), cover])


def log_by_parameters(capacity: list[float], weights: list[int], m: int) -> float:
    """Return the log of the second bound, with the arguments of `log_by_norms`."""
    log_depth = math.log(len(capacity))
    multisets = [log_ceil(2 * (log_depth + value)) for value in capacity]
    covers = [
        log_product([math.log(2 * count), math.log(logsumexp([0.0, size]) + PSI)])
        for size, count in zip(multisets, weights, strict=True)
        if size > -math.inf
    ]
    return log_product([math.log(12), -0.5 * math.log(m), 0.5 * logsumexp(covers)])


# ---------------------------------------------------------------------------------------- any graph


def distance(problem: BoundInputs, chain: ToeplitzView, step: LayerStep) -> float:
    """Return the log of ||K^l - K^l_0||_{2,1} times the norm of the map that feeds the kernel, rounded up."""
    del chain
    layer = step.link.layer
    return log_kernel_norm(step.link, weight_minus_init(problem, layer), distance_norm(layer))


def compute_norms(problem: BoundInputs) -> LossComplexity:
    """Evaluate the first bound.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    return _evaluate(problem, by_distance, log_by_norms)


def compute_params(problem: BoundInputs) -> LossComplexity:
    """Evaluate the second bound, like `compute_norms`."""
    return _evaluate(problem, by_weights, log_by_parameters)


def _evaluate(problem: BoundInputs, shares: Shares, formula: LogFormula) -> LossComplexity:
    numbers = measured(problem, distance)
    atoms = {name: entries(step) for name, step in problem.toeplitz().blocks()}
    return evaluate(problem, numbers, atoms, shares, _published(problem, numbers, formula))


def _published(
    problem: BoundInputs, numbers: Mapping[str, float], formula: LogFormula
) -> LossComplexity | None:
    """Return the bound as published; None if the network is not a chain without biases."""
    try:
        chain = unbiased(problem)
    except NotCovered:
        return None
    m, names, log_data = problem.energies.m, names_of(chain), log_rms(problem)
    weights = [link.layer.parameters for link in chain.links]

    def complexity(given: Mapping[str, float], log_gamma: float) -> float:
        scale = log_product([math.log(4), -log_gamma, log_data])
        return formula(capacities(names, given, scale), weights, m)

    return LossComplexity(numbers, complexity, terms={"weights": dict(zip(names, weights, strict=True))})


for _name, _words, _compute in (
    ("graf2022_norms", "first", compute_norms),
    ("graf2022_params", "second", compute_params),
):
    register(
        Bound(
            _name, "loss", "theorem",
            f"Graf, Zeng, Rieck, Niethammer & Kwitt 2022, Theorem 3.5, {_words} bound, with smaller constants, on any graph"
            " (docs/theory/graf2022.md)",
            (GRAPH, REFERENCE, SPECTRAL), _compute, toeplitz=True, spectral=True, hypotheses=SPECTRAL_TAPS,
        )
    )  # fmt: skip

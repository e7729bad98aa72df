"""Bounds of Graf, Zeng, Rieck, Niethammer & Kwitt 2022 (On measuring excess capacity in neural networks), Theorem 3.5.

With Ct_l = (4/gamma) (||X|| / sqrt m) (prod_k s_k) ||K^l - K^l_0||_{2,1} / s_l, W_l the kernel's number of weights and H_n the
harmonic numbers, the Rademacher complexity R of the ramp-loss class is at most

    norms:   4/m + (12 H_{m-1} / sqrt m) sqrt(log(2 max_l W_l)) (sum_l ceil(Ct_l^{2/3}))^{3/2}
    params:  (12 / sqrt m) sqrt(sum_l 2 W_l (log(1 + ceil(L^2 Ct_l^2)) + psi_l)),   psi_l = 2.7, or 0 where Ct_l = 0.

Derivation, checked here. With one weight per tap and pair of channels, K - K_0 = sum of its entries times elementary convolutions E;
||E x|| <= ||the channel it reads||, so that by Cauchy-Schwarz along input channels the layer's outputs on x lie in ||K - K_0||_{2,1}
||x|| times the convex hull of 2W maps of norm 1 (stride, padding, dilation and groups only shrink E). Maurey's lemma covers them
to eps by multisets of k = ceil(b^2 ||x||^2 / eps^2) of the 2W: at most (2W)^k, and at most (1 + k)^(2W). Covers inside the
class double eps; the margin is 2/gamma-Lipschitz after the ramp; together 4/gamma. Errors eps_l of the layers add up.
Norms: eps_l = eps n_l / sum n with n_l = ceil(Ct_l^{2/3}), and Dudley's integral of ceil(1/eps) from 1/m to 1 is H_{m-1}.
Params: eps_l = eps/L; Jensen, and the integral of log ceil(1/eps^2) over [0, 1], sum_k log(1 + 1/k) / sqrt k <= zeta(3/2) < 2.7.

A linear layer is a 1x1 convolution of its flattened input. Average pooling before a layer multiplies its distance by the
pooling's norm. W_l counts dense parameters: a mask costs nothing.
Spectral norms and distances were chosen by training: each is rounded up to its own grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import SPECTRAL_TAPS
from boundcalc.bounds.distances import (
    IID,
    REFERENCE,
    SPECTRAL,
    capacities,
    log_kernel_norm,
    log_rms,
    moved,
    names_of,
    origin,
    shown_by_layer,
    spectral_numbers,
    unbiased,
)
from boundcalc.bounds.outcome import PostHoc, Terms
from boundcalc.bounds.problem import Problem
from boundcalc.network.ops import Affine
from boundcalc.norms.kernels import filters, two_one
from boundcalc.norms.rounding import LIBM, Size, log_product, log_up, logsumexp

if TYPE_CHECKING:
    import torch

PSI = 2.7
"""Above psi(n) = integral over [0, 1] of log((1 + n ceil(1/eps^2)) / (1 + n)), whatever n."""

LARGEST_WHOLE = 36.0
"""Above this logarithm a double has no fractional part."""

LogFormula = Callable[[list[float], list[int], int], float]


def log_ceil(log_value: float) -> float:
    """Return log(ceil(exp(log_value))), from above.

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


def distance_norm(layer: Affine) -> Callable[[torch.Tensor], Size]:
    """Return ||.||_{2,1} of a layer's kernel; a linear layer is a 1x1 convolution whose input channels are all its inputs."""
    return filters if layer.kind == "linear" else two_one


def harmonic(n: int) -> float:
    """Return 1 + 1/2 + ... + 1/n, from above; summed up to 1000, then log n + 1/(2n) + Euler's constant.

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
        capacity: log Ct_l.
        weights: W_l.
        m: number of samples.
    """
    pieces = [log_ceil(2 / 3 * value) for value in capacity]
    log_sum = math.log(harmonic(m - 1)) if m > 1 else -math.inf
    width = 0.5 * math.log(math.log(2 * max(weights)))
    cover = log_product([math.log(12), log_sum, -0.5 * math.log(m), width, 1.5 * logsumexp(pieces)])
    return logsumexp([log_product([math.log(4), -math.log(m)]), cover])


def log_by_parameters(capacity: list[float], weights: list[int], m: int) -> float:
    """Return the log of the second bound; arguments as in `log_by_norms`."""
    log_depth = math.log(len(capacity))
    multisets = [log_ceil(2 * (log_depth + value)) for value in capacity]
    covers = [
        log_product([math.log(2 * count), math.log(logsumexp([0.0, size]) + PSI)])
        for size, count in zip(multisets, weights, strict=True)
        if size > -math.inf
    ]
    return log_product([math.log(12), -0.5 * math.log(m), 0.5 * logsumexp(covers)])


def compute_norms(problem: Problem) -> PostHoc:
    """Evaluate the first bound.

    Raises:
        NotCovered: the network is no chain of matrices without biases.
    """
    return _evaluate(problem, log_by_norms)


def compute_params(problem: Problem) -> PostHoc:
    """Evaluate the second bound.

    Raises:
        NotCovered: the network is no chain of matrices without biases.
    """
    return _evaluate(problem, log_by_parameters)


def _evaluate(problem: Problem, formula: LogFormula) -> PostHoc:
    chain, m = unbiased(problem), problem.energies.m
    names = names_of(chain)
    weights = [link.layer.parameters for link in chain.links]
    measured = spectral_numbers(chain, names)
    for name, link in zip(names, chain.links, strict=True):
        distance = log_kernel_norm(link, moved(problem, link.layer), distance_norm(link.layer))
        measured[f"distance.{name}"] = distance
    log_data = log_rms(problem)

    def complexity(numbers: Mapping[str, float], log_gamma: float) -> float:
        return formula(
            capacities(names, numbers, log_product([math.log(4), -log_gamma, log_data])), weights, m
        )

    terms: Terms = {
        "spectral_norms": shown_by_layer(names, measured, "spectral"),
        "distances": shown_by_layer(names, measured, "distance"),
        "distance_from": origin(problem, chain),
        "weights": dict(zip(names, weights, strict=True)),
    }
    return PostHoc(measured, complexity, terms=terms)


register(
    Bound(
        "graf2022_norms", "loss", "theorem",
        "Graf, Zeng, Rieck, Niethammer & Kwitt 2022, Theorem 3.5, first bound",
        (IID, REFERENCE, SPECTRAL), compute_norms, toeplitz=True, spectral=True,
        hypotheses=SPECTRAL_TAPS,
    )
)  # fmt: skip
register(
    Bound(
        "graf2022_params", "loss", "theorem",
        "Graf, Zeng, Rieck, Niethammer & Kwitt 2022, Theorem 3.5, second bound",
        (IID, REFERENCE, SPECTRAL), compute_params, toeplitz=True, spectral=True,
        hypotheses=SPECTRAL_TAPS,
    )
)  # fmt: skip

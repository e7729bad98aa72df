"""Spectrally normalized margin bound of Bartlett, Foster & Telgarsky 2017, on any graph of layers (docs/theory/bartlett2017.md).

As published, for chains (`capacities` and `log_as_published`): with Wbar the largest number of entries of a matrix,

    Ct_l = (4/gamma) (||X|| / sqrt m) (prod_k s_k) ||A^l - A^l_0||_{2,1} / s_l
    R <= 4/m + (12 log m / sqrt m) sqrt(log(2 Wbar)) (sum_l Ct_l^{2/3})^{3/2}

bounds the Rademacher complexity of the ramp-loss class; biases enter through a constant unit of value t. Here, on any graph
(`compute`), the same covers of each layer's matrix are used, without Maurey's ceiling, with a sqrt2-Lipschitz margin, and with few
levels of chaining:

    Ct_l = (sqrt2/gamma) G_l (||A^l - A^l_0||_{2,1} r_l / sqrt m + sqrt(O_l) ||b_l - b_l0||_1)

where r_l and G_l are defined in `boundcalc.bounds.toeplitz.reach`, and the covers in `boundcalc.bounds.toeplitz.covering`. In a
chain without biases r_l = ||X|| prod_{k<l} s_k and G_l = prod_{k>l} s_k, so this Ct_l is the published one with sqrt2 for 4.
Spectral norms, distances and norms of biases were chosen by training, so each is rounded up to its own grid. The reference is the
initialization if it is known, otherwise zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from boundcalc.bounds.bound_inputs import BoundInputs, ToeplitzView
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import SPECTRAL_ROWS
from boundcalc.bounds.code_lengths import CONSTANTS, constant_bits
from boundcalc.bounds.distances import (
    REFERENCE,
    SPECTRAL,
    log_rms,
    names_of,
    start_of,
    weight_minus_init,
)
from boundcalc.bounds.outcome import LossComplexity
from boundcalc.bounds.toeplitz.covering import by_distance
from boundcalc.bounds.toeplitz.loss import GRAPH, biases, evaluate, measured
from boundcalc.bounds.toeplitz.steps import Block, LayerStep
from boundcalc.bounds.toeplitz_product import bias_energy
from boundcalc.errors import NotCovered
from boundcalc.norms.rounding import LEAST, UpperSize, log_product, log_up, logsumexp
from boundcalc.norms.spectral_lower import norm_floor
from boundcalc.norms.toeplitz import rows_of


def capacities(names: Sequence[str], numbers: Mapping[str, float], log_scale: float) -> list[float]:
    """Return log Ct_l = log((4/gamma) (||X|| / sqrt m) D_l prod_{k != l} s_k) of each layer, rounded up; -inf where it is 0.

    Args:
        names: names of the layers.
        numbers: log s_l as ``"spectral.NAME"`` and log D_l, of the layer's distance from its reference, as ``"distance.NAME"``.
        log_scale: log((4/gamma) ||X|| / sqrt m).
    """
    log_s = [numbers[f"spectral.{name}"] for name in names]
    return [
        log_product([log_scale, numbers[f"distance.{name}"], *log_s[:i], *log_s[i + 1 :]])
        for i, name in enumerate(names)
    ]


def log_as_published(log_capacities: Sequence[float], entries: int, m: int) -> float:
    """Return log(4/m + (12 log m / sqrt m) sqrt(log(2 Wbar)) (sum_l Ct_l^{2/3})^{3/2}), rounded up.

    Args:
        log_capacities: log Ct_l of each layer, as `capacities` returns them.
        entries: largest number Wbar of entries of a matrix.
        m: number of samples.
    """
    log_log_m = math.log(math.log(m)) if m > 1 else -math.inf
    root_log_2_wbar = 0.5 * math.log(math.log(2 * entries))
    total = 1.5 * logsumexp([2 / 3 * log_ct for log_ct in log_capacities])
    cover = log_product([math.log(12), log_log_m, -0.5 * math.log(m), root_log_2_wbar, total])
    return logsumexp([log_product([math.log(4), -math.log(m)]), cover])


# ---------------------------------------------------------------------------------------- any graph


def distance(problem: BoundInputs, chain: ToeplitzView, step: LayerStep) -> float:
    """Return the log of ||A^l - A^l_0||_{2,1}, rounded up."""
    known = start_of(problem, step.link.layer) is not None
    rows = (
        rows_of(step.link, weight_minus_init(problem, step.link.layer)) if known else chain.rows[step.place]
    )
    return rows.two_one().log


def matrix_entries(step: Block) -> int:
    """Return the number of entries of a layer's matrix and bias; for a diagonal layer, of its factors and shifts."""
    if not isinstance(step, LayerStep):
        return step.scale.numel() + biases(step)
    return math.prod(step.link.layer.shape) * columns(step) + biases(step)


def columns(step: LayerStep) -> int:
    """Return the number of columns of a layer's matrix."""
    layer = step.link.layer
    first = step.link.pools[0] if step.link.pools else None
    size = layer.window.height.size * layer.window.width.size
    area = first.rows_h.shape[1] * first.rows_w.shape[1] if first else size
    return layer.weight.shape[1] * layer.groups * area


def compute(problem: BoundInputs) -> LossComplexity:
    """Evaluate the bound.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    chain = problem.toeplitz()
    numbers = measured(problem, distance)
    names = [name for name, step in chain.blocks() if isinstance(step, LayerStep)]
    return evaluate(
        problem, numbers, {name: matrix_entries(step) for name, step in chain.blocks()}, by_distance, _published(problem),
        spectral_upper=_finite_by_layer(names, chain.spectral),
        spectral_lower=_finite_by_layer(names, [norm_floor(link) for link in chain.links]),
    )  # fmt: skip


def _finite_by_layer(names: Sequence[str], norms: Sequence[float]) -> dict[str, float | None]:
    return {name: norm if math.isfinite(norm) else None for name, norm in zip(names, norms, strict=True)}


# ---------------------------------------------------------------------------------------- as published


def _published(problem: BoundInputs) -> LossComplexity | None:
    """Return the bound as published with the best t of the grid; None if the network is not a chain."""
    try:
        chain = problem.plain_chain()
    except NotCovered:
        return None
    m, names = problem.energies.m, names_of(chain)
    entries = _largest_matrix(chain)

    def complexity(t: float, numbers: Mapping[str, float], log_gamma: float) -> float:
        data = log_rms(problem, m * t**2 if chain.biased else 0.0)
        scale = log_product([math.log(4), -log_gamma, data])
        return log_as_published(capacities(names, numbers, scale), entries, m)

    def numbers(t: float) -> dict[str, float]:
        found: dict[str, float] = {}
        for index, name in enumerate(names):
            found[f"spectral.{name}"] = _log_lipschitz(chain, index, t)
            found[f"distance.{name}"] = _distance_with_constant(problem, chain, index, t).log
        return found

    constants = CONSTANTS if chain.biased else (1.0,)
    found = {t: numbers(t) for t in constants}
    best = min(constants, key=lambda t: complexity(t, found[t], 0.0))
    return LossComplexity(
        found[best], lambda given, log_gamma: complexity(best, given, log_gamma), constant_bits(chain.biased),
        {"largest_matrix": entries, "constant": best if chain.biased else None},
    )  # fmt: skip


def _distance_with_constant(problem: BoundInputs, chain: ToeplitzView, index: int, t: float) -> UpperSize:
    """Return ||A~^l - A~^l_0||_{2,1}, rounded up."""
    link = chain.links[index]
    layer = link.layer
    known = start_of(problem, layer) is not None
    rows = rows_of(link, weight_minus_init(problem, layer)) if known else chain.rows[index]
    if layer.bias is None:
        return rows.two_one()
    start = problem.reference.get(f"{layer.name}.bias")
    shift = layer.bias if start is None else layer.bias - start
    return rows.two_one(shift / t)


def _log_lipschitz(chain: ToeplitzView, index: int, t: float) -> float:
    """Return the log of s~_l = sqrt(s^2 + ||b||^2 / t^2 (+ 1 if the constant is passed on)), rounded up; s~_l is never 0."""
    return 0.5 * logsumexp([
        2 * log_up(max(chain.spectral[index], LEAST), 4),
        bias_energy(chain, index, t).log,
        0.0 if chain.carries_constant(index) else -math.inf,
    ])  # fmt: skip


def _largest_matrix(chain: ToeplitzView) -> int:
    """Return the largest number of entries of a matrix A~^l."""
    layers = [step for step in chain.steps if isinstance(step, LayerStep)]
    return max(
        (math.prod(step.link.layer.shape) + chain.biased) * (columns(step) + chain.biased) for step in layers
    )


register(
    Bound(
        "bartlett2017", "loss", "theorem",
        "Bartlett, Foster & Telgarsky 2017, Theorem 1.1, with smaller constants, on any graph (docs/theory/bartlett2017.md)",
        (GRAPH, REFERENCE, SPECTRAL), compute, toeplitz=True, spectral=True, hypotheses=SPECTRAL_ROWS,
    )
)  # fmt: skip

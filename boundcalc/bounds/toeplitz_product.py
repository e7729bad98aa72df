"""Bounds by products of Toeplitz norms as published: the product, the energy of the data, and the constant unit for biases."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from boundcalc.bounds.bound_inputs import BoundInputs, ToeplitzView
from boundcalc.bounds.code_lengths import CONSTANTS, constant_bits, descend
from boundcalc.bounds.outcome import NormComplexity, Terms
from boundcalc.errors import NotCovered
from boundcalc.norms.rounding import (
    UpperSize,
    exp_up,
    log_product,
    log_up,
    logsumexp,
    shown,
    shown_log10,
    unit_sized,
    up,
)


@dataclass(frozen=True)
class DimensionFree:
    """The sizes that determine the factors of these bounds.

    Attributes:
        depth: number L of layers.
        classes: number C of classes.
        inputs: number d_in of inputs, including the constant unit.
    """

    depth: int
    classes: int
    inputs: int


def frobenius(problem: BoundInputs, log_factor: Callable[[DimensionFree], float]) -> NormComplexity:
    """Return factor * prod ||A~^l||_F ||X~|| / m with the best t of the grid.

    Raises:
        NotCovered: the network is not a chain of matrices.
    """

    def norms(chain: ToeplitzView, t: float) -> list[float]:
        return [0.5 * log_frobenius_squared(chain, index, t) for index in range(len(chain.links))]

    def energy(problem: BoundInputs, added: float) -> float:
        return problem.energies.frobenius_squared + added

    return _product(problem, norms, energy, log_factor)


def l1_inf(problem: BoundInputs, log_factor: Callable[[DimensionFree], float]) -> NormComplexity:
    """Return factor * prod ||A~^l||_{1,inf} max_coordinate ||X~_coordinate|| / m with the best t of the grid.

    Raises:
        NotCovered: the network is not a chain of matrices.
    """

    def norms(chain: ToeplitzView, t: float) -> list[float]:
        return [log_largest_row(chain, index, t) for index in range(len(chain.links))]

    def energy(problem: BoundInputs, added: float) -> float:
        return max(problem.energies.max_coordinate, added)

    return _product(problem, norms, energy, log_factor)


def log_frobenius_squared(chain: ToeplitzView, index: int, t: float) -> float:
    """Return the log of ||A~^l||_F^2 = ||A||_F^2 + ||b||^2 / t^2 (+ 1 if the constant is passed on), rounded up."""
    return logsumexp([
        chain.rows[index].frobenius_squared().log,
        bias_energy(chain, index, t).log,
        0.0 if chain.carries_constant(index) else -math.inf,
    ])  # fmt: skip


def log_largest_row(chain: ToeplitzView, index: int, t: float) -> float:
    """Return an upper bound of log ||A~^l||_{1,inf}.

    It is the largest ||A_row||_1 + |b_row| / t, and at least 1 if the constant is passed on.
    """
    bias = chain.links[index].layer.bias
    own = chain.rows[index].l1_inf(None if bias is None else bias / t).log
    return max(0.0, own) if chain.carries_constant(index) else own


def bias_energy(chain: ToeplitzView, index: int, t: float) -> UpperSize:
    """Return ||b||^2 / t^2 over all positions, rounded up; t is a power of two."""
    bias = chain.links[index].layer.bias
    if bias is None:
        return UpperSize(0.0)
    unit, exponent = unit_sized(bias / t)
    total = float(unit.square().sum()) * chain.rows[index].positions
    return UpperSize(up(total, bias.numel()), 2 * exponent)


def where_it_applies(evaluate: Callable[[], NormComplexity]) -> NormComplexity | None:
    """Return a bound as published, or None if the network is not a chain."""
    try:
        return evaluate()
    except NotCovered:
        return None


def _product(
    problem: BoundInputs,
    log_norms: Callable[[ToeplitzView, float], list[float]],
    energy: Callable[[BoundInputs, float], float],
    log_factor: Callable[[DimensionFree], float],
) -> NormComplexity:
    chain, m = problem.plain_chain(), problem.energies.m
    shape = DimensionFree(len(chain.links), problem.network.outputs, problem.network.inputs + chain.biased)

    def parts(t: float) -> tuple[list[float], float]:
        added = m * t**2 if chain.biased else 0.0
        return log_norms(chain, t), 0.5 * log_up(energy(problem, added), 1)

    def size(t: float) -> float:
        norms, log_energy = parts(t)
        return sum(norms) + log_energy

    # each term is convex in log t, so that no other point of the grid is lower than the one where the walk ends
    constant = descend(CONSTANTS, CONSTANTS.index(1.0), size) if chain.biased else 1.0
    norms, log_energy = parts(constant)
    log_norms_product = log_product(norms)
    log_unit = log_product([log_factor(shape), log_energy, -math.log(m)])
    terms: Terms = {
        "norms": {link.layer.name: shown(value) for link, value in zip(chain.links, norms, strict=True)},
        "log10_norm_product": shown_log10(log_norms_product),
        "energy": shown(2 * log_energy),
        "factor": exp_up(log_factor(shape)),
        "constant": constant if chain.biased else None,
        "bits": {"constant": constant_bits(chain.biased)},
    }
    return NormComplexity(log_norms_product, log_unit, constant_bits(chain.biased), terms)

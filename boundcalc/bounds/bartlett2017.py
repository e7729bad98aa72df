"""Spectrally-normalised margin bound of Bartlett, Foster & Telgarsky 2017.

With Ct_l = (4/gamma) (||X|| / sqrt m) (prod_k s_k) ||A^l - A^l_0||_{2,1} / s_l and Wbar the largest number of entries of a matrix,

    R <= 4/m + (12 log m / sqrt m) sqrt(log(2 Wbar)) (sum_l Ct_l^{2/3})^{3/2}

bounds the Rademacher complexity of the ramp-loss class. Spectral norms and distances were chosen by training: each is rounded up to
its own grid. The reference A_0 is the initialisation where it is known, zero otherwise; the row that hands the constant on is
part of the reference, so biases cost only their own entries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import SPECTRAL_ROWS
from boundcalc.bounds.distances import (
    REFERENCE,
    SPECTRAL,
    capacities,
    log_rms,
    moved,
    names_of,
    origin,
    shown_by_layer,
    start_of,
)
from boundcalc.bounds.outcome import PostHoc, Terms
from boundcalc.bounds.prices import CONSTANTS, constant_bits
from boundcalc.bounds.problem import Chain, Problem
from boundcalc.bounds.toeplitz_product import bias_energy
from boundcalc.norms.rounding import LEAST, Size, log_product, log_up, logsumexp, shown
from boundcalc.norms.spectral_lower import norm_floor
from boundcalc.norms.toeplitz import rows_of


def distance_two_one(problem: Problem, chain: Chain, index: int, t: float) -> Size:
    """Return ||A~^l - A~^l_0||_{2,1}, from above."""
    link = chain.links[index]
    layer = link.layer
    known = start_of(problem, layer) is not None
    rows = rows_of(link, moved(problem, layer)) if known else chain.rows[index]
    if layer.bias is None:
        return rows.two_one()
    start = problem.reference.get(f"{layer.name}.bias")
    shift = layer.bias if start is None else layer.bias - start
    return rows.two_one(shift / t)


def log_lipschitz(chain: Chain, index: int, t: float) -> float:
    """Return the log of s~_l = sqrt(s^2 + ||b||^2 / t^2 (+ 1 where the constant is handed on)), from above; s~_l is never 0."""
    return 0.5 * logsumexp([
        2 * log_up(max(chain.spectral[index], LEAST), 4),
        bias_energy(chain, index, t).log,
        0.0 if chain.carries_constant(index) else -math.inf,
    ])  # fmt: skip


def largest_matrix(chain: Chain) -> int:
    """Return the largest number of entries of a matrix A~^l."""
    sizes = []
    for link in chain.links:
        rows = math.prod(link.layer.shape)
        first = link.pools[0] if link.pools else None
        area = (
            first.rows_h.shape[1] * first.rows_w.shape[1]
            if first
            else link.layer.window.height.size * link.layer.window.width.size
        )
        columns = link.layer.weight.shape[1] * link.layer.groups * area
        sizes.append((rows + chain.biased) * (columns + chain.biased))
    return max(sizes)


def _finite_by_layer(names: Sequence[str], norms: Sequence[float]) -> dict[str, float | None]:
    return {name: norm if math.isfinite(norm) else None for name, norm in zip(names, norms, strict=True)}


def compute(problem: Problem) -> PostHoc:
    """Evaluate the bound with the best t of the grid.

    Raises:
        NotCovered: the network is no chain of matrices.
    """
    chain, m = problem.toeplitz(), problem.energies.m
    names = names_of(chain)
    log_width = 0.5 * math.log(math.log(2 * largest_matrix(chain)))

    def log_data(t: float) -> float:
        return log_rms(problem, m * t**2 if chain.biased else 0.0)

    def complexity(t: float, numbers: Mapping[str, float], log_gamma: float) -> float:
        shares = [
            2 / 3 * value
            for value in capacities(names, numbers, log_product([math.log(4), -log_gamma, log_data(t)]))
        ]
        log_log_m = math.log(math.log(m)) if m > 1 else -math.inf
        cover = log_product([
            math.log(12), log_log_m, -0.5 * math.log(m), log_width, 1.5 * logsumexp(shares)
        ])  # fmt: skip
        return logsumexp([log_product([math.log(4), -math.log(m)]), cover])

    def numbers(t: float) -> dict[str, float]:
        measured: dict[str, float] = {}
        for index, name in enumerate(names):
            measured[f"spectral.{name}"] = log_lipschitz(chain, index, t)
            measured[f"distance.{name}"] = distance_two_one(problem, chain, index, t).log
        return measured

    constants = CONSTANTS if chain.biased else (1.0,)
    measured = {t: numbers(t) for t in constants}
    best = min(constants, key=lambda t: complexity(t, measured[t], 0.0))
    terms: Terms = {
        "spectral_norms": shown_by_layer(names, measured[best], "spectral"),
        "spectral_upper": _finite_by_layer(names, chain.spectral),
        "spectral_lower": _finite_by_layer(names, [norm_floor(link) for link in chain.links]),
        "distances": shown_by_layer(names, measured[best], "distance"),
        "distance_from": origin(problem, chain),
        "largest_matrix": largest_matrix(chain),
        "energy_per_sample": shown(2 * log_data(best)),
        "constant": best if chain.biased else None,
        "bits": {"constant": constant_bits(chain.biased)},
    }
    return PostHoc(
        measured[best],
        lambda given, log_gamma: complexity(best, given, log_gamma),
        constant_bits(chain.biased),
        terms,
    )


register(
    Bound(
        "bartlett2017",
        "loss",
        "theorem",
        "Bartlett, Foster & Telgarsky 2017, Theorem 1.1 with its constants (Lemma A.8)",
        (
            "iid sample; a chain of linear maps and ReLUs fixed before the sample",
            REFERENCE,
            SPECTRAL,
        ),
        compute,
        toeplitz=True,
        spectral=True,
        hypotheses=SPECTRAL_ROWS,
    )
)

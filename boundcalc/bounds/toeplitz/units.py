"""Code shared by the bounds of kind F: norms of the layers, rho of a network, and the largest sum of signs at the bottom.

R_S(F) <= rho (E sup ...) / m, where rho is the size of the outputs relative to unit classes (`boundcalc.bounds.toeplitz.scale`) and
positively homogeneous in the weights. The constant t that carries biases is taken from a fixed grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from boundcalc.bounds.bound_inputs import BoundInputs, ToeplitzView
from boundcalc.bounds.code_lengths import CONSTANTS, absent_bits, constant_bits, descend
from boundcalc.bounds.outcome import Margins, NormComplexity, Terms
from boundcalc.bounds.toeplitz.reach import largest, log_norm
from boundcalc.bounds.toeplitz.scale import (
    FRO,
    ONE_INF,
    Contractions,
    Joint,
    ToeplitzNorm,
    contractions,
    log_sizes,
)
from boundcalc.bounds.toeplitz.steps import Block, LayerStep, never_biased
from boundcalc.empirical.energies import Energies
from boundcalc.norms.rounding import (
    LIBM,
    LOG2,
    exp_up,
    log_product,
    log_up,
    logsumexp,
    shown,
    shown_log10,
    slack,
)
from boundcalc.norms.toeplitz import Rows, rows_of
from boundcalc.rademacher.margin import (
    HALF_LOG_HALF_PI,
    HALF_LOG_PI,
    Moments,
    margins_l1_over_units,
    outputs_l1_over_units,
)
from boundcalc.rademacher.relu_cost import log_cost
from boundcalc.rademacher.second_moment import log_root_second_moment

if TYPE_CHECKING:
    import torch

BIAS = "biases through a constant unit whose value t is taken from a fixed grid and paid for"


def log_matrix_norm(rows: Rows, form: ToeplitzNorm) -> float:
    """Return an upper bound of the log of ||A||_F (fro) or ||A||_{1,inf} (1inf)."""
    return 0.5 * rows.frobenius_squared().log if form is FRO else rows.l1_inf().log


def log_bias_norm(step: Block, form: ToeplitzNorm) -> float:
    """Return an upper bound of the log of a bias's norm: Euclidean over all positions, or its largest entry; -inf without a bias."""
    if step.bias is None:
        return -math.inf
    if form is FRO:
        return log_product([0.5 * math.log(step.positions), log_norm(step)])
    return log_up(float(step.bias.abs().max()), 1)


def norms_of(chain: ToeplitzView, form: ToeplitzNorm) -> dict[str, float]:
    """Return the logs of the norms: ``"norm.LAYER"`` and, for layers with a bias, ``"bias.LAYER"``."""
    found = {}
    for name, step in chain.blocks():
        own = log_matrix_norm(chain.rows[step.place], form) if isinstance(step, LayerStep) else largest(step)
        found[f"norm.{name}"] = own
        if step.bias is not None:
            found[f"bias.{name}"] = log_bias_norm(step, form)
    return found


@dataclass(frozen=True, eq=False)
class Bottom:
    """The sets of inputs at the bottom of a network, with their energies on the sample or on a part of it.

    Attributes:
        log_energies: logs of the energies of the sets: of the whole input (fro) or of each coordinate (1inf).
        log_constant: log of m t^2, the energy of the constant; -inf if no layer has a bias.
        factors: factors of the contractions above.
        spectrum: upper bounds of the squared singular values of the sample (fro); None if they are not known.
    """

    log_energies: np.ndarray
    log_constant: float
    factors: Contractions
    spectrum: np.ndarray | None = None

    @classmethod
    def of(cls, energies: Energies, form: ToeplitzNorm, log_t: float, factors: Contractions) -> Bottom:
        """Return the sets of a form at the bottom of a network."""
        spectrum = None
        if form is FRO:
            logs = np.array([log_up(energies.frobenius_squared, 1)])
            spectrum = None if energies.spectrum is None else np.array(energies.spectrum)
        else:
            logs = _logs(energies.coordinate)
        biased = factors.log_constant > -math.inf
        constant = log_product([math.log(energies.m), 2 * log_t]) if biased else -math.inf
        return cls(logs, constant, factors, spectrum)

    @property
    def log_factor(self) -> float:
        """Log of the larger of the two factors of the contractions."""
        return max(self.factors.log_inputs, self.factors.log_constant)

    @property
    def log_width(self) -> float:
        """Log of the largest value of (sum_i u(x_i)^2)^(1/2) over unit functions u."""
        known = (
            float(self.log_energies.max()) if self.spectrum is None else log_up(float(self.spectrum.max()), 1)
        )
        return 0.5 * max(known, self.log_constant)

    def within_exponential(self, fewer: int = 0, classes: int = 1) -> float:
        """Return log (E Z^2)^(1/2), Z the largest sum of signs over unit classes: contractions inside cosh (Golowich et al. 2018).

        Args:
            fewer: number of ReLUs that cost nothing.
            classes: number of outputs, each with its own signs, over which Z is the maximum.
        """
        sets = np.append(self.log_energies, self.log_constant)
        factor = max(0.0, self.log_factor - fewer * math.log(1.5)) + math.log(classes)
        return log_root_second_moment(sets, factor, self._relative_spectrum())

    def _relative_spectrum(self) -> np.ndarray | None:
        """Return the squared singular values of the input and of the constant, divided by the larger energy, (sets, r)."""
        if self.spectrum is None:
            return None
        top = max(float(self.log_energies[0]), self.log_constant)
        scale = exp_up(-top)
        if not math.isfinite(scale) or not math.isfinite(top):
            return None
        rows = [self.spectrum * scale]
        if self.log_constant > -math.inf:
            rows.append(np.zeros_like(rows[0]))
            rows[1][0] = exp_up(log_product([self.log_constant, -top]))
        return np.stack(rows) if np.isfinite(rows[0]).all() else None

    def outside(self, fewer: int = 0) -> float:
        """Return log (E Z^2)^(1/2) (one set) or log E Z, each contraction taken outside the expectation (Neyshabur et al. 2015).

        Args:
            fewer: number of ReLUs that cost nothing.
        """
        spared = -fewer * math.log(1.5) if self.log_factor > 0 else 0.0
        if self.log_energies.size == 1:
            inputs = log_product([self.factors.log_inputs, float(self.log_energies[0])])
            constant = log_product([self.factors.log_constant, self.log_constant])
            return 0.5 * log_product([logsumexp([inputs, constant]), spared])
        sets = np.append(self.log_energies, self.log_constant)
        return log_product([self.log_factor, spared, log_root_second_moment(sets, 0.0)])


def _logs(energies: torch.Tensor) -> np.ndarray:
    """Return upper bounds of the logs of the nonzero energies, or -inf alone; many of them are rounded up to a few values."""
    flat = energies.flatten().numpy()
    alive = flat[flat > 0]
    if not alive.size:
        return np.array([-np.inf])
    logs = np.log(alive)
    logs += LIBM * (2 + np.abs(logs))
    return logs if logs.size <= MANY else np.ceil(logs / COARSE) * COARSE


MANY, COARSE = 4096, 2.0**-9
"""Number of coordinates from which on logs of their energies are raised to multiples of a small step."""

Mean = Callable[[Bottom, int], float]
"""Log of what bounds the largest sum of signs; the number of ReLUs that cost nothing."""


def joint_rows(chain: ToeplitzView) -> Joint:
    """Return the function that computes a layer's size in the form 1inf from the weights and the bias of each unit together."""
    layers = {name: step for name, step in chain.blocks() if isinstance(step, LayerStep)}

    def size(name: str, log_along: float, log_t: float) -> float:
        step = layers[name]
        rows, shift = chain.rows[step.place], -log_t - log_along
        if step.bias is None or log_along == -math.inf:
            own = rows.l1_inf().log
            return logsumexp(
                [log_product([own, log_along]), log_product([log_bias_norm(step, ONE_INF), -log_t])]
            )
        if abs(shift) > MODERATE:
            apart = log_product([log_bias_norm(step, ONE_INF), -log_t])
            return logsumexp([log_product([rows.l1_inf().log, log_along]), apart])
        column = step.bias * (math.exp(shift) * (1 + 4 * LIBM * (1 + abs(shift))))
        return log_product([rows.l1_inf(column).log, log_along])

    return size


MODERATE = 300.0
"""Largest log of a size for which weights and biases are added up unit by unit."""


def product(
    problem: BoundInputs, form: ToeplitzNorm, mean: Mean, published: NormComplexity | None
) -> NormComplexity:
    """Return the complexity at the best t of the grid; the margins have a t of their own.

    In the form fro, the sizes of the outputs are combined by the Cauchy-Schwarz inequality; in the form 1inf they are added up.
    Margins have bounds of their own (`boundcalc.rademacher.margin`).

    Args:
        problem: network and sample.
        form: form of the norms.
        mean: function that bounds the largest sum of signs.
        published: the bound as its source states it; None if it does not cover the network.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    chain = problem.toeplitz().homogeneous(problem.network)
    units = Units(problem, form, mean)

    biased = units.factors.log_constant > -math.inf
    constants = CONSTANTS if biased else (1.0,)
    start = constants.index(1.0)  # both are log-convex in log t
    constant = descend(constants, start, lambda t: units.log_complexity(math.log(t)))
    margin_constant = descend(constants, start, lambda t: units.log_margin_estimate(math.log(t)))
    log_t, log_margin_t, norms = math.log(constant), math.log(margin_constant), units.norms
    declared = [step for _, step in chain.blocks() if not never_biased(step)]
    absent = absent_bits(len(declared), sum(step.bias is None for step in declared))
    bits = {"constant": constant_bits(biased)} | ({"absent_biases": absent} if absent else {})
    log_sum = units.log_sum(log_t)
    terms: Terms = {
        "norms": {name: shown(norms[f"norm.{name}"]) for name, _ in chain.blocks()},
        "biases": {
            name: shown(norms[f"bias.{name}"]) for name, _ in chain.blocks() if f"bias.{name}" in norms
        },
        "log10_size": shown_log10(units.log_size(log_t)),
        "log10_margin_size": shown_log10(units.log_margin_size(log_margin_t)),
        "log_sum": log_sum if math.isfinite(log_sum) else None,
        "contractions": units.factors.levels,
        "log_factor": max(units.factors.log_inputs, units.factors.log_constant),
        "constant": constant if biased else None,
        "margin_constant": margin_constant if biased else None,
        "bits": bits,
    }
    margins = Margins(units.log_margin_size(log_margin_t), units.log_margin_unit(log_margin_t))
    return NormComplexity(
        units.log_size(log_t), units.log_unit(log_t), math.fsum(bits.values()), terms, margins=margins, published=published
    )  # fmt: skip


class Units:
    """Sizes and largest sums of signs of one network in one form, as functions of log t.

    Args:
        problem: network and sample.
        form: form of the norms.
        mean: function that bounds the largest sum of signs.
    """

    def __init__(self, problem: BoundInputs, form: ToeplitzNorm, mean: Mean) -> None:
        self.problem, self.form, self.mean = problem, form, mean
        self.chain = problem.toeplitz()
        self.norms, self.factors = norms_of(self.chain, form), contractions(self.chain.steps)
        self.classes = problem.network.outputs
        self.centered = self._centered()
        self._centered_norms = {} if self.centered is None else norms_of(self.centered, form)
        self._known: dict[tuple[bool, float], float] = {}

    def log_size(self, log_t: float) -> float:
        """Return log rho, the size of the outputs."""
        return self._sizes(self.chain, self.norms, log_t)

    def log_margin_size(self, log_t: float) -> float:
        """Return log rho of the outputs minus their common part, or of their difference if there are two."""
        own = self.log_size(log_t)
        if self.classes == 2:
            own = log_product([own, 0.5 * LOG2 if self.form is FRO else LOG2])
        if self.centered is None:
            return own
        return min(own, self._sizes(self.centered, self._centered_norms, log_t))

    def _sizes(self, chain: ToeplitzView, norms: Mapping[str, float], log_t: float) -> float:
        key = chain is self.chain, log_t
        if key not in self._known:
            joint = joint_rows(chain) if self.form is ONE_INF else None
            inputs = self.problem.network.inputs
            sizes = log_sizes(chain.steps, chain.names, norms, self.form, inputs, log_t, joint)
            self._known[key] = sizes[-1].units
        return self._known[key]

    def _centered(self) -> ToeplitzView | None:
        """Return a network with the same margins: the difference of two outputs, or rows minus their mean or median."""
        last = self.chain.steps[-1]
        if not isinstance(last, LayerStep) or self.classes == 1 or last.positions != 1:
            return None
        layer, bias = last.link.layer, last.link.layer.bias
        if self.classes == 2:
            weight = layer.weight[1:] - layer.weight[:1]
            bias = None if bias is None else bias[1:] - bias[:1]
        else:
            weight = layer.weight - self._middle(layer.weight)
            bias = None if bias is None else bias - self._middle(bias)
        link = replace(last.link, layer=replace(layer, weight=weight, bias=bias))
        steps = (*self.chain.steps[:-1], replace(last, link=link))
        rows = (*self.chain.rows[:-1], rows_of(link, weight))
        return replace(self.chain, steps=steps, rows=rows, links=(*self.chain.links[:-1], link))

    def _middle(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the common part of the outputs: the mean of their rows for l2 norms, the median for l1 norms."""
        return rows.mean(0) if self.form is FRO else rows.median(0).values

    # ------------------------------------------------------------------------------------ sums of signs

    def _moment(self, energies: Energies, log_t: float, fewer: int = 0) -> float:
        return self.mean(Bottom.of(energies, self.form, log_t, self.factors), fewer)

    def log_margin_estimate(self, log_t: float) -> float:
        """Return the quantity by which t is chosen for margins: the size times the largest sum of signs of one output."""
        return log_product([self.log_margin_size(log_t), self._moment(self.problem.energies, log_t)])

    def log_complexity(self, log_t: float) -> float:
        """Return log R_S(F). For every t, and so for the best t, it does not grow if weights become smaller."""
        return log_product([self.log_size(log_t), self.log_unit(log_t)])

    def log_sum(self, log_t: float) -> float:
        """Return log of m R_S(F) at rho = 1."""
        if self.form is ONE_INF:
            return log_product([math.log(self.classes), self._moment(self.problem.energies, log_t)])
        return outputs_l1_over_units(self.classes, self._moments(log_t))

    def log_unit(self, log_t: float) -> float:
        """Return log of R_S(F) at rho = 1."""
        return log_product([self.log_sum(log_t), -math.log(self.problem.energies.m)])

    def log_margin_unit(self, log_t: float) -> float:
        """Return log of R_S of the margins at rho = 1."""
        m, classes = self.problem.energies.m, 1 if self.classes <= 2 else self.classes
        if self.form is FRO:
            by_class = [0.5 * logsumexp([2 * value for value in part]) for part in self._by_class(log_t)]
            moments = replace(self._moments(log_t), own=by_class[0], others=by_class[1])
            return log_product([margins_l1_over_units(classes, moments), -math.log(m)])
        whole = self._moment(self.problem.energies, log_t)
        if classes == 1:
            return log_product([whole, -math.log(m)])
        own, others = self._by_class(log_t)
        first = min(logsumexp(own), log_product([math.log(classes), whole]))
        second = min(logsumexp(others), log_product([math.log(classes), whole]))
        apart = logsumexp([first, log_product([HALF_LOG_HALF_PI, second])])
        return log_product([min(apart, log_product([HALF_LOG_PI, math.log(classes), whole])), -math.log(m)])

    def _moments(self, log_t: float) -> Moments:
        energies = self.problem.energies
        bottom = Bottom.of(energies, self.form, log_t, self.factors)
        simple = self.factors.levels > 0 and self.factors.log_inputs <= log_cost(self.factors.levels) * (
            1 + 1e-12
        )
        return Moments(self.mean(bottom, 0), self.mean(bottom, int(simple)), width=bottom.log_width)

    def _by_class(self, log_t: float) -> tuple[list[float], list[float]]:
        """Return the moments over the samples of each class, and over all other samples; infinite if labels are not known."""
        energies = self.problem.energies
        if energies.classes is None or energies.counts is None or self.classes == 1:
            return [math.inf], [math.inf]
        own, others = [], []
        whole = energies.classes.sum(0)
        for part, count in zip(energies.classes, energies.counts.tolist(), strict=True):
            rest = (whole - part).clamp(min=0.0) + whole * slack(2 * len(energies.classes))
            own.append(self._moment(Energies(max(count, 1), part, energies.largest), log_t))
            others.append(self._moment(Energies(max(energies.m - count, 1), rest, energies.largest), log_t))
        return own, others

"""The peeling theorem, twice: with the constants of its source, and sharper.

Nodes, scales. Every layer's neurons are split into nodes. s_p = 1 for inputs; a node's scale s_j measures its incoming
weights W_jp times the scales s_p of its predecessors, by `boundcalc.bounds.peeling.norms`: l2 over predecessors or l1. rho
is the scale of the output.

As published (Golowich, Rakhlin & Shamir 2018, Lemma 1, on the node graph of Galanti, Xu, Galanti & Poggio 2023), with N paths from a
class to a first layer's node and B^2 = max over paths of A_L prod |pred| E (A_L connected pairs of class and node, E energy of
the inputs that the first node reads; |pred| is 1 with l1):

    R_S(F_rho) <= (rho B / m) (1 + sqrt(2 ((L - 1) log 2 + log N))),      L = 1: (rho / m) sqrt(C sum_i ||x_i||^2).

Sharper. Hidden nodes are measured by l1 (never worse: sum_p s_p ||W_p|| <= sqrt|pred| (sum (s_p ||W_p||)^2)^(1/2), and
|pred| leaves B). A peeling step holds for the supremum over a union of classes, so hidden nodes and paths are not counted;
what is left are the sets of inputs S of the first layers' nodes (`input_sets`), with Z = sup over sets and unit-class
members of |sum_i xi_i u(x_i)|:

    E Z^2 <= z^2 by `boundcalc.rademacher.second_moment`, K = log(3/2) a ReLU or maximum of two (`boundcalc.rademacher.relu_cost`),

and the output is measured by one of three norms (`boundcalc.rademacher.margin` has R_S of outputs and margins for each):

    "l1 over units"   rho = sum_p s_p ||V_.p||_2       R_S(F_rho) <= (rho/m) min(sqrt(C) z, sqrt(pi/2) (sqrt(C) w + z_top))
    "l1"              rho = sum_cp s_p |V_cp|          R_S(F_rho) <= (rho/m) z with log C added to K
    "l2"              rho = (sum_cp (s_p V_cp)^2)^(1/2)   R_S(F_rho) <= (rho/m) sqrt(sum_c n_c) z,  n_c predecessors of class c.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from boundcalc.bounds.peeling.input_sets import InputSetFamily, MomentSample, without_outermost
from boundcalc.norms.rounding import log_product
from boundcalc.rademacher.margin import (
    margins_l1_over_units,
    margins_summed,
    outputs_l1_over_units,
)

if TYPE_CHECKING:
    from boundcalc.bounds.peeling.kernels import Choice


def log_published_unit(
    log_b: float, log_factor: float, log_paths: float, m: int, *, single_layer: bool
) -> float:
    """Return log R_S at rho = 1 as published.

    Args:
        log_b: log B; -inf where no input has energy.
        log_factor: (L - 1) log 2 and the poolings' share.
        log_paths: log N.
        m: number of samples.
        single_layer: whether there is no hidden layer.
    """
    if log_b == -math.inf:
        return -math.inf
    spread = 0.0 if single_layer else math.sqrt(max(0.0, 2 * (log_factor + log_paths)))
    return log_product([log_b, math.log1p(spread), -math.log(m)])


@dataclass(frozen=True)
class PeelingResult:
    """The ingredients of the theorem for one split, all from above, natural logs.

    Attributes:
        log_rho: scale of the output.
        log_output_pairs: log A_L.
        log_energy: largest log of prod |pred| * E over paths, without A_L.
        log_paths: log N.
        log_factor: (L - 1) log 2 and the poolings' share.
        split: layer -> node size and norm.
        single_layer: whether there is no hidden layer, where the theorem has its own form.
        fan_ins: n_c, predecessors of each class in the norm "l2".
    """

    log_rho: float
    log_output_pairs: float
    log_energy: float
    log_paths: float
    log_factor: float
    split: dict[str, Choice]
    single_layer: bool
    fan_ins: tuple[float, ...] = ()

    @property
    def last(self) -> Choice:
        """How the output is measured."""
        return list(self.split.values())[-1]

    @property
    def log_b(self) -> float:
        """Log B."""
        return 0.5 * (self.log_output_pairs + self.log_energy)

    def log_unit(self, m: int) -> float:
        """Return the log of R_S at rho = 1 for m samples, as published."""
        return log_published_unit(
            self.log_b, self.log_factor, self.log_paths, m, single_layer=self.single_layer
        )

    def log_complexity(self, m: int) -> float:
        """Return the log of R_S at the network's own rho, as published; -inf for a network that is 0."""
        return log_product([self.log_rho, self.log_unit(m)])


@dataclass(frozen=True)
class Sharp:
    """The sharper theorem for one way of measuring the output, natural logs, from above.

    Attributes:
        log_outputs: log R_S(F) at rho = 1.
        log_margins: log R_S of the margins at rho = 1.
        family: which family of input sets gave the margins' bound.
        log_z: log z, of the family that gave the outputs' bound.
        log_top: log z_top of that family.
        log_width: log w of that family; inf where it is not used.
        pairs: sum_c n_c for the norm "l2", else 1.
    """

    log_outputs: float
    log_margins: float
    family: str
    log_z: float
    log_top: float
    log_width: float
    pairs: float


def output_norm(last: Choice, classes: int) -> str:
    """Return the name of the norm of the output for the choice of the last layer's nodes."""
    if last.norm.name == "l2":
        return "l2"
    return "l1" if last.group == 1 and classes > 1 else "l1 over units"


def sharp(
    walk: PeelingResult,
    families: list[InputSetFamily],
    sample: MomentSample,
    log_factor: float,
    classes: int,
    *,
    top_free: bool,
) -> Sharp:
    """Evaluate the sharper theorem for a walk.

    Args:
        walk: with l1 hidden nodes.
        families: of input sets; each covers the class.
        sample: energies and the constant unit.
        log_factor: K.
        classes: C.
        top_free: whether every path passes a ReLU or maximum, so that the outermost step is free without an absolute value.
    """
    found = [_of_family(walk, family, sample, log_factor, classes, top_free) for family in families]
    margins = min(found, key=lambda each: each.log_margins)
    outputs = min(found, key=lambda each: each.log_outputs)
    return replace(outputs, log_margins=margins.log_margins, family=margins.family)


def _of_family(
    walk: PeelingResult,
    family: InputSetFamily,
    sample: MomentSample,
    log_factor: float,
    classes: int,
    top_free: bool,
) -> Sharp:
    log_m, inner = math.log(sample.energies.m), without_outermost(log_factor) if top_free else log_factor
    norm, pairs = output_norm(walk.last, classes), 1.0
    if norm == "l1":
        z = sample.summed(family, log_factor, classes)
        outputs, margins = z.whole, margins_summed(classes, z)
    elif norm == "l2":
        counts = np.ones(classes) if walk.single_layer else np.maximum(np.array(walk.fan_ins), 1.0)
        pairs = float(counts.sum())
        z = sample.moments(family, log_factor, inner=inner, log_weights=np.log(counts) + 2.0**-40)
        outputs = log_product([z.whole, 0.5 * math.log(pairs)])
        margins = margins_summed(classes, replace(z, whole=outputs))
    else:
        z = sample.moments(family, log_factor, inner=inner)
        outputs, margins = outputs_l1_over_units(classes, z), margins_l1_over_units(classes, z)
    return Sharp(
        log_product([outputs, -log_m]), log_product([margins, -log_m]), family.name, z.whole, z.top, z.width, pairs
    )  # fmt: skip

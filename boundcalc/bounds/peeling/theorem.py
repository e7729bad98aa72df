"""The peeling theorem (docs/theory/peeling.md), twice: with the constants of its source, and sharper.

Nodes and scales. The neurons of every layer are split into nodes. s_p = 1 for inputs. The scale s_j of a node j measures its
incoming weights W_jp from its predecessors p, times the scales of these: (sum_p (s_p ||W_jp||_F)^2)^(1/2) in the norm l2, or
sum_p s_p ||W_jp||_F in the norm l1. rho is the scale of the output, measured from the last layer's weights V. `rho_of_chain` is
the recursion for a chain of linear layers; `boundcalc.bounds.peeling.dynamic_program` computes it on any graph.

As published (Golowich, Rakhlin & Shamir 2018, Lemma 1, on the node graph of Galanti, Xu, Galanti & Poggio 2023), for L layers and N
paths from a class to a node of a first layer (`log_published_unit`):

    R_S(F_rho) <= (rho B / m) (1 + sqrt(2 ((L - 1) log 2 + log N))),      L = 1: (rho / m) sqrt(C sum_i ||x_i||^2),
    B^2 = max over paths of A_L prod |pred| E,

where A_L is the number of connected pairs of a class and a node of the last hidden layer, |pred| the number of predecessors of a
node on the path (1 with the norm l1), and E = sum_i ||x_i on S||^2 for the inputs S that the first node of the path reads.

Sharper. Hidden nodes are measured by l1, which is never worse: sum_p s_p ||W_p|| <= sqrt|pred| (sum_p (s_p ||W_p||)^2)^(1/2), and
|pred| leaves B. A peeling step holds for the supremum over a union of classes, so hidden nodes and paths are not counted. What is
left are the sets of inputs S of the first layers' nodes (`input_sets`). Let Z = sup over the sets and over unit-class members u of
|sum_i xi_i u(x_i)|, K = log(3/2) for each ReLU or maximum of two on a path (`boundcalc.rademacher.relu_cost`), and

    z      an upper bound of (E Z^2)^(1/2), by `boundcalc.rademacher.second_moment`,
    z_top  the same with one step less in K,
    w      an upper bound of sup_u (sum_i u(x_i)^2)^(1/2).

The output is measured by one of three norms (`boundcalc.rademacher.margin` has R_S of outputs and margins for each):

    "l1 over units"   rho = sum_p s_p ||V_.p||_2       R_S(F_rho) <= (rho/m) min(sqrt(C) z, sqrt(pi/2) (sqrt(C) w + z_top))
    "l1"              rho = sum_cp s_p |V_cp|          R_S(F_rho) <= (rho/m) z with log C added to K
    "l2"              rho = (sum_cp (s_p V_cp)^2)^(1/2)   R_S(F_rho) <= (rho/m) sqrt(sum_c n_c) z,  n_c predecessors of class c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boundcalc.bounds.peeling.input_sets import InputSetFamily, MomentSample, without_outermost
from boundcalc.norms.rounding import log_product
from boundcalc.rademacher.margin import (
    margins_l1_over_units,
    margins_summed,
    outputs_l1_over_units,
)

if TYPE_CHECKING:
    from boundcalc.bounds.peeling.kernels import Choice


def rho_of_chain(W: Sequence[NDArray[np.float64]], V: NDArray[np.float64]) -> float:
    """Return rho = sum_p s_p ||V_.p||_2 of x -> V relu(W^{L-1} ... relu(W^1 x)), every unit a node.

    s_j = ||W^1_j||_2 for the units that read the input, and s_j = sum_p s_p |W^l_jp| for all others: the norm "l1 over units".

    Args:
        W: matrices of the hidden layers, (units, units of the layer below) each.
        V: matrix of the last layer, (classes, units).

    Example:
        >>> rho_of_chain([np.array([[3.0, 4.0], [0.0, 1.0]])], np.array([[1.0, -2.0]]))
        7.0
    """
    s = np.linalg.norm(W[0], axis=1)
    for W_l in W[1:]:
        s = np.abs(W_l) @ s
    return float(s @ np.linalg.norm(V, axis=0))


def log_published_unit(
    log_b: float, log_factor: float, log_paths: float, m: int, *, single_layer: bool
) -> float:
    """Return log R_S at rho = 1 as published.

    Args:
        log_b: log B; -inf if no input has energy.
        log_factor: (L - 1) log 2 plus the logs of the poolings' factors.
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
    """The quantities of the theorem for one split, as natural logs of upper bounds.

    Attributes:
        log_rho: log of the scale rho of the output.
        log_output_pairs: log A_L.
        log_energy: largest log of prod |pred| * E over paths, without A_L.
        log_paths: log N.
        log_factor: (L - 1) log 2 plus the logs of the poolings' factors.
        split: layer -> node size and norm.
        single_layer: whether there is no hidden layer; the theorem then has its own form.
        fan_ins: number n_c of predecessors of each class, for the norm "l2".
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
        """Choice for the last layer, which determines the norm of the output."""
        return list(self.split.values())[-1]

    @property
    def log_b(self) -> float:
        """Logarithm of B."""
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
    """The sharper theorem for one norm of the output, as natural logs of upper bounds.

    Attributes:
        log_outputs: log R_S(F) at rho = 1.
        log_margins: log R_S of the margins at rho = 1.
        family: name of the family of input sets that gave the margins' bound.
        log_z: log z of the family that gave the outputs' bound.
        log_top: log z_top of that family.
        log_width: log w of that family; inf if it is not used.
        pairs: sum_c n_c for the norm "l2", otherwise 1.
    """

    log_outputs: float
    log_margins: float
    family: str
    log_z: float
    log_top: float
    log_width: float
    pairs: float


def output_norm(last: Choice, classes: int) -> str:
    """Return the name of the norm of the output that follows from the choice for the last layer."""
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
        walk: walk whose hidden nodes are measured by l1.
        families: families of input sets, each of which covers the class.
        sample: energies and the constant unit.
        log_factor: exponent K.
        classes: number C of classes.
        top_free: whether every path passes a ReLU or maximum, so that the outermost step is free in a supremum without an absolute
            value.
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

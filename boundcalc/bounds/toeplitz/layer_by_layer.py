"""The form 1inf where activations are not positively homogeneous (kind F): the class bounds the norms of every layer by themselves.

The size s of what an activation phi reads is then one number for the whole class, so that u -> phi(s u) / (s lipschitz) is one
function for all members u of the unit class, and contraction applies to it (docs/theory/toeplitz.md, proposition 2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.code_lengths import CONSTANTS
from boundcalc.bounds.outcome import ClassComplexity, Terms
from boundcalc.bounds.toeplitz.scale import ONE_INF, contractions, log_sizes
from boundcalc.bounds.toeplitz.steps import LayerStep, never_biased
from boundcalc.bounds.toeplitz.units import Bottom, Mean, norms_of
from boundcalc.norms.rounding import log_product, shown
from boundcalc.rademacher.margin import HALF_LOG_PI


def layer_by_layer(problem: BoundInputs, mean: Mean) -> ClassComplexity:
    """Return the bound by l1 norms of rows of a class with every norm on a grid of its own; the class is fixed, so t is free.

    Args:
        problem: network and sample.
        mean: bounds the largest sum of signs.

    Raises:
        NotCovered: an operation is neither homogeneous nor one fixed function.
    """
    chain, energies = problem.toeplitz().homogeneous(problem.network, smooth=True), problem.energies
    factors, classes = contractions(chain.steps), problem.network.outputs
    own = norms_of(chain, ONE_INF)
    trained = {name: step for name, step in chain.blocks() if isinstance(step, LayerStep) or step.trained}
    numbers = {f"bias.{name}": -math.inf for name, step in trained.items() if not never_biased(step)}
    numbers |= {key: value for key, value in own.items() if key.partition(".")[2] in trained}
    biased = any(key.startswith("bias.") for key in (*numbers, *own))
    constants = CONSTANTS if biased else (1.0,)
    sums = {t: mean(Bottom.of(energies, ONE_INF, math.log(t), factors), 0) for t in constants}

    def at(norms: Mapping[str, float], t: float) -> float:
        sizes = log_sizes(chain.steps, chain.names, norms, ONE_INF, problem.network.inputs, math.log(t))
        return log_product([sizes[-1].units, math.log(classes), sums[t], -math.log(energies.m)])

    def log_complexity(given: Mapping[str, float]) -> float:
        return min(at({**own, **given}, t) for t in constants)

    def log_margins(given: Mapping[str, float]) -> float:
        return log_product([HALF_LOG_PI if classes > 2 else 0.0, log_complexity(given)])

    terms: Terms = {
        "norms": {name: shown(own[f"norm.{name}"]) for name, _ in chain.blocks()},
        "biases": {name: shown(own[f"bias.{name}"]) for name, _ in chain.blocks() if f"bias.{name}" in own},
        "contractions": factors.levels,
        "log_factor": max(factors.log_inputs, factors.log_constant),
        "class": "the norms of every layer by themselves, because activations are not positively homogeneous",
    }
    return ClassComplexity(numbers, log_complexity, terms=terms, log_margins=log_margins)

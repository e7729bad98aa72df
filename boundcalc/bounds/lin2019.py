"""Bound of Lin & Zhang 2019 (Generalization bounds for convolutional neural networks), Lemma 18 (docs/theory/lin2019.md).

    R <= (16 / sqrt m) ((2/gamma) (||X|| / sqrt m) prod_k s_k L^2 sum_l W_l^2 (d_l / stride_l) ||K^l||_F / s_l)^{1/4}

for the Rademacher complexity of the ramp-loss class. d_l is the width of layer l's input; if the two axes differ, d_l / stride_l is
the larger of the two, and it is 1 for a layer with one output position, which is a linear layer. The formula is not derived again
here. Average pooling before a layer, which the source does not treat, multiplies ||K^l||_F by the pooling's norm. W_l counts dense
parameters.

Extended here, not proved: on a graph with biases, ||X|| prod_k s_k / s_l ||K^l||_F becomes G_l (r_l ||K^l||_F + sqrt(O_l m)
||b_l||_2), with r_l and G_l of `boundcalc.bounds.toeplitz.reach`, W_l includes biases, and L counts the layers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from boundcalc.bounds.bound_inputs import BoundInputs, ToeplitzView
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import SPECTRAL_KERNELS
from boundcalc.bounds.distances import SPECTRAL, log_kernel_norm
from boundcalc.bounds.outcome import LossComplexity, Terms
from boundcalc.bounds.toeplitz.loss import EXTENDED, GRAPH, by_name, entries, extended, log_layers, measured
from boundcalc.bounds.toeplitz.reach import Numbers
from boundcalc.bounds.toeplitz.steps import Block, LayerStep
from boundcalc.norms.kernels import frobenius
from boundcalc.norms.rounding import log_product, logsumexp


def log_complexity(
    log_reaches: Sequence[float], weights: Sequence[int], steps: Sequence[float], m: int, log_gamma: float
) -> float:
    """Return log((16 / sqrt m) ((2/gamma) L^2 sum_l W_l^2 q_l T_l)^{1/4}), rounded up.

    Args:
        log_reaches: log T_l of each layer, T_l = (||X|| / sqrt m) prod_k s_k ||K^l||_F / s_l in a chain.
        weights: number W_l of weights of each layer.
        steps: q_l = d_l / stride_l of each layer.
        m: number of samples.
        log_gamma: log of the margin.
    """
    inside = logsumexp([
        log_product([2 * math.log(count), math.log(step), reach])
        for count, step, reach in zip(weights, steps, log_reaches, strict=True)
    ])  # fmt: skip
    whole = log_product([math.log(2), -log_gamma, 2 * math.log(len(weights)), inside])
    return log_product([math.log(16), -0.5 * math.log(m), whole / 4])


def steps_of_kernel(step: Block) -> float:
    """Return d / stride, the number of kernel steps along the longer axis; 1 for a layer with one output position."""
    if not isinstance(step, LayerStep) or step.link.layer.window.out == (1, 1):
        return 1.0
    window = step.link.layer.window
    return max(axis.size / axis.stride for axis in (window.height, window.width))


def norm(problem: BoundInputs, chain: ToeplitzView, step: LayerStep) -> float:
    """Return the log of ||K^l||_F times the norm of the map that feeds the kernel, rounded up."""
    del problem, chain
    return log_kernel_norm(step.link, step.link.layer.weight, frobenius)


def compute(problem: BoundInputs) -> LossComplexity:
    """Evaluate the formula.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    m = problem.energies.m
    numbers = {key: value for key, value in measured(problem, norm).items() if not key.startswith("shift.")}
    blocks = [(name, step) for name, step in problem.toeplitz().blocks() if f"distance.{name}" in numbers]
    weights, steps = [entries(step) for _, step in blocks], [steps_of_kernel(step) for _, step in blocks]

    def complexity(given: Numbers, log_gamma: float) -> float:
        found = log_layers(problem, given)
        reaches = []
        for name, step in blocks:
            bias = log_product([0.5 * math.log(step.positions), given.get(f"bias.{name}", -math.inf)])
            kernel = log_product([found[name].radius, given[f"distance.{name}"]])
            reaches.append(log_product([found[name].gain, logsumexp([kernel, bias])]))
        return log_complexity(reaches, weights, steps, m, log_gamma)

    names = [name for name, _ in blocks]
    terms: Terms = {
        "spectral_norms": by_name(names, numbers, "spectral"),
        "norms": by_name(names, numbers, "distance"),
        "biases": by_name(names, numbers, "bias"),
        "distance_from": "zero",
        "extended": extended(problem),
    }
    return LossComplexity(numbers, complexity, terms=terms)


register(
    Bound(
        "lin2019", "loss", "published",
        "Lin & Zhang 2019, Lemma 18; extended here beyond chains without biases (docs/theory/lin2019.md)",
        (GRAPH, SPECTRAL, EXTENDED), compute, toeplitz=True, spectral=True, hypotheses=SPECTRAL_KERNELS,
    )
)  # fmt: skip

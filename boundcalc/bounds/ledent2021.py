"""Bound of Ledent, Mustafa, Lei & Kloft 2021 (Norm-based generalisation bounds for multi-class convolutional networks), Theorem 11
(docs/theory/ledent2021.md).

a_l is the sum over filters of ||filter - filter_0||_2 (last layer: Frobenius norm), b_l the largest l2 norm of an input patch of
layer l on the training data, b_{L+1} = gamma, O_l the number of output positions, c_l that of output channels, and

    rho_l^+ = sqrt(O_l) max_{i >= l} prod_{k=l+1}^{i} s_k / b_{i+1},   rho_L^+ = 1/gamma,   r_l = b_l rho_l^+ a_l,
    R <= 4/m + 768 (sum r_l^{2/3})^{3/2} sqrt(log2(32 Gamma m^2 + 7 Wb m)) log(m) / sqrt m,
    Gamma = max_l r_l O_l c_l,   Wb = max_l O_l c_l.

The formula is not derived again here. sqrt(O_l) is the spatial width d_{l+1} of the next layer's input. Average pooling, which
the source treats as part of the network and not of a layer, is applied before the patches are cut, so that b_l and a_l refer to
pooled values; a pooling norm above 1 multiplies sqrt(O_l).

Extended here without proof: in a graph, the maximum is over all layers and the output that a layer reaches, products of s_k become
Lipschitz constants, and those of several readers are added; a bias is one more coordinate t of the patch: b_l^2 + t^2, and (w,
b / t) in a_l.

The patch norms depend on the sample. The theorem holds for thresholds b_l that are fixed before the sample and that no training
patch exceeds, so each b_l is rounded up to its own grid, as are s_l and a_l. A layer that only ever reads zeros has threshold 1.
Without data, a patch is at most the whole image: the largest input norm times the norms below, also rounded up to its own grid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import SPECTRAL_PATCHES
from boundcalc.bounds.code_lengths import CONSTANTS, constant_bits
from boundcalc.bounds.distances import REFERENCE, SPECTRAL, origin, weight_minus_init
from boundcalc.bounds.outcome import LossComplexity, Terms
from boundcalc.bounds.toeplitz.loss import EXTENDED, GRAPH, bias_moved, by_name, extended, measured
from boundcalc.bounds.toeplitz.reach import Numbers, log_lipschitz, log_radii
from boundcalc.bounds.toeplitz.steps import Block, LayerStep, ToeplitzStep
from boundcalc.network.ops import Affine
from boundcalc.norms.kernels import pooling
from boundcalc.norms.rounding import LOG2, exponent_of, log_product, log_up, logsumexp, times_power
from boundcalc.norms.toeplitz import BLOCK


def log_complexity(log_sizes: Sequence[float], log_units: Sequence[float], m: int) -> float:
    """Return log(4/m + 768 (sum r_l^{2/3})^{3/2} sqrt(log2(32 Gamma m^2 + 7 Wb m)) log(m) / sqrt m), rounded up.

    Args:
        log_sizes: log r_l of each layer.
        log_units: log(O_l c_l) of each layer.
        m: number of samples.
    """
    largest = max(size + count for size, count in zip(log_sizes, log_units, strict=True))
    inside = logsumexp([
        log_product([math.log(32), largest, 2 * math.log(m)]),
        log_product([math.log(7), math.log(m), max(log_units)]),
    ])  # fmt: skip
    log_cover = log_product([math.log(768), 0.5 * math.log(inside / LOG2), -0.5 * math.log(m)])
    log_samples = math.log(math.log(m)) if m > 1 else -math.inf
    total = log_product([log_cover, log_samples, 1.5 * logsumexp([2 / 3 * size for size in log_sizes])])
    return logsumexp([log_product([math.log(4), -math.log(m)]), total])


def log_reaches(
    steps: Sequence[ToeplitzStep],
    names: Sequence[str],
    numbers: Numbers,
    thresholds: Mapping[str, float],
    log_gamma: float,
) -> list[float]:
    """Return, per step, the log of the largest factor from a change of its value to a patch over its threshold or to the margin.

    In a chain the factor is max_{i >= l} prod_{k=l+1}^{i} s_k / b_{i+1}; contributions of several readers are added.

    Args:
        steps: steps of the network.
        names: names of the steps.
        numbers: logs of spectral norms.
        thresholds: log b_l of each layer.
        log_gamma: log of the margin.
    """
    passed: list[list[float]] = [[] for _ in steps]
    read: list[list[float]] = [[] for _ in steps]
    found = [-math.inf] * len(steps)
    read[-1].append(-log_gamma)
    for place in range(len(steps) - 1, -1, -1):
        step, name = steps[place], names[place]
        found[place] = max([_sum(passed[place]), *read[place]])
        widened = log_up(max(1.0, pooling(step.link)), 1) if isinstance(step, LayerStep) else 0.0
        for source in step.inputs:
            passed[source].append(log_product([log_lipschitz(step, name, numbers), found[place], widened]))
            if name in thresholds:
                read[source].append(log_product([widened, -thresholds[name]]))
    return found


def _sum(logs: list[float]) -> float:
    return logs[0] if len(logs) == 1 else logsumexp(logs)


# ---------------------------------------------------------------------------------------- numbers of a network


def largest_patch(layer: Affine) -> int:
    """Return the number of entries of the largest input patch that one output reads."""
    taps = [int(axis.taps().sum(1).max()) for axis in (layer.window.height, layer.window.width)]
    if layer.circular:
        taps = [layer.window.height.kernel, layer.window.width.kernel]
    return layer.weight.shape[1] * math.prod(taps)


def patch_numbers(problem: BoundInputs, numbers: Numbers) -> dict[str, float]:
    """Return ``"patch.NAME"`` -> log b_l: measured if there are data, otherwise an upper bound; 0 if the layer reads only zeros."""
    chain = problem.toeplitz()
    log_entry = log_up(problem.energies.largest, 4)
    image = log_product([log_entry, 0.5 * math.log(problem.network.inputs)])
    radii = log_radii(chain.steps, chain.names, numbers, image, 1)
    found = {}
    for name, step in chain.blocks():
        if isinstance(step, LayerStep) and problem.patches is not None:
            value = log_up(problem.patches[step.place], 4)
        elif isinstance(step, LayerStep) and step.inputs == (0,) and not step.link.pools:
            value = log_product([log_entry, 0.5 * math.log(largest_patch(step.link.layer))])
        else:
            pooled = log_up(pooling(step.link), 1) if isinstance(step, LayerStep) else 0.0
            value = log_product([radii[step.inputs[0]], pooled])
        found[f"patch.{name}"] = value if value > -math.inf else 0.0
    return found


@dataclass(frozen=True, eq=False)
class Filters:
    """The filters of a layer minus their reference, scaled to size 1 by a power of two.

    Attributes:
        norms: l2 norms of the filters, (channels,) float64.
        shifts: biases minus the reference, (channels,) float64; None if there are none.
        exponent: exponent of the power of two by which the norms were divided.
        entries: number of weights.
        last: whether the layer computes the network's output.
    """

    norms: torch.Tensor
    shifts: torch.Tensor | None
    exponent: int
    entries: int
    last: bool

    @classmethod
    def of(cls, problem: BoundInputs, step: Block) -> Filters:
        """Return the filters of a layer."""
        kernel = (
            weight_minus_init(problem, step.link.layer)
            if isinstance(step, LayerStep)
            else step.scale[:, None]
        )
        exponent, rows = exponent_of(kernel), max(1, BLOCK // max(1, kernel[:1].numel()))
        parts = [times_power(part, -exponent).flatten(1).square().sum(1) for part in kernel.split(rows)]
        norms = torch.cat(parts).sqrt()
        last = step is problem.toeplitz().steps[-1]
        return cls(norms, bias_moved(problem, step), exponent, kernel.numel(), last)

    def log_distance(self, t: float) -> float:
        """Return log a_l, rounded up; the bias divided by t is one more entry of each filter."""
        norms = self.norms
        if self.shifts is not None:
            norms = torch.hypot(norms, times_power(self.shifts / t, -self.exponent))
        total = float(norms.square().sum().sqrt() if self.last else norms.sum())
        return log_product([log_up(total, self.entries + norms.numel()), self.exponent * LOG2])


def compute(problem: BoundInputs) -> LossComplexity:
    """Evaluate the formula with the best t of the grid.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    chain, m = problem.toeplitz(), problem.energies.m
    every = measured(problem, lambda problem, chain, step: 0.0)
    moved_by = {
        name: Filters.of(problem, step) for name, step in chain.blocks() if f"distance.{name}" in every
    }
    blocks = [(name, step) for name, step in chain.blocks() if f"distance.{name}" in every]
    spectral = {key: value for key, value in every.items() if key.startswith("spectral.")}
    patches = patch_numbers(problem, every)
    patches = {f"patch.{name}": patches[f"patch.{name}"] for name, _ in blocks}
    units = [log_product([math.log(step.positions), math.log(_channels(step))]) for _, step in blocks]
    biased = any(bias_moved(problem, step) is not None for _, step in blocks)
    places = {name: place for place, name in enumerate(chain.names) if name}

    def complexity(t: float, given: Numbers, log_gamma: float) -> float:
        constant = math.log(t)
        thresholds = {
            name: _with_constant(given[f"patch.{name}"], constant, step.bias is not None)
            for name, step in blocks
        }
        reach = log_reaches(chain.steps, chain.names, given, thresholds, log_gamma)
        sizes = []
        for name, step in blocks:
            width = 0.0 if step is chain.steps[-1] else 0.5 * math.log(step.positions)
            sizes.append(
                log_product([thresholds[name], given[f"distance.{name}"], width, reach[places[name]]])
            )
        return log_complexity(sizes, units, m)

    def numbers(t: float) -> dict[str, float]:
        return {
            **spectral,
            **patches,
            **{f"distance.{name}": moved_by[name].log_distance(t) for name, _ in blocks},
        }

    constants = CONSTANTS if biased else (1.0,)
    best = min(constants, key=lambda t: complexity(t, numbers(t), 0.0)) if biased else 1.0
    found, names = numbers(best), [name for name, _ in blocks]
    terms: Terms = {
        "spectral_norms": by_name(names, found, "spectral"),
        "distances": by_name(names, found, "distance"),
        "distance_from": origin(problem, chain),
        "patch_norms": by_name(names, found, "patch"),
        "patch_norms_are": "from above" if problem.patches is None else "measured on the training data",
        "constant": best if biased else None,
        "bits": {"constant": constant_bits(biased)},
        "extended": extended(problem),
    }
    return LossComplexity(
        found, lambda given, log_gamma: complexity(best, given, log_gamma), constant_bits(biased), terms
    )


def _channels(step: Block) -> int:
    return step.link.layer.shape[0] if isinstance(step, LayerStep) else step.scale.numel()


def _with_constant(log_patch: float, log_t: float, biased: bool) -> float:
    """Return log sqrt(b^2 + t^2) for a layer with a bias, otherwise log b."""
    return 0.5 * logsumexp([2 * log_patch, 2 * log_t]) if biased else log_patch


register(
    Bound(
        "ledent2021", "loss", "published",
        "Ledent, Mustafa, Lei & Kloft 2021, Theorem 11; extended here beyond chains without biases (docs/theory/ledent2021.md)",
        (GRAPH, REFERENCE, SPECTRAL, "patch norms rounded up to a grid fixed before the sample", EXTENDED),
        compute, toeplitz=True, spectral=True, hypotheses=SPECTRAL_PATCHES,
    )
)  # fmt: skip

"""Sizes of single units relative to unit classes, and the cost of the contractions below them (kind F).

Every value of the network is written through *atoms*: unit functions of the input (a . x with ||a||_2 <= 1, or a coordinate of x), a
constant t, and ReLUs and maxima of convex, sign-symmetric combinations of atoms. A value v has two sizes relative to atoms:

    along   the smallest c such that a . v is in c times the hull of atoms for every a with ||a|| <= 1,
    units   a bound of the norm of the vector of its units' own scales.

The form *fro* has ||a||_2 and the Euclidean norm of the vector; the form *1inf* has ||a||_1 and the largest entry, and both sizes
are then the same number. A layer has units = ||A|| along + ||b|| / t in the norm of its form; a sum adds both sizes; a maximum over
k entries, each of which is in o windows, multiplies them by sqrt(k o) (fro) or k (1inf). The proof is in docs/theory/toeplitz.md,
proposition 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from boundcalc.bounds.toeplitz.reach import largest
from boundcalc.bounds.toeplitz.steps import (
    Block,
    Diagonal,
    Fixed,
    InputStep,
    LayerStep,
    Stack,
    SumStep,
    ToeplitzStep,
)
from boundcalc.norms.rounding import log_product, logsumexp
from boundcalc.rademacher.relu_cost import log_cost

Norms = Mapping[str, float]
"""``"norm.LAYER"`` and ``"bias.LAYER"`` -> logs of ||A|| and ||b|| in one form."""


@dataclass(frozen=True)
class LogSizes:
    """Logs of the two sizes of a value."""

    along: float
    units: float


@dataclass(frozen=True)
class ToeplitzNorm:
    """One of the two forms of the norms.

    Attributes:
        name: ``"fro"`` or ``"1inf"``.
        spread: number of inputs -> log of `units` of the raw input, whose `along` is 1.
        grown: fixed operation -> log of the factor by which it multiplies `units`.
        joined: log sizes of values -> log size of their concatenation.
    """

    name: str
    spread: Callable[[int], float]
    grown: Callable[[Fixed], float]
    joined: Callable[[Sequence[float]], float]


FRO = ToeplitzNorm(
    "fro",
    lambda inputs: 0.5 * math.log(inputs),
    lambda step: step.log_units,
    lambda logs: 0.5 * logsumexp([2 * value for value in logs]),
)
ONE_INF = ToeplitzNorm("1inf", lambda inputs: 0.0, lambda step: step.log_row, max)


Joint = Callable[[str, float, float], float]
"""Layer, log of the size that it reads, log t -> log of its own size, weights and bias of each unit together."""


def log_sizes(
    steps: Sequence[ToeplitzStep],
    names: Sequence[str],
    norms: Norms,
    form: ToeplitzNorm,
    inputs: int,
    log_t: float,
    joint: Joint | None = None,
) -> list[LogSizes]:
    """Return the sizes of every step.

    Args:
        steps: the steps of the network.
        names: name of each step; "" for a step without weights.
        norms: logs of the norms of matrices and biases.
        form: form of the norms.
        inputs: number of input units.
        log_t: log of the constant that carries biases.
        joint: function that returns the log size of a layer; None for ||A|| along + ||b|| / t.
    """
    found: list[LogSizes] = []
    for step, name in zip(steps, names, strict=True):
        below = [found[i] for i in step.inputs]
        match step:
            case InputStep():
                found.append(LogSizes(0.0, form.spread(inputs)))
            case SumStep():
                found.append(_each(logsumexp, below))
            case Stack():
                found.append(_each(form.joined, below))
            case LayerStep():
                if joint is None:
                    value = _shifted(log_product([norms[f"norm.{name}"], below[0].along]), name, norms, log_t)
                else:
                    value = joint(name, below[0].along, log_t)
                found.append(LogSizes(value, value))
            case Diagonal():
                own = norms.get(f"norm.{name}", largest(step))
                along, units = (
                    _shifted(log_product([own, value]), name, norms, log_t)
                    for value in (below[0].along, below[0].units)
                )
                found.append(LogSizes(along, units))
            case Fixed():
                units = log_product([form.grown(step), below[0].units])
                along = log_product([form.grown(step), below[0].along]) if step.levels == 0 else units
                found.append(LogSizes(min(along, units), units))
    return found


def _each(combine: Callable[[Sequence[float]], float], below: Sequence[LogSizes]) -> LogSizes:
    return LogSizes(combine([size.along for size in below]), combine([size.units for size in below]))


def _shifted(log_value: float, name: str, norms: Norms, log_t: float) -> float:
    """Return the log of a size plus ||b|| / t."""
    bias = norms.get(f"bias.{name}", -math.inf)
    return logsumexp([log_value, log_product([bias, -log_t])])


# ---------------------------------------------------------------------------------------- contractions


@dataclass(frozen=True)
class Contractions:
    """Factors by which the contractions between the output and the atoms at the bottom multiply an expectation.

    Attributes:
        log_inputs: log of the factor of the raw input, summed over the heights at which it leaves the recursion.
        log_constant: log of the factor of the constant that carries biases; -inf if no layer has a bias.
        levels: number of ReLUs and levels of maxima on the longest path.
    """

    log_inputs: float
    log_constant: float
    levels: int


def contractions(steps: Sequence[ToeplitzStep], place: int = -1) -> Contractions:
    """Return the factors for one value of the network, by default its output.

    There are two valid ways of counting, and the smaller factors are used:

    - path by path: a union of two sets of functions costs the sum of their factors;
    - level by level, if all contractions are ReLUs and maxima of values >= 0: a value h >= 0 equals max(h, 0), so it can be kept
      unchanged until deeper values have been reduced to its level, and only the longest path counts.

    Args:
        steps: the steps of the network.
        place: index of the step.
    """
    counted = steps[: place % len(steps) + 1]
    by_paths = _by_paths(counted)
    if not all(step.patient for step in _needed(counted) if isinstance(step, Fixed) and step.levels):
        return by_paths
    by_levels = _by_levels(counted)
    return Contractions(
        min(by_paths.log_inputs, by_levels.log_inputs), min(by_paths.log_constant, by_levels.log_constant), by_levels.levels
    )  # fmt: skip


def _needed(steps: Sequence[ToeplitzStep]) -> list[ToeplitzStep]:
    """Return the last step and all steps that it depends on."""
    wanted = {len(steps) - 1}
    for place in range(len(steps) - 1, -1, -1):
        if place in wanted:
            wanted |= set(steps[place].inputs)
    return [steps[place] for place in sorted(wanted)]


def _by_paths(steps: Sequence[ToeplitzStep]) -> Contractions:
    inputs: list[float] = []
    constant: list[float] = []
    levels: list[int] = []
    for step in steps:
        if isinstance(step, InputStep):
            inputs.append(0.0)
            constant.append(-math.inf)
            levels.append(0)
            continue
        cost = step.log_cost if isinstance(step, Fixed) else 0.0
        sources = sorted(set(step.inputs))
        own = [0.0] if isinstance(step, Block) and step.bias is not None else []
        inputs.append(log_product([cost, _union([inputs[i] for i in sources])]))
        constant.append(log_product([cost, _union([*own, *(constant[i] for i in sources)])]))
        levels.append(_levels(step) + max(levels[i] for i in sources))
    return Contractions(inputs[-1], constant[-1], levels[-1])


def _union(logs: list[float]) -> float:
    known = [value for value in logs if value > -math.inf]
    return known[0] if len(known) == 1 else logsumexp(known)


def _levels(step: ToeplitzStep) -> int:
    return step.levels if isinstance(step, Fixed) else 0


def _by_levels(steps: Sequence[ToeplitzStep]) -> Contractions:
    """Count level by level: the longest path, and the heights at which the raw input and the constant leave the recursion."""
    levels = [0] * len(steps)
    raw = [isinstance(step, InputStep) for step in steps]
    shifted = [False] * len(steps)
    for place, step in enumerate(steps):
        if step.inputs:
            linear = _levels(step) == 0
            levels[place] = _levels(step) + max(levels[i] for i in step.inputs)
            biased = isinstance(step, Block) and step.bias is not None
            raw[place] = linear and any(raw[i] for i in step.inputs)
            shifted[place] = linear and (biased or any(shifted[i] for i in step.inputs))
    last, wanted = len(steps) - 1, {id(step) for step in _needed(steps)}
    read = {i for step in steps if id(step) in wanted and _levels(step) for i in step.inputs} | {last}
    top = levels[last]

    def summed(flags: list[bool]) -> float:
        heights = sorted({levels[i] for i in read if flags[i]})
        return _union([log_cost(top - height) for height in heights]) if heights else -math.inf

    return Contractions(summed(raw), min(summed(shifted), log_cost(top)), top)

"""Bounds of values and Lipschitz constants in the Euclidean norm, for all networks whose layers have at most the given norms.

With s_l the spectral norm of layer l, b_l its bias repeated over its O_l positions and q_v the Lipschitz constant of a fixed
operation, the Frobenius norm R of a value over the sample and the Lipschitz constant G from a value to the output satisfy

    R(x) = ||X||,   R(A_l u + b_l) <= s_l R(u) + sqrt(O_l m) ||b_l||_2,   R(q u) <= q R(u),
    R(u + v) <= R(u) + R(v),   R([u, v])^2 <= R(u)^2 + R(v)^2;
    G(output) = 1,   G(u) <= sum over the readers v of u of Lip(u to v) G(v).

In networks with concatenations, Lipschitz constants are instead computed forwards from each layer, since squares add up there
(docs/theory/toeplitz.md, proposition 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from boundcalc.bounds.toeplitz.steps import (
    Block,
    Diagonal,
    Fixed,
    InputStep,
    LayerStep,
    Slopes,
    Stack,
    SumStep,
    ToeplitzStep,
)
from boundcalc.norms.rounding import LEAST, log_product, log_up, logsumexp

MOST_PAIRS = 2_000_000
"""Layers times steps above which Lipschitz constants are summed backwards in any case."""

Numbers = Mapping[str, float]
"""``"spectral.LAYER"``, ``"bias.LAYER"``, ... -> logarithm."""


def log_lipschitz(step: ToeplitzStep, name: str, numbers: Numbers) -> float:
    """Return the log of a step's Lipschitz constant in one of its inputs."""
    match step:
        case LayerStep():
            return numbers[f"spectral.{name}"]
        case Diagonal() | Slopes():
            return numbers.get(f"spectral.{name}", largest(step))
        case Fixed():
            return step.log_l2
        case _:
            return 0.0


def largest(step: Diagonal | Slopes) -> float:
    """Return the log of the largest factor of a diagonal layer, from above; a layer of zeros gets the smallest float64."""
    least = 1.0 if isinstance(step, Slopes) else LEAST
    return log_up(max(float(step.scale.abs().max()), least), 1)


def log_radii(
    steps: Sequence[ToeplitzStep], names: Sequence[str], numbers: Numbers, log_data: float, m: int
) -> list[float]:
    """Return log R for every step.

    Args:
        steps: the steps of the network.
        names: name of each step; "" for a step without weights.
        numbers: logs of spectral norms and of ||b_l||_2.
        log_data: log ||X||_F.
        m: number of samples.
    """
    found: list[float] = []
    for step, name in zip(steps, names, strict=True):
        below = [found[i] for i in step.inputs]
        match step:
            case InputStep():
                found.append(log_data)
            case SumStep():
                found.append(logsumexp(below))
            case Stack():
                found.append(0.5 * logsumexp([2 * value for value in below]))
            case _:
                grown = log_product([log_lipschitz(step, name, numbers), below[0]])
                found.append(logsumexp([grown, log_shift(step, name, numbers, m)]))
    return found


def log_shift(step: ToeplitzStep, name: str, numbers: Numbers, m: int) -> float:
    """Return the log of sqrt(O m) ||b||_2, the norm of the bias over all positions and samples; -inf without a bias."""
    if not isinstance(step, Block) or step.bias is None:
        return -math.inf
    own = numbers.get(f"bias.{name}")
    size = log_norm(step) if own is None else own
    return log_product([0.5 * math.log(step.positions * m), size])


def log_norm(step: Block) -> float:
    """Return the log of ||b||_2 over channels, from above."""
    from boundcalc.norms.kernels import frobenius

    assert step.bias is not None
    return frobenius(step.bias[:, None, None, None]).log


def log_gains(steps: Sequence[ToeplitzStep], names: Sequence[str], numbers: Numbers) -> list[float]:
    """Return log G for every step with a name: the Lipschitz constant from its value to the output; -inf for the others.

    Args:
        steps: the steps of the network.
        names: name of each step.
        numbers: logs of spectral norms.
    """
    named = [place for place, name in enumerate(names) if name]
    stacked = any(isinstance(step, Stack) for step in steps)
    if stacked and len(named) * len(steps) <= MOST_PAIRS:
        forward = {place: _log_gain_of(place, steps, names, numbers) for place in named}
        return [forward.get(place, -math.inf) for place in range(len(steps))]
    return _backwards(steps, names, numbers)


def _backwards(steps: Sequence[ToeplitzStep], names: Sequence[str], numbers: Numbers) -> list[float]:
    arriving: list[list[float]] = [[] for _ in steps]
    arriving[-1].append(0.0)
    gains = [-math.inf] * len(steps)
    for place in range(len(steps) - 1, -1, -1):
        gains[place] = logsumexp(arriving[place]) if len(arriving[place]) != 1 else arriving[place][0]
        own = log_lipschitz(steps[place], names[place], numbers)
        for source in steps[place].inputs:
            arriving[source].append(log_product([own, gains[place]]))
    return gains


def _log_gain_of(start: int, steps: Sequence[ToeplitzStep], names: Sequence[str], numbers: Numbers) -> float:
    """Return the log of the Lipschitz constant from one step's value to the output, computed forwards step by step."""
    gains = [-math.inf] * len(steps)
    gains[start] = 0.0
    for place in range(start + 1, len(steps)):
        step, below = steps[place], [gains[i] for i in steps[place].inputs]
        if all(value == -math.inf for value in below):
            continue
        if isinstance(step, Stack):
            gains[place] = 0.5 * logsumexp([2 * value for value in below])
        else:
            gains[place] = log_product([log_lipschitz(step, names[place], numbers), logsumexp(below)])
    return gains[-1]

"""The l1 path norm: one forward pass with absolute weights on the all-ones input.

Every channel has its own power of two, so that no product over layers overflows or underflows; multiplying by it is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from boundcalc.network.coverage import KNOWN_NODES, operation_name_by_size, require
from boundcalc.network.forward import affine, rearrange
from boundcalc.network.network import Network
from boundcalc.network.ops import (
    Activation,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    Input,
    LeakyReLU,
    MaxPool,
    Node,
    Rearrange,
    ReLU,
)
from boundcalc.norms.rounding import LEAST, LOG2, log_error, logsumexp

_BLOCK = 2**22
"""Number of weights of a layer that are scaled at once."""
MODERATE = 300
"""Powers of two up to which numbers may lie apart for layers to be computed without scaling their weights."""
_NOTHING = -(2.0**40)
"""Exponent that stands for a channel that is zero everywhere."""


@dataclass(frozen=True, eq=False)
class ScaledFloat:
    """A non-negative value ``x * 2**exponent``.

    Attributes:
        x: mantissas, (channels, height, width) float64.
        exponent: exponent of each channel, (channels,) float64 integers.
    """

    x: torch.Tensor
    exponent: torch.Tensor


Known = dict[int, tuple[Node, tuple[ScaledFloat, ...], ScaledFloat]]
"""Place of a node -> the node, the values that it read and its own, in a pass through absolute weights."""


def log_path_norm(
    network: Network, *, inputs: bool = True, biases: bool = True, known: Known | None = None
) -> float:
    """Return an upper bound of log ||Phi||_1. A max pooling counts as the sum over its window, since every entry is on a path.

    Args:
        network: the network.
        inputs: whether paths that start at an input count.
        biases: whether paths that start at a bias count.
        known: values of an earlier pass, as in `log_absolute_pass`.

    Raises:
        NotCovered: an operation is not positively homogeneous or not known.
    """
    require(network, tuple(kind for kind in KNOWN_NODES if kind is not Activation), operation_name_by_size)
    return log_absolute_pass(network, inputs=inputs, biases=biases, known=known)


def log_absolute_pass(
    network: Network, *, inputs: bool = True, biases: bool = True, known: Known | None = None
) -> float:
    """Return an upper bound of the log of the sum of the outputs, with absolute weights and biases and every input 1.

    Activations count with their Lipschitz constants. So the sum bounds the l1 norm of the change of the outputs if every input
    changes by 1 and every bias by its own absolute value.

    Args:
        network: network of known operations.
        inputs: whether paths that start at an input count.
        biases: whether paths that start at a bias or shift count.
        known: values of an earlier pass of the same kind. They are reused for a node if it and all nodes before it are the same;
            new values are added.

    Raises:
        NotCovered: an operation is not known.
    """
    require(network, KNOWN_NODES)
    known = {} if known is None else known
    values: list[ScaledFloat] = []
    for index, node in enumerate(network.nodes):
        sources = [values[i] for i in node.inputs]
        met = known.get(index)
        if met is None or met[0] is not node or any(a is not b for a, b in zip(met[1], sources, strict=True)):
            if isinstance(node, Input):
                ones = torch.full(node.shape, float(inputs), dtype=torch.float64)
                value = ScaledFloat(ones, torch.zeros(node.shape[0]).double())
            else:
                value = _absolute(node, sources, biases=biases)
            met = known[index] = node, tuple(sources), value
        values.append(met[2])
    last = _normalized(values[-1])
    totals = last.x.sum((1, 2)).tolist()
    logs = [
        math.log(total) + exponent * LOG2
        for total, exponent in zip(totals, last.exponent.tolist(), strict=True)
        if total > 0
    ]
    result = logsumexp(logs)
    return result if result == -math.inf else result + log_error(_terms(network), 4, abs(result))


def _terms(network: Network) -> int:
    layers = sum(layer.weight[0].numel() + 8 for layer in network.layers())
    return layers + sum(sum(node.shape) + 8 for node in network.nodes) + network.inputs


def _absolute(node: Node, inputs: list[ScaledFloat], *, biases: bool) -> ScaledFloat:
    value = inputs[0]
    match node:
        case Affine():
            return _normalized(_affine(node, value, biases=biases))
        case ReLU():
            return value
        case AvgPool():
            return ScaledFloat(node.rows_h.abs() @ value.x @ node.rows_w.abs().T, value.exponent)
        case MaxPool():
            return ScaledFloat(_window_sum(node, value.x[None])[0], value.exponent)
        case Rearrange():
            return _rearranged(node, value)
        case Concat():
            return ScaledFloat(torch.cat([v.x for v in inputs]), torch.cat([v.exponent for v in inputs]))
        case LeakyReLU():
            return _normalized(_times(value, node.slopes.abs().clamp(min=1.0)))
        case Activation():
            return _normalized(_times(value, torch.tensor([node.lipschitz], dtype=torch.float64)))
        case ChannelAffine():
            shifts = node.shift.abs() * float(biases)
            shift = ScaledFloat(shifts[:, None, None].expand(node.shape), torch.zeros_like(node.shift))
            return _sum(_times(value, node.scale.abs()), shift)
        case _:
            return _sum(value, inputs[1])


def _times(value: ScaledFloat, factors: torch.Tensor) -> ScaledFloat:
    exponents = _exponents(factors)
    unit = _times_power(factors, -exponents)
    return ScaledFloat(value.x * unit[:, None, None], value.exponent + exponents)


def _sum(first: ScaledFloat, second: ScaledFloat) -> ScaledFloat:
    top = torch.maximum(first.exponent, second.exponent)
    x, y = (_times_power(v.x, (v.exponent - top)[:, None, None]) for v in (first, second))
    return _normalized(ScaledFloat(x + y, top))


def _times_power(x: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """Return x * 2**exponent for non-negative x; a positive value that would underflow becomes the smallest float64."""
    mantissa, own = np.frexp(x.numpy())
    total = np.clip(own + exponent.numpy(), -1100, 1100).astype(np.int32)
    scaled = np.ldexp(mantissa, total)
    return torch.from_numpy(np.where((mantissa > 0) & (scaled == 0), LEAST, scaled))


def _exponents(x: torch.Tensor) -> torch.Tensor:
    own = torch.from_numpy(np.frexp(x.numpy())[1].astype(np.float64))
    return torch.where(x > 0, own, _NOTHING)


def _normalized(value: ScaledFloat) -> ScaledFloat:
    top = _exponents(value.x.amax((1, 2)))
    x = _times_power(value.x, -top[:, None, None])
    return ScaledFloat(x, torch.where(top == _NOTHING, top, value.exponent + top))


def _affine(node: Affine, value: ScaledFloat, *, biases: bool) -> ScaledFloat:
    out, width = node.weight.shape[:2]
    if node.groups == 1 and node.window.out == (1, 1) and node.weight.numel() > _BLOCK:
        rows = max(1, _BLOCK // node.weight[0].numel())
        parts = [_rows(node, value, slice(k, k + rows), biases=biases) for k in range(0, out, rows)]
        return ScaledFloat(
            torch.cat([part.x for part in parts]), torch.cat([part.exponent for part in parts])
        )
    weight = node.weight.abs()
    bias = torch.zeros(out, dtype=torch.float64) if node.bias is None or not biases else node.bias.abs()
    common = _at_one_scale(value)
    if common is not None and all(map(_moderate, (common.x, weight, bias))):
        shift = _times_power(bias, -common.exponent)
        return ScaledFloat(affine(node, common.x[None], weight, shift)[0], common.exponent.expand(out))
    own = value.exponent.reshape(node.groups, 1, width).expand(-1, out // node.groups, -1)
    source = own.reshape(out, width)[:, :, None, None]
    top = torch.maximum((_exponents(weight) + source).amax((1, 2, 3)), _exponents(bias))
    kernel = _times_power(weight, source - top[:, None, None, None])
    x = affine(node, value.x[None], kernel, _times_power(bias, -top))[0]
    return ScaledFloat(x, top)


def _at_one_scale(value: ScaledFloat) -> ScaledFloat | None:
    """Return a value with one exponent, (1,), for all channels; None if the exponents are too far apart for this to be exact."""
    alive = value.exponent != _NOTHING
    if not bool(alive.any()):
        return None
    top, least = float(value.exponent[alive].max()), float(value.exponent[alive].min())
    if abs(top) > MODERATE or top - least > MODERATE:
        return None
    factors = _times_power(torch.ones_like(value.exponent), value.exponent - top)
    return ScaledFloat(value.x * factors[:, None, None], torch.tensor([top], dtype=torch.float64))


def _moderate(x: torch.Tensor) -> bool:
    """Return whether products with such non-negative numbers, and sums of them, neither underflow nor overflow."""
    largest, least = float(x.amax()), float(x.where(x > 0, 1.0).amin())
    return largest <= 2.0**MODERATE and least >= 2.0**-MODERATE


def _rows(node: Affine, value: ScaledFloat, part: slice, *, biases: bool) -> ScaledFloat:
    weight = node.weight[part]
    own = replace(
        node,
        weight=weight,
        bias=None if node.bias is None else node.bias[part],
        support=node.support[part],
        shape=(len(weight), 1, 1),
    )
    return _affine(own, value, biases=biases)


def _rearranged(node: Rearrange, value: ScaledFloat) -> ScaledFloat:
    exponents = rearrange(node, value.exponent[:, None, None].expand(value.x.shape)[None])[0]
    exponents = torch.where(node.source >= 0, exponents, _NOTHING)
    top = exponents.amax((1, 2))
    x = _times_power(rearrange(node, value.x[None])[0], exponents - top[:, None, None])
    return ScaledFloat(x, top)


def _window_sum(node: MaxPool, x: torch.Tensor) -> torch.Tensor:
    window = node.window
    room = [
        max(0, (axis.out - 1) * axis.stride + axis.reach - axis.size - axis.before)
        for axis in (window.width, window.height)
    ]
    padded = F.pad(x, [window.width.before, room[0], window.height.before, room[1]])
    ones = torch.ones(x.shape[1], 1, *window.kernel, dtype=x.dtype)
    summed = F.conv2d(padded, ones, None, window.stride, dilation=window.dilation, groups=x.shape[1])
    return summed[:, :, : window.out[0], : window.out[1]]

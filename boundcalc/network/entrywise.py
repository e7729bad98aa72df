"""Entrywise operations: activations, fixed and trained scales and shifts, sums of two values."""

from __future__ import annotations

from collections.abc import Callable

import torch

from boundcalc.checkpoint.program import Call, Ref
from boundcalc.network.draft import Draft, Value, operand
from boundcalc.network.ops import Activation, Add, ChannelAffine, LeakyReLU, ReLU, Weight

LIPSCHITZ = {
    "celu": 1.0, "gelu": 1.12905, "hardswish": 1.5, "mish": 1.0885, "relu6": 1.0, "selu": 1.7580994, "silu": 1.09984,
    "softsign": 1.0, "tanh": 1.0,
}  # fmt: skip
"""Lipschitz constants of activation functions with value 0 at 0, from above; gelu's is 1.12890, that of its tanh form 1.12904."""

_ZEROS = frozenset({"new_zeros", "zeros", "zeros_like"})


def _relu(draft: Draft, call: Call) -> Value:
    source = draft.input_of(call)
    return draft.append(ReLU("relu", (source.node,), draft.node_shape(source)), source.shape)


def _threshold(draft: Draft, call: Call) -> Value | None:
    rectifies = call.args.get("threshold", 0) == 0 and call.args.get("value", 0) == 0
    return _relu(draft, call) if rectifies else None


def _clamp(draft: Draft, call: Call) -> Value | None:
    """Convert a clamp: one whose interval contains 0 has value 0 at 0; a clamp to [0, inf) is a ReLU."""
    low = call.args.get("min", call.args.get("min_val"))
    high = call.args.get("max", call.args.get("max_val"))
    if call.packet.startswith("hardtanh"):
        low, high = (-1 if low is None else low), (1 if high is None else high)
    numbers = [bound for bound in (low, high) if bound is not None]
    if not numbers or not all(isinstance(bound, int | float) for bound in numbers):
        return None
    if (low, high) == (0, None):
        return _relu(draft, call)
    inside = (low is None or low <= 0) and (high is None or high >= 0)
    return _activated(draft, call, 1.0) if inside else None


def _activated(draft: Draft, call: Call, lipschitz: float) -> Value | None:
    source = draft.input_of(call)
    given = {name: value for name, value in call.args.items() if not isinstance(value, Ref)}
    if any(isinstance(value, list) for value in given.values()):
        return None
    name = call.packet.rstrip("_")
    node = Activation(name, (source.node,), draft.node_shape(source), call.op, given, lipschitz)
    return draft.append(node, source.shape)


def _smooth(draft: Draft, call: Call) -> Value | None:
    return _activated(draft, call, LIPSCHITZ[call.packet.rstrip("_")])


def _elu(draft: Draft, call: Call) -> Value | None:
    alpha, scale, inner = (float(call.args.get(name, 1.0)) for name in ("alpha", "scale", "input_scale"))
    if scale < 0 or inner < 0:
        return None
    return _activated(draft, call, scale * max(1.0, abs(alpha) * inner))


def _leaky_relu(draft: Draft, call: Call) -> Value:
    source = draft.input_of(call)
    shape, slope = draft.node_shape(source), float(call.args.get("negative_slope", 0.01))
    slopes = torch.full(shape[:1], slope, dtype=torch.float64)
    return draft.append(LeakyReLU("leaky_relu", (source.node,), shape, slopes), source.shape)


def _prelu(draft: Draft, call: Call) -> Value | None:
    source, given = draft.input_of(call), call.args.get("weight")
    if not isinstance(given, Ref) or given.name in draft.values or draft.computed(given) is None:
        return None
    slopes = draft.parameters.value(given.name).double().flatten()
    if slopes.numel() > 1:
        source = draft.by_channel(source)
    shape = draft.node_shape(source)
    if slopes.numel() not in {1, shape[0]}:
        return None
    weights, _ = draft.read(call, "weight", given)
    name = draft.module_of(call) or "prelu"
    node = LeakyReLU(name, (source.node,), shape, slopes.expand(shape[0]), tuple(weights))
    return draft.append(node, source.shape)


def maximum(draft: Draft, call: Call) -> Value | None:
    """Convert the maximum of a value and 0, which is a ReLU; None for any other maximum.

    Args:
        draft: the network under construction.
        call: the maximum of two operands.
    """
    sides = [call.args.get("self"), call.args.get("other")]
    for value, zero in (sides, sides[::-1]):
        if isinstance(value, Ref) and value.name in draft.values and _is_zero(draft, zero):
            source = draft.values[value.name]
            return draft.append(ReLU("relu", (source.node,), draft.node_shape(source)), source.shape)
    return None


def _is_zero(draft: Draft, argument: object) -> bool:
    if not isinstance(argument, Ref):
        return argument == 0
    maker = draft.parameters.producers.get(argument.name)
    while maker is not None and maker.packet in {
        "alias",
        "clone",
        "detach",
        "detach_",
        "expand",
        "lift_fresh",
    }:
        argument = operand(maker)
        maker = draft.parameters.producers.get(argument.name)
    if maker is not None and maker.packet in _ZEROS:
        return True
    if maker is not None and maker.packet in {"full", "full_like", "scalar_tensor"}:
        return maker.args.get("fill_value", maker.args.get("s")) == 0
    known = None if argument.name in draft.values else draft.computed(argument)
    return known is not None and not draft.keys_of(argument) and not bool(known.any())


def scaled(draft: Draft, source: Value, factor: float) -> Value:
    """Return a value times a constant of the architecture."""
    if factor == 1.0:
        return source
    shape = draft.node_shape(source)
    scale = torch.full(shape[:1], factor, dtype=torch.float64)
    node = ChannelAffine("mul", (source.node,), shape, scale, torch.zeros_like(scale), trained=False)
    return draft.append(node, source.shape)


class _Operand:
    """The number or tensor that an operation combines with a value, one entry per channel.

    Attributes:
        source: the value, stored so that each entry belongs to one of its channels.
        entries: (channels,) float64.
        weights: as in `Draft.read`.
        biases: as in `Draft.read`.
        trained: whether it is computed from tensors of the file.
    """

    def __init__(self, source: Value, entries: torch.Tensor) -> None:
        self.source, self.entries = source, entries
        self.weights: list[Weight] = []
        self.biases: dict[str, int] = {}
        self.trained = False

    @classmethod
    def of(cls, draft: Draft, call: Call, name: str, value: Value) -> _Operand | None:
        """Return an argument as an operand, or None if its entries differ within a channel or are unknown."""
        argument = call.args.get(name)
        channels = draft.node_shape(value)[0]
        if isinstance(argument, int | float) and not isinstance(argument, bool):
            return cls(value, torch.full((channels,), float(argument), dtype=torch.float64))
        known = draft.computed(argument) if isinstance(argument, Ref) else None
        if known is None or not isinstance(argument, Ref):
            return None
        known = known[0] if known.dim() == len(value.shape) + 1 and known.shape[0] == 1 else known
        try:
            entries = known.broadcast_to(value.shape).flatten()
        except RuntimeError:
            return None
        if bool((entries == entries[0]).all()):
            found = cls(value, entries[:1].expand(channels))
        else:
            source = draft.by_channel(value)
            rows = entries.reshape(draft.node_shape(source)[0], -1)
            if not bool((rows == rows[:, :1]).all()):
                return None
            found = cls(source, rows[:, 0])
        found.trained = bool(draft.keys_of(argument))
        found.weights, found.biases = draft.read(call, name, argument)
        return found

    def diagonal(self, draft: Draft, call: Call, scale: torch.Tensor, shift: torch.Tensor) -> Value:
        """Return the value ``scale * source + shift``."""
        if not self.trained and bool((scale == 1).all()) and not bool(shift.any()):
            return self.source
        node = ChannelAffine(
            draft.module_of(call) or call.packet.rstrip("_"), (self.source.node,), draft.node_shape(self.source), scale,
            shift, 0.0, self.trained, tuple(self.weights), tuple(self.biases.items()),
        )  # fmt: skip
        return draft.append(node, self.source.shape)


def _sides(draft: Draft, call: Call) -> list[Value | None]:
    """Return the values of an operation's two operands, or None for one that does not depend on the input."""
    found = []
    for name in ("self", "other"):
        argument = call.args.get(name)
        found.append(draft.values.get(argument.name) if isinstance(argument, Ref) else None)
    return found


def _product(draft: Draft, call: Call) -> Value | None:
    left, right = _sides(draft, call)
    if (left is None) == (right is None):
        return None
    value, name = (left, "other") if left is not None else (right, "self")
    assert value is not None
    operand = _Operand.of(draft, call, name, value)
    return None if operand is None else operand.diagonal(draft, call, operand.entries, operand.entries * 0)


def _quotient(draft: Draft, call: Call) -> Value | None:
    left, right = _sides(draft, call)
    if left is None or right is not None or call.args.get("rounding_mode") is not None:
        return None
    operand = _Operand.of(draft, call, "other", left)
    if operand is None or not bool(operand.entries.all()):
        return None
    return operand.diagonal(draft, call, operand.entries.reciprocal(), operand.entries * 0)


def _negative(draft: Draft, call: Call) -> Value:
    return scaled(draft, draft.input_of(call), -1.0)


def _combined(
    left_sign: float, right_sign: float, *, swapped: bool = False
) -> Callable[[Draft, Call], Value | None]:
    """Return a conversion of ``left_sign * self + right_sign * alpha * other``; if swapped, `alpha` multiplies `self`
    instead.
    """

    def convert(draft: Draft, call: Call) -> Value | None:
        alpha = call.args.get("alpha", 1)
        if not isinstance(alpha, int | float):
            return None
        factors = [left_sign, right_sign * alpha]
        if swapped:
            factors = [left_sign * alpha, right_sign]
        left, right = _sides(draft, call)
        if left is not None and right is not None:
            return _sum_of_values(draft, scaled(draft, left, factors[0]), scaled(draft, right, factors[1]))
        value, name = (left, "other") if left is not None else (right, "self")
        own, other = factors if left is not None else factors[::-1]
        operand = None if value is None else _Operand.of(draft, call, name, value)
        if operand is None:
            return None
        ones = torch.ones_like(operand.entries)
        return operand.diagonal(draft, call, own * ones, other * operand.entries)

    return convert


def _sum_of_values(draft: Draft, left: Value, right: Value) -> Value | None:
    if left.shape != right.shape:
        return None
    if draft.node_shape(left) != draft.node_shape(right):
        left, right = draft.by_channel(left), draft.by_channel(right)
    return draft.append(Add("add", (left.node, right.node), draft.node_shape(left)), left.shape)


ENTRYWISE: dict[str, Callable[[Draft, Call], Value | None]] = {
    "relu": _relu, "threshold": _threshold,
    **dict.fromkeys(("clamp_min", "clamp_max", "clamp", "clip", "hardtanh"), _clamp),
    **dict.fromkeys(LIPSCHITZ, _smooth), "elu": _elu, "leaky_relu": _leaky_relu, "prelu": _prelu, "_prelu_kernel": _prelu,
    "maximum": maximum, "mul": _product, "multiply": _product, "div": _quotient, "divide": _quotient, "neg": _negative,
    "add": _combined(1.0, 1.0), "sub": _combined(1.0, -1.0), "subtract": _combined(1.0, -1.0),
    "rsub": _combined(-1.0, 1.0, swapped=True),
}  # fmt: skip

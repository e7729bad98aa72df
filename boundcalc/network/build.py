"""From a captured program to a network: every operation understood, or kept as `Unknown`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from boundcalc.checkpoint.program import Call, Program, Ref
from boundcalc.network.folding import fold_batchnorm, relu_before_max_pool
from boundcalc.network.geometry import Axis, Window
from boundcalc.network.network import Network
from boundcalc.network.ops import (
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Input,
    MaxPool,
    Node,
    Rearrange,
    ReLU,
    Shape,
    Slot,
    Unknown,
)
from boundcalc.network.pooling import adaptive_rows, average_rows
from boundcalc.network.weights import Parameters, plain_key, references, substitute


@dataclass(frozen=True)
class Value:
    """A value of the program: the node that computes it and the shape in which the program sees it."""

    node: int
    shape: tuple[int, ...]


def image(shape: tuple[int, ...]) -> Shape:
    """Return the (channels, height, width) in which a per-sample shape is kept.

    Raises:
        ValueError: more than three dimensions.
    """
    if len(shape) > 3:
        raise ValueError(f"a value of shape {shape} per sample is not an image")
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    return (shape[0], 1, 1) if len(shape) == 1 else (shape[0], shape[1], shape[2])


def _pair(value: object, default: object = None) -> tuple[int, int]:
    value = default if value is None or value == [] else value
    if isinstance(value, int):
        return value, value
    assert isinstance(value, list | tuple)
    return (int(value[0]), int(value[-1]))


class Builder:
    """Walks a program once and collects nodes; `network` at the end.

    Args:
        program: the captured forward pass.
        state: raw state dict of the program.
        tensors: canonical tensors that replace entries of `state` (masked weights).
        masks: declared masks, keys as in `tensors`.
    """

    def __init__(
        self,
        program: Program,
        state: Mapping[str, torch.Tensor],
        tensors: Mapping[str, torch.Tensor],
        masks: Mapping[str, torch.Tensor],
    ) -> None:
        self.program = program
        self.parameters = Parameters(program, state, tensors)
        self.masks = masks
        self.used: set[str] = set()
        shape = tuple(program.shapes[program.inputs[0]][1:])
        self.nodes: list[Node] = [Input(program.inputs[0], (), _flat_image(shape))]
        self.values: dict[str, Value] = {program.inputs[0]: Value(0, shape)}
        self.wrapped: dict[int, tuple[Value, list[int]]] = {}
        self.notes: list[str] = []
        self._shared: dict[str, str] = {}

    def network(self, source: str) -> Network:
        """Return the network.

        Raises:
            ValueError: a shape, weight or operand that cannot be understood; the message names it.
        """
        for index, call in enumerate(self.program.calls):
            if any(ref.name in self.values for ref in references(call.args)):
                before = self.values.get(_operand(call).name)
                self._convert(call)
                self._keep_views(index, call, before)
        output = self.values.get(self.program.output)
        if output is None:
            raise ValueError("the output does not depend on the input")
        nodes = self._reachable(self._without_final_softmax(output.node))
        nodes = relu_before_max_pool(fold_batchnorm(nodes))
        return Network(tuple(nodes), source, self.values[self.program.inputs[0]].shape, tuple(self.notes))

    def unused(self) -> list[str]:
        """Return the weight keys of the program that no converted operation read."""
        weights = {key for key in self.program.state.values() if not _is_counter(key)}
        return sorted(key for key in weights if plain_key(key) not in self.used)

    def _convert(self, call: Call) -> None:
        packet = call.op.partition(".")[0]
        handler = _HANDLERS.get(packet.rstrip("_"))
        value = handler(self, call) if handler else None
        if value is not None:
            self.values[call.outputs[0]] = value
        elif packet in {"_local_scalar_dense", "item", "is_nonzero"}:
            self.notes.append(f"branches that depend on values ({packet}) are taken as one input took them")
        elif not packet.startswith(("_assert", "sym_")):
            self._unknown(call, packet)

    def _keep_views(self, index: int, call: Call, before: Value | None) -> None:
        """Note which values share memory, and let an in-place operation change all of them.

        Raises:
            ValueError: a part of a value is changed in place and the whole is read afterwards, or the reverse.
        """
        packet, operand = call.op.partition(".")[0], _operand(call).name
        in_place = _in_place(packet)
        memory = self._shared.get(operand, operand)
        if in_place or packet in _VIEWS:
            self._shared |= dict.fromkeys(call.outputs, memory)
        if not in_place or before is None:
            return
        after = self.values[call.outputs[0]]
        self.values[operand] = after
        later = {ref.name for c in self.program.calls[index + 1 :] for ref in references(c.args)}
        for name in (later | {self.program.output}) & set(self.values) - {operand, *call.outputs}:
            if self._shared.get(name, name) != memory:
                continue
            if self.values[name].node != before.node:
                raise ValueError(f"{call.op} changes a part of {name}, which is read afterwards")
            self.values[name] = Value(after.node, self.values[name].shape)

    def input_of(self, call: Call) -> Value:
        """Return the value that a call's first tensor argument names."""
        return self.values[_operand(call).name]

    def node_shape(self, value: Value) -> Shape:
        """Return the image shape in which the value is kept."""
        return self.nodes[value.node].shape

    def out_shape(self, call: Call) -> tuple[int, ...]:
        """Return the per-sample shape of a call's first output."""
        return tuple(self.program.shapes[call.outputs[0]][1:])

    def append(self, node: Node, shape: tuple[int, ...]) -> Value:
        """Add a node and return its value."""
        self.nodes.append(node)
        return Value(len(self.nodes) - 1, shape)

    def tensor(self, argument: object) -> torch.Tensor | None:
        """Return a parameter argument in float64, or None."""
        if argument is None:
            return None
        assert isinstance(argument, Ref)
        self.used |= {plain_key(key) for key in self.parameters.keys_behind(argument.name)}
        return self.parameters.value(argument.name).double()

    def is_parameter(self, argument: object) -> bool:
        """Return whether an argument is a tensor that no input enters."""
        return isinstance(argument, Ref) and bool(self.parameters.keys_behind(argument.name))

    def sizes(self, argument: object) -> tuple[int, ...]:
        """Return the sizes of a parameter argument."""
        assert isinstance(argument, Ref)
        return tuple(self.parameters.value(argument.name).shape)

    def key_of(self, argument: object) -> str:
        """Return the one canonical key behind a parameter argument, or the value's name."""
        assert isinstance(argument, Ref)
        keys = sorted({plain_key(key) for key in self.parameters.keys_behind(argument.name)})
        weights = [key for key in keys if key.endswith("weight")] or keys
        return weights[0] if weights else argument.name

    def module_of(self, call: Call) -> str:
        """Return the layer name of the first parameter that a call reads, or the value's own name."""
        for ref in references(call.args):
            if ref.name not in self.values and self.parameters.keys_behind(ref.name):
                return self.key_of(ref).rpartition(".")[0]
        return call.outputs[0] if call.outputs else call.op

    def affine(
        self,
        source: Value,
        kind: str,
        weight_of: object,
        bias_of: object,
        arrange: Callable[[torch.Tensor], torch.Tensor],
    ) -> Affine:
        """Make a layer; `arrange` turns its weight, as the program reads it, into (out, in, height, width)."""
        assert isinstance(weight_of, Ref)
        weight = self.tensor(weight_of)
        assert weight is not None
        kernel, key = arrange(weight), self.key_of(weight_of)
        mask = self.masks.get(key)
        declared = None if mask is None else arrange(self.parameters.moved(weight_of.name, mask.bool()))
        stored = self.parameters.tensors.get(key, self.parameters.value(weight_of.name))
        size = self.node_shape(source)[1:]
        return Affine(
            key.removesuffix(".weight"), (source.node,), (kernel.shape[0], 1, 1), kind, kernel,
            self.tensor(bias_of), kernel != 0 if declared is None else (kernel != 0) & declared, declared,
            tuple(stored.shape), Window.whole(size),
        )  # fmt: skip

    def _unknown(self, call: Call, packet: str) -> None:
        inputs: list[Value] = []

        def slot(ref: Ref) -> object:
            if ref.name not in self.values:
                return self.tensor(ref)
            inputs.append(self.values[ref.name])
            return Slot(len(inputs) - 1)

        args = substitute(call.args, slot)
        if not call.outputs:
            raise ValueError(f"the operation {call.op} returns nothing that could be read")
        name = f"{packet} ({self.module_of(call)})" if self.module_of(call) != packet else packet
        for output in call.outputs:
            if output not in self.program.shapes:
                continue
            shape = tuple(self.program.shapes[output][1:])
            node = Unknown(
                name, tuple(value.node for value in inputs), _flat_image(shape), call.op, args,
                tuple(value.shape for value in inputs),
            )  # fmt: skip
            self.values[output] = self.append(node, shape)

    def _without_final_softmax(self, index: int) -> int:
        node = self.nodes[index]
        packet = node.op.partition(".")[0] if isinstance(node, Unknown) else ""
        if not isinstance(node, Unknown) or packet.strip("_") not in {"log_softmax", "softmax"}:
            return index
        if len(node.read_as[0]) != 1 or node.args.get("dim") not in {1, -1}:
            return index
        self.notes.append(f"the final {packet.strip('_')} is left out: the outputs are the logits")
        return node.inputs[0]

    def _reachable(self, output: int) -> list[Node]:
        needed = {0, output}
        for index in range(output, -1, -1):
            if index in needed:
                needed |= set(self.nodes[index].inputs)
        order = sorted(needed)
        position = {old: new for new, old in enumerate(order)}
        return [_moved(self.nodes[old], position) for old in order]


def _moved(node: Node, position: dict[int, int]) -> Node:
    return replace(node, inputs=tuple(position[i] for i in node.inputs))


def _is_counter(key: str) -> bool:
    return key.rpartition(".")[2] in {"num_batches_tracked", "running_mean", "running_var"}


def _in_place(packet: str) -> bool:
    return packet.endswith("_") and not packet.startswith("_")


def _operand(call: Call) -> Ref:
    for argument in call.args.values():
        if isinstance(argument, Ref):
            return argument
    return references(call.args)[0]


def _flat_image(shape: tuple[int, ...]) -> Shape:
    return image(shape) if 1 <= len(shape) <= 3 else (math.prod(shape), 1, 1)


def _linear(build: Builder, call: Call) -> Value | None:
    source = build.input_of(call)
    if len(source.shape) != 1 or not build.is_parameter(call.args["weight"]):
        return None
    shape = build.node_shape(source)
    layer = build.affine(
        source,
        "linear",
        call.args["weight"],
        call.args.get("bias"),
        lambda weight: weight.reshape(-1, *shape),
    )
    return build.append(layer, layer.shape[:1])


def _matrix_product(build: Builder, call: Call) -> Value | None:
    left, right, bias = call.args.get("mat1"), call.args.get("mat2"), call.args["self"]
    if "mat1" not in call.args:
        left, right, bias = call.args["self"], call.args.get("mat2", call.args.get("other")), None
    scaled = call.args.get("alpha", 1) != 1 or call.args.get("beta", 1) != 1
    if scaled or not isinstance(left, Ref) or left.name not in build.values or not build.is_parameter(right):
        return None
    source = build.values[left.name]
    if len(source.shape) != 1 or len(build.sizes(right)) != 2 or (bias and len(build.sizes(bias)) != 1):
        return None
    shape = build.node_shape(source)
    layer = build.affine(source, "linear", right, bias, lambda weight: weight.T.reshape(-1, *shape))
    return build.append(layer, layer.shape[:1])


def _conv2d(build: Builder, call: Call) -> Value | None:
    source, weight_of = build.input_of(call), call.args["weight"]
    if call.args.get("transposed") or len(source.shape) != 3 or not build.is_parameter(weight_of):
        return None
    layer = build.affine(source, "conv2d", weight_of, call.args.get("bias"), lambda weight: weight)
    groups = int(call.args.get("groups") or 1)
    window = _conv_window(call, build.node_shape(source), layer.weight)
    shape = (layer.weight.shape[0], *window.out)
    layer = replace(layer, window=window, groups=groups, shape=shape)
    return build.append(_around(build, source, layer) or layer, shape)


def _around(build: Builder, source: Value, layer: Affine) -> Affine | None:
    """Return a layer that does the circular padding of its input itself, or None where that is not what precedes it."""
    inner, pads = build.wrapped.get(source.node, (source, []))
    if not pads or any(layer.window.pads):
        return None
    left, right, top, bottom = pads
    high, wide = build.node_shape(inner)[1:]
    axes = [
        replace(axis, size=size, before=before, after=after)
        for axis, size, before, after in zip(
            (layer.window.height, layer.window.width), (high, wide), (top, left), (bottom, right), strict=True
        )
    ]
    if any(axis.reach > axis.size for axis in axes):
        return None
    return replace(layer, inputs=(inner.node,), window=Window(axes[0], axes[1]), circular=True)


def _conv_window(call: Call, shape: Shape, weight: torch.Tensor) -> Window:
    size, kernel = (shape[1], shape[2]), (weight.shape[2], weight.shape[3])
    stride, dilation = _pair(call.args.get("stride"), 1), _pair(call.args.get("dilation"), 1)
    padding = call.args.get("padding")
    if padding != "same":
        return Window.of(size, kernel, stride, _pair(0 if padding == "valid" else padding, 0), dilation)
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    axes = [
        Axis(n, k, s, t // 2, t - t // 2, d)
        for n, k, s, t, d in zip(size, kernel, stride, totals, dilation, strict=True)
    ]
    return Window(axes[0], axes[1])


def _batch_norm(build: Builder, call: Call) -> Value | None:
    source = build.input_of(call)
    if call.args.get("training") or call.args.get("running_mean") is None:
        return None
    mean, variance = build.tensor(call.args["running_mean"]), build.tensor(call.args["running_var"])
    gamma, beta = build.tensor(call.args.get("weight")), build.tensor(call.args.get("bias"))
    assert mean is not None and variance is not None
    scale = (variance + float(call.args["eps"])).rsqrt()
    scale = scale if gamma is None else scale * gamma
    shift = -mean * scale if beta is None else beta - mean * scale
    channels = source.shape[0]
    if build.node_shape(source)[0] != channels:
        return None
    node = ChannelAffine(build.module_of(call), (source.node,), build.node_shape(source), scale, shift)
    return build.append(node, source.shape)


def _relu(build: Builder, call: Call) -> Value | None:
    source = build.input_of(call)
    minimum = call.args.get("min", call.args.get("threshold", 0))
    if minimum != 0 or call.args.get("value", 0) != 0 or call.args.get("max") is not None:
        return None
    return build.append(ReLU("relu", (source.node,), build.node_shape(source)), source.shape)


def _identity(build: Builder, call: Call) -> Value | None:
    dtype = call.args.get("dtype")
    if call.args.get("train") or (isinstance(dtype, torch.dtype) and not dtype.is_floating_point):
        return None
    return build.input_of(call)


def _relabel(build: Builder, call: Call) -> Value | None:
    source, shape = build.input_of(call), build.out_shape(call)
    if math.prod(shape) != math.prod(source.shape):
        return None
    kept = build.node_shape(source)
    if len(shape) == 1 or _flat_image(shape) == kept or (len(shape) == 2 and _long(shape) == _long(kept)):
        return Value(source.node, shape)
    if source.node == 0 and len(build.nodes) == 1 and len(shape) <= 3:
        build.nodes[0] = Input(build.nodes[0].name, (), image(shape))
        return Value(0, shape)
    return None


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _max_pool(build: Builder, call: Call) -> Value | None:
    source = build.input_of(call)
    if len(source.shape) != 3:
        return None
    kernel = _pair(call.args["kernel_size"])
    window = Window.of(
        source.shape[1:3], kernel, _pair(call.args.get("stride"), kernel), _pair(call.args.get("padding"), 0),
        _pair(call.args.get("dilation"), 1), bool(call.args.get("ceil_mode")),
    )  # fmt: skip
    shape = (source.shape[0], *window.out)
    return build.append(MaxPool("max_pool2d", (source.node,), shape, window), shape)


def _average(build: Builder, source: Value, rows: list[torch.Tensor], shape: tuple[int, ...]) -> Value:
    out = (source.shape[0], rows[0].shape[0], rows[1].shape[0])
    return build.append(AvgPool("avg_pool2d", (source.node,), out, rows[0], rows[1]), shape)


def _avg_pool(build: Builder, call: Call) -> Value | None:
    source = build.input_of(call)
    if len(source.shape) != 3 or call.args.get("divisor_override") is not None:
        return None
    kernel = _pair(call.args["kernel_size"])
    stride, padding = _pair(call.args.get("stride"), kernel), _pair(call.args.get("padding"), 0)
    ceil, counted = bool(call.args.get("ceil_mode")), bool(call.args.get("count_include_pad", True))
    rows = [
        average_rows(n, k, s, p, ceil, counted)
        for n, k, s, p in zip(source.shape[1:], kernel, stride, padding, strict=True)
    ]
    return _average(build, source, rows, build.out_shape(call))


def _adaptive_avg_pool(build: Builder, call: Call) -> Value | None:
    source = build.input_of(call)
    if len(source.shape) != 3:
        return None
    rows = [adaptive_rows(n, o) for n, o in zip(source.shape[1:], build.out_shape(call)[1:], strict=True)]
    return _average(build, source, rows, build.out_shape(call))


def _mean(build: Builder, call: Call) -> Value | None:
    source = build.input_of(call)
    axes = {int(axis) % (len(source.shape) + 1) for axis in call.args.get("dim") or []}
    if len(source.shape) != 3 or axes != {2, 3}:
        return None
    return _average(build, source, [adaptive_rows(n, 1) for n in source.shape[1:]], build.out_shape(call))


def _add(build: Builder, call: Call) -> Value | None:
    left, right = call.args.get("self"), call.args.get("other")
    if not (isinstance(left, Ref) and isinstance(right, Ref)) or call.args.get("alpha", 1) != 1:
        return None
    if left.name not in build.values or right.name not in build.values:
        return None
    a, b = build.values[left.name], build.values[right.name]
    if a.shape != b.shape or build.node_shape(a) != build.node_shape(b):
        return None
    return build.append(Add("add", (a.node, b.node), build.node_shape(a)), a.shape)


def _copying(change: Callable[[Call, torch.Tensor], torch.Tensor]) -> Callable[[Builder, Call], Value | None]:
    def convert(build: Builder, call: Call) -> Value | None:
        source = build.input_of(call)
        if len(source.shape) != 3:
            return None
        places = torch.arange(math.prod(source.shape)).reshape(1, *source.shape)
        moved = change(call, places + 1)[0] - 1
        if tuple(moved.shape) == source.shape and bool((moved == places[0]).all()):
            return source
        shape = (moved.shape[0], moved.shape[1], moved.shape[2])
        return build.append(Rearrange(call.op.partition(".")[0], (source.node,), shape, moved), shape)

    return convert


def _sliced(call: Call, places: torch.Tensor) -> torch.Tensor:
    axis, start, end = int(call.args.get("dim") or 0), call.args.get("start"), call.args.get("end")
    picked: list[slice] = [slice(None)] * 4
    picked[axis] = slice(start, end, call.args.get("step") or 1)
    return places[tuple(picked)]


def _padded(call: Call, places: torch.Tensor) -> torch.Tensor:
    mode = call.args.get("mode", "constant")
    if mode == "constant" and call.args.get("value"):
        raise ValueError("padding with a number other than 0 is not understood")
    return torch.nn.functional.pad(places.double(), call.args["pad"], mode).long()


def _pad(build: Builder, call: Call) -> Value | None:
    value, source = _copying(_padded)(build, call), build.input_of(call)
    if value is not None and call.args.get("mode") == "circular" and value.node != source.node:
        build.wrapped[value.node] = source, list(call.args["pad"])
    return value


_HANDLERS: dict[str, Callable[[Builder, Call], Value | None]] = {
    "linear": _linear, "addmm": _matrix_product, "mm": _matrix_product, "matmul": _matrix_product,
    "conv2d": _conv2d, "convolution": _conv2d, "_convolution": _conv2d,
    "batch_norm": _batch_norm, "native_batch_norm": _batch_norm, "_native_batch_norm_legit_no_training": _batch_norm,
    "relu": _relu, "threshold": _relu, "clamp_min": _relu, "clamp": _relu,
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "clone", "contiguous", "detach", "to",
                     "_to_copy", "alias", "lift_fresh_copy", "identity"), _identity),
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "flatten", "squeeze", "unsqueeze"), _relabel),
    "max_pool2d": _max_pool, "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _avg_pool, "adaptive_avg_pool2d": _adaptive_avg_pool, "_adaptive_avg_pool2d": _adaptive_avg_pool,
    "mean": _mean, "add": _add, "slice": _copying(_sliced), "constant_pad_nd": _copying(_padded),
    "pad": _pad,
}  # fmt: skip

_VIEWS = frozenset({
    "alias", "as_strided", "chunk", "contiguous", "detach", "diagonal", "dropout", "expand", "expand_as",
    "feature_dropout", "flatten", "movedim", "narrow", "permute", "reshape", "select", "slice", "split",
    "split_with_sizes", "squeeze", "swapaxes", "t", "tensor_split", "to", "transpose", "unbind", "unflatten",
    "unsqueeze", "view", "view_as",
})  # fmt: skip
"""Operations whose result may share memory with their input."""

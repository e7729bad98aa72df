"""One conversion an operation: an aten call becomes nodes of the draft, or None where it is not understood."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from boundcalc.checkpoint.program import Call, Ref
from boundcalc.checkpoint.pt2_graph import batch_statistics, layer_of_batch_statistics
from boundcalc.network.draft import Draft, Value, flat_image, image
from boundcalc.network.geometry import Axis, Window
from boundcalc.network.ops import Add, Affine, AvgPool, ChannelAffine, Input, MaxPool, Rearrange, ReLU, Shape
from boundcalc.network.pooling import adaptive_rows, average_rows
from boundcalc.network.reading import BUFFER, NORMALISATION


def _pair(value: object, default: object = None) -> tuple[int, int]:
    value = default if value is None or value == [] else value
    if isinstance(value, int):
        return value, value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"an operation has {value!r} in the place of one or two sizes")
    return (int(value[0]), int(value[-1]))


def _sides(call: Call, name: str, neutral: int, row: bool) -> tuple[int, int]:
    """Return an argument for height and width; along one axis the height's is the neutral one."""
    pair = _pair(call.args.get(name), neutral)
    return (neutral, pair[1]) if row else pair


def _linear(draft: Draft, call: Call) -> Value | None:
    source = draft.input_of(call)
    if len(source.shape) != 1 or not draft.is_parameter(call.args["weight"]):
        return None
    shape = draft.node_shape(source)
    layer = draft.affine(
        source,
        "linear",
        call.args["weight"],
        call.args.get("bias"),
        lambda weight: weight.reshape(-1, *shape),
    )
    return draft.append(layer, layer.shape[:1])


def _matrix_product(draft: Draft, call: Call) -> Value | None:
    left, right, bias = call.args.get("mat1"), call.args.get("mat2"), call.args["self"]
    if "mat1" not in call.args:
        left, right, bias = call.args["self"], call.args.get("mat2", call.args.get("other")), None
    scaled = call.args.get("alpha", 1) != 1 or call.args.get("beta", 1) != 1
    if scaled or not isinstance(left, Ref) or left.name not in draft.values or not draft.is_parameter(right):
        return None
    source = draft.values[left.name]
    if len(source.shape) != 1 or len(draft.sizes(right)) != 2 or (bias and len(draft.sizes(bias)) != 1):
        return None
    shape = draft.node_shape(source)
    layer = draft.affine(source, "linear", right, bias, lambda weight: weight.T.reshape(-1, *shape))
    return draft.append(layer, layer.shape[:1])


def _convolution(draft: Draft, call: Call) -> Value | None:
    source, weight_of = draft.input_of(call), call.args["weight"]
    row = len(source.shape) == 2
    if call.args.get("transposed") or len(source.shape) not in {2, 3} or not draft.is_parameter(weight_of):
        return None
    source = _as_row(draft, source) if row else source
    layer = draft.affine(
        source,
        "conv1d" if row else "conv2d",
        weight_of,
        call.args.get("bias"),
        (lambda weight: weight[:, :, None]) if row else (lambda weight: weight),
    )
    groups = int(call.args.get("groups") or 1)
    window = _conv_window(call, draft.node_shape(source), layer.weight, row)
    shape = (layer.weight.shape[0], *window.out)
    layer = replace(layer, window=window, groups=groups, shape=shape)
    return draft.append(_around(draft, source, layer) or layer, (shape[0], shape[2]) if row else shape)


def _as_row(draft: Draft, source: Value) -> Value:
    """Return a value of (channels, length) as an image of height 1, as which layers along one axis read it."""
    channels, length = source.shape
    shape = (channels, 1, length)
    if draft.node_shape(source) == shape:
        return source
    if source.node == 0 and len(draft.nodes) == 1:
        draft.nodes[0] = Input(draft.nodes[0].name, (), shape)
        return source
    places = torch.arange(channels * length).reshape(shape)
    return draft.append(Rearrange("view", (source.node,), shape, places), source.shape)


def _around(draft: Draft, source: Value, layer: Affine) -> Affine | None:
    """Return a layer that does the circular padding of its input itself, or None where that is not what precedes it."""
    inner, pads = draft.wrapped.get(source.node, (source, []))
    if not pads or any(layer.window.pads):
        return None
    left, right, top, bottom = pads
    high, wide = draft.node_shape(inner)[1:]
    axes = [
        replace(axis, size=size, before=before, after=after)
        for axis, size, before, after in zip(
            (layer.window.height, layer.window.width), (high, wide), (top, left), (bottom, right), strict=True
        )
    ]
    if any(axis.reach > axis.size for axis in axes):
        return None
    return replace(layer, inputs=(inner.node,), window=Window(axes[0], axes[1]), circular=True)


def _conv_window(call: Call, shape: Shape, weight: torch.Tensor, row: bool) -> Window:
    size, kernel = (shape[1], shape[2]), (weight.shape[2], weight.shape[3])
    stride, dilation = (_sides(call, name, 1, row) for name in ("stride", "dilation"))
    padding = call.args.get("padding")
    if padding == "valid":
        return Window.of(size, kernel, stride, (0, 0), dilation)
    if padding != "same":
        return Window.of(size, kernel, stride, _sides(call, "padding", 0, row), dilation)
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    axes = [
        Axis(n, k, s, t // 2, t - t // 2, d)
        for n, k, s, t, d in zip(size, kernel, stride, totals, dilation, strict=True)
    ]
    return Window(axes[0], axes[1])


def _batch_norm(draft: Draft, call: Call) -> Value | None:
    source = draft.input_of(call)
    without = layer_of_batch_statistics(draft.program, call)
    if without is not None:
        raise ValueError(batch_statistics(without))
    if call.args.get("training") or call.args.get("running_mean") is None:
        return None
    mean, variance = (draft.tensor(call.args[name], BUFFER) for name in ("running_mean", "running_var"))
    gamma, beta = (draft.tensor(call.args.get(name), NORMALISATION) for name in ("weight", "bias"))
    if mean is None or variance is None:
        return None
    eps = float(call.args["eps"])
    scale = (variance + eps).rsqrt()
    scale = scale if gamma is None else scale * gamma
    shift = -mean * scale if beta is None else beta - mean * scale
    channels = source.shape[0]
    source = _as_row(draft, source) if len(source.shape) == 2 else source
    if draft.node_shape(source)[0] != channels:
        return None
    node = ChannelAffine(
        draft.module_of(call) or call.outputs[0], (source.node,), draft.node_shape(source), scale, shift, eps
    )
    return draft.append(node, source.shape)


def _relu(draft: Draft, call: Call) -> Value | None:
    source = draft.input_of(call)
    minimum = call.args.get("min", call.args.get("threshold", 0))
    if minimum != 0 or call.args.get("value", 0) != 0 or call.args.get("max") is not None:
        return None
    return draft.append(ReLU("relu", (source.node,), draft.node_shape(source)), source.shape)


def _identity(draft: Draft, call: Call) -> Value | None:
    dtype = call.args.get("dtype")
    if call.args.get("train") or (isinstance(dtype, torch.dtype) and not dtype.is_floating_point):
        return None
    return draft.input_of(call)


def _relabel(draft: Draft, call: Call) -> Value | None:
    source, shape = draft.input_of(call), draft.out_shape(call)
    if math.prod(shape) != math.prod(source.shape):
        return None
    kept = draft.node_shape(source)
    if len(shape) == 1 or flat_image(shape) == kept or (len(shape) == 2 and _long(shape) == _long(kept)):
        return Value(source.node, shape)
    if source.node == 0 and len(draft.nodes) == 1 and len(shape) <= 3:
        draft.nodes[0] = Input(draft.nodes[0].name, (), image(shape))
        return Value(0, shape)
    return None


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _max_pool(draft: Draft, call: Call) -> Value | None:
    source = draft.input_of(call)
    row = len(source.shape) == 2
    if len(source.shape) not in {2, 3}:
        return None
    source = _as_row(draft, source) if row else source
    kernel, padding, dilation = (
        _sides(call, name, neutral, row)
        for name, neutral in (("kernel_size", 1), ("padding", 0), ("dilation", 1))
    )
    stride = _sides(call, "stride", 1, row) if call.args.get("stride") else kernel
    window = Window.of(
        draft.node_shape(source)[1:], kernel, stride, padding, dilation, bool(call.args.get("ceil_mode"))
    )
    shape = (source.shape[0], *window.out)
    pool = MaxPool("max_pool1d" if row else "max_pool2d", (source.node,), shape, window)
    return draft.append(pool, draft.out_shape(call))


def _average(draft: Draft, source: Value, rows: list[torch.Tensor], shape: tuple[int, ...]) -> Value:
    out = (source.shape[0], rows[0].shape[0], rows[1].shape[0])
    name = "avg_pool1d" if len(source.shape) == 2 else "avg_pool2d"
    return draft.append(AvgPool(name, (source.node,), out, rows[0], rows[1]), shape)


def _avg_pool(draft: Draft, call: Call) -> Value | None:
    source = draft.input_of(call)
    row = len(source.shape) == 2
    if len(source.shape) not in {2, 3} or call.args.get("divisor_override") is not None:
        return None
    source = _as_row(draft, source) if row else source
    kernel, padding = (
        _sides(call, name, neutral, row) for name, neutral in (("kernel_size", 1), ("padding", 0))
    )
    stride = _sides(call, "stride", 1, row) if call.args.get("stride") else kernel
    ceil, counted = bool(call.args.get("ceil_mode")), bool(call.args.get("count_include_pad", True))
    rows = [
        average_rows(n, k, s, p, ceil, counted)
        for n, k, s, p in zip(draft.node_shape(source)[1:], kernel, stride, padding, strict=True)
    ]
    return _average(draft, source, rows, draft.out_shape(call))


def _adaptive_avg_pool(draft: Draft, call: Call) -> Value | None:
    source, out = draft.input_of(call), draft.out_shape(call)
    if len(source.shape) == 2:
        source, out = _as_row(draft, source), (out[0], 1, out[1])
    elif len(source.shape) != 3:
        return None
    rows = [adaptive_rows(n, o) for n, o in zip(draft.node_shape(source)[1:], out[1:], strict=True)]
    return _average(draft, source, rows, draft.out_shape(call))


def _mean(draft: Draft, call: Call) -> Value | None:
    source = draft.input_of(call)
    axes = {int(axis) % (len(source.shape) + 1) for axis in call.args.get("dim") or []}
    if len(source.shape) == 2 and axes == {2}:
        source = _as_row(draft, source)
    elif len(source.shape) != 3 or axes != {2, 3}:
        return None
    rows = [adaptive_rows(n, 1) for n in draft.node_shape(source)[1:]]
    return _average(draft, source, rows, draft.out_shape(call))


def _add(draft: Draft, call: Call) -> Value | None:
    left, right = call.args.get("self"), call.args.get("other")
    if not (isinstance(left, Ref) and isinstance(right, Ref)) or call.args.get("alpha", 1) != 1:
        return None
    if left.name not in draft.values or right.name not in draft.values:
        return None
    a, b = draft.values[left.name], draft.values[right.name]
    if a.shape != b.shape or draft.node_shape(a) != draft.node_shape(b):
        return None
    return draft.append(Add("add", (a.node, b.node), draft.node_shape(a)), a.shape)


def _copying(change: Callable[[Call, torch.Tensor], torch.Tensor]) -> Callable[[Draft, Call], Value | None]:
    def convert(draft: Draft, call: Call) -> Value | None:
        source = draft.input_of(call)
        if len(source.shape) not in {2, 3}:
            return None
        places = torch.arange(math.prod(source.shape)).reshape(1, *source.shape)
        moved = change(call, places + 1)[0] - 1
        shape = tuple(moved.shape)
        if shape == source.shape and bool((moved == places[0]).all()):
            return source
        if len(shape) == 2:
            source, moved = _as_row(draft, source), moved[:, None]
        node = Rearrange(call.packet, (source.node,), image(tuple(moved.shape)), moved)
        return draft.append(node, shape)

    return convert


def _sliced(call: Call, places: torch.Tensor) -> torch.Tensor:
    axis, start, end = int(call.args.get("dim") or 0), call.args.get("start"), call.args.get("end")
    picked: list[slice] = [slice(None)] * places.dim()
    picked[axis] = slice(start, end, call.args.get("step") or 1)
    return places[tuple(picked)]


def _padded(call: Call, places: torch.Tensor) -> torch.Tensor:
    mode = call.args.get("mode", "constant")
    if mode == "constant" and call.args.get("value"):
        raise ValueError("padding with a number other than 0 is not understood")
    return torch.nn.functional.pad(places.double(), call.args["pad"], mode).long()


def _pad(draft: Draft, call: Call) -> Value | None:
    value, source = _copying(_padded)(draft, call), draft.input_of(call)
    if value is not None and call.args.get("mode") == "circular" and value.node != source.node:
        inner = Value(draft.nodes[value.node].inputs[0], source.shape)
        draft.wrapped[value.node] = inner, [*call.args["pad"], 0, 0][:4]
    return value


CONVERSIONS: dict[str, Callable[[Draft, Call], Value | None]] = {
    "linear": _linear, "addmm": _matrix_product, "mm": _matrix_product, "matmul": _matrix_product,
    **dict.fromkeys(("conv1d", "conv2d", "convolution", "_convolution"), _convolution),
    "batch_norm": _batch_norm, "native_batch_norm": _batch_norm, "_native_batch_norm_legit_no_training": _batch_norm,
    "relu": _relu, "threshold": _relu, "clamp_min": _relu, "clamp": _relu,
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "clone", "contiguous", "detach", "to",
                     "_to_copy", "alias", "lift_fresh_copy", "identity"), _identity),
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "flatten", "squeeze", "unsqueeze"), _relabel),
    **dict.fromkeys(("max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices"), _max_pool),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), _avg_pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d"), _adaptive_avg_pool),
    "mean": _mean, "add": _add, "slice": _copying(_sliced), "constant_pad_nd": _copying(_padded),
    "pad": _pad,
}  # fmt: skip

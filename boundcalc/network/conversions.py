"""One conversion per operation: it turns an aten call into nodes of the draft, or returns None if it is not understood."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from boundcalc.checkpoint.program import Call, Ref
from boundcalc.checkpoint.pt2_graph import batch_statistics, layer_of_batch_statistics
from boundcalc.features.names import OPERATION
from boundcalc.network.draft import Draft, Value, by_channel, image
from boundcalc.network.entrywise import ENTRYWISE, maximum, scaled
from boundcalc.network.geometry import Axis, Window
from boundcalc.network.moving import MOVING_OPERATIONS
from boundcalc.network.ops import Affine, AvgPool, ChannelAffine, FirstStage, Input, MaxPool, Shape
from boundcalc.network.pooling import adaptive_rows, average_rows
from boundcalc.network.reading import BUFFER, NORMALIZATION


def _pair(value: object, default: object = None) -> tuple[int, int]:
    value = default if value is None or value == [] else value
    if isinstance(value, int):
        return value, value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"an operation has {value!r} where one or two sizes are expected")
    return (int(value[0]), int(value[-1]))


def _sides(call: Call, name: str, neutral: int, row: bool) -> tuple[int, int]:
    """Return an argument as a (height, width) pair; a one-dimensional operation gets the neutral value for the height."""
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
    source = draft.by_channel(source)
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


def _around(draft: Draft, source: Value, layer: Affine) -> Affine | None:
    """Return the layer with the circular padding before it merged into it, or None if that is absent or cannot be merged."""
    inner, pads = draft.wrapped.get(source.node, (source, []))
    if not pads or any(layer.window.pads):
        return None
    left, right, top, bottom = pads
    inner = draft.by_channel(inner)
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
    gamma, beta = (draft.tensor(call.args.get(name), NORMALIZATION) for name in ("weight", "bias"))
    if mean is None or variance is None:
        return None
    eps = float(call.args["eps"])
    scale = (variance + eps).rsqrt()
    scale = scale if gamma is None else scale * gamma
    shift = -mean * scale if beta is None else beta - mean * scale
    channels = source.shape[0]
    source = draft.by_channel(source)
    if draft.node_shape(source)[0] != channels or scale.numel() != channels:
        return None
    node = ChannelAffine(
        draft.module_of(call) or call.outputs[0], (source.node,), draft.node_shape(source), scale, shift, eps
    )
    return draft.append(node, source.shape)


def _identity(draft: Draft, call: Call) -> Value | None:
    dtype = call.args.get("dtype")
    if call.args.get("train") or (isinstance(dtype, torch.dtype) and not dtype.is_floating_point):
        return None
    return draft.input_of(call)


def _relabel(draft: Draft, call: Call) -> Value | None:
    source, shape = draft.input_of(call), draft.out_shape(call)
    if math.prod(shape) != math.prod(source.shape):
        return None
    if source.node == 0 and len(draft.nodes) == 1 and len(shape) in {2, 3}:
        draft.nodes[0] = Input(draft.nodes[0].name, (), image(shape))
    return Value(source.node, shape)


def _max_pool(draft: Draft, call: Call) -> Value | None:
    source = draft.input_of(call)
    row = len(source.shape) == 2
    if len(source.shape) not in {2, 3}:
        return None
    source = draft.by_channel(source)
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
    source = draft.by_channel(source)
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
    if len(source.shape) not in {2, 3}:
        return None
    source = draft.by_channel(source)
    sizes = zip(draft.node_shape(source)[1:], by_channel(out)[1:], strict=True)
    return _average(draft, source, [adaptive_rows(n, o) for n, o in sizes], out)


def _adaptive_max_pool(draft: Draft, call: Call) -> Value | None:
    source, out = draft.input_of(call), draft.out_shape(call)
    if len(source.shape) not in {2, 3}:
        return None
    source = draft.by_channel(source)
    size, sides = draft.node_shape(source)[1:], by_channel(out)[1:]
    if any(n % o for n, o in zip(size, sides, strict=True)):
        return None
    kernel = (size[0] // sides[0], size[1] // sides[1])
    pool = MaxPool(call.packet, (source.node,), by_channel(out), Window.of(size, kernel, kernel))
    return draft.append(pool, out)


def _over_positions(draft: Draft, call: Call) -> tuple[Value, tuple[bool, bool]] | None:
    """Return the value that a mean, sum or maximum reduces, stored by channel, and whether its height and width are
    reduced.
    """
    source, dims = draft.input_of(call), call.args.get("dim")
    dims = [dims] if isinstance(dims, int) else dims or []
    axes = sorted(int(axis) % (len(source.shape) + 1) for axis in dims)
    if not axes or axes[0] < 2 or len(source.shape) not in {2, 3}:
        return None
    whole = len(axes) == len(source.shape) - 1 and draft.node_shape(source)[0] == source.shape[0]
    if whole:
        return source, (True, True)
    source = draft.by_channel(source)
    return source, (2 in axes and len(source.shape) == 3, len(source.shape) == 2 or 3 in axes)


def _mean(draft: Draft, call: Call) -> Value | None:
    found = _over_positions(draft, call)
    if found is None or call.args.get("dtype") is not None:
        return None
    source, reduced = found
    sizes = zip(draft.node_shape(source)[1:], reduced, strict=True)
    rows = [adaptive_rows(n, 1 if one else n) for n, one in sizes]
    return _average(draft, source, rows, draft.out_shape(call))


def _sum(draft: Draft, call: Call) -> Value | None:
    value = _mean(draft, call)
    if value is None:
        return None
    mean = draft.nodes[value.node]
    count = math.prod(draft.nodes[mean.inputs[0]].shape) // math.prod(mean.shape)
    return scaled(draft, value, float(count))


def _maximum_over_positions(draft: Draft, call: Call) -> Value | None:
    found = _over_positions(draft, call)
    if found is None or not all(found[1]):
        return None
    source = found[0]
    size = draft.node_shape(source)[1:]
    pool = MaxPool(call.packet, (source.node,), (source.shape[0], 1, 1), Window.whole(size))
    return draft.append(pool, draft.out_shape(call))


def _first_stage(draft: Draft, call: Call) -> Value | None:
    if call.op != OPERATION:
        return None
    source, shape = draft.input_of(call), draft.out_shape(call)
    return draft.append(
        FirstStage("orientations", (source.node,), image(shape), int(call.args["cells"])), shape
    )


CONVERSIONS: dict[str, Callable[[Draft, Call], Value | list[Value] | None]] = {
    "linear": _linear, "addmm": _matrix_product, "mm": _matrix_product, "matmul": _matrix_product,
    **dict.fromkeys(("conv1d", "conv2d", "convolution", "_convolution"), _convolution),
    "batch_norm": _batch_norm, "native_batch_norm": _batch_norm, "_native_batch_norm_legit_no_training": _batch_norm,
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "clone", "contiguous", "detach", "to",
                     "_to_copy", "alias", "lift_fresh_copy", "identity"), _identity),
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "flatten", "squeeze", "unsqueeze"), _relabel),
    **dict.fromkeys(("max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices"), _max_pool),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), _avg_pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d"), _adaptive_avg_pool),
    **dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d"), _adaptive_max_pool),
    "mean": _mean, "sum": _sum, "amax": _maximum_over_positions,
    "max": lambda draft, call: _maximum_over_positions(draft, call) if "dim" in call.args else maximum(draft, call),
    "orientations": _first_stage,
    **ENTRYWISE, **MOVING_OPERATIONS,
}  # fmt: skip

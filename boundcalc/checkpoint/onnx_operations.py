"""One handler per ONNX operation: it adds the aten call that computes the same, or returns False if there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from boundcalc.checkpoint.onnx_step import OnnxNode, Shape, squeezed, unsqueezed
from boundcalc.checkpoint.program import Ref

# ------------------------------------------------------------------------------------ windows


def _window(
    step: OnnxNode, kernel: list[int], size: Shape
) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return strides, dilations, padding before and padding after, with one entry per axis each.

    Raises:
        ValueError: when their sizes do not form a window.
    """
    axes = len(kernel)
    strides = step.attributes.get("strides", [1] * axes)
    dilations = step.attributes.get("dilations", [1] * axes)
    pads = step.attributes.get("pads", [0] * 2 * axes)
    auto = step.attributes.get("auto_pad", "NOTSET")
    if (
        min((*strides, *dilations, *kernel)) < 1
        or min(pads) < 0
        or not len(strides) == len(dilations) == axes == len(pads) // 2
    ):
        raise ValueError("its window has an invalid size")
    if auto in {"SAME_UPPER", "SAME_LOWER"}:
        totals = [
            max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
            for n, k, s, d in zip(size, kernel, strides, dilations, strict=True)
        ]
        small, large = [total // 2 for total in totals], [total - total // 2 for total in totals]
        return strides, dilations, *((small, large) if auto == "SAME_UPPER" else (large, small))
    return strides, dilations, pads[:axes], pads[axes:]


def _out_size(size: Shape, kernel: list[int], window: tuple[list[int], ...], ceil: bool = False) -> Shape:
    found = []
    for n, k, s, d, before, after in zip(size, kernel, *window, strict=True):
        room = n + before + after - d * (k - 1) - 1
        count = (-(-room // s) if ceil else room // s) + 1
        found.append(count - (ceil and (count - 1) * s >= n + before))
    if min(found) < 1:
        raise ValueError("its window is larger than its input")
    return tuple(found)


def _padded(step: OnnxNode, before: list[int], after: list[int]) -> tuple[Ref, Shape]:
    """Pad with zeros explicitly where the two sides differ, which aten's windows do not support."""
    shape = step.shape()
    sides = [side for pair in zip(reversed(before), reversed(after), strict=True) for side in pair]
    wide = (*shape[:2], *(n + a + b for n, a, b in zip(shape[2:], before, after, strict=True)))
    source = step.between("constant_pad_nd.default", {"self": step.ref(0), "pad": sides, "value": 0.0}, wide)
    return source, wide


def _conv(step: OnnxNode) -> bool:
    weight = step.shape(1)
    kernel = list(weight[2:])
    strides, dilations, before, after = _window(step, kernel, step.shape()[2:])
    out = _out_size(step.shape()[2:], kernel, (strides, dilations, before, after))
    source = step.ref(0)
    if before != after:
        source, _ = _padded(step, before, after)
        before = [0] * len(kernel)
    args = {
        "input": source, "weight": step.ref(1), "bias": step.ref(2), "stride": strides, "padding": before,
        "dilation": dilations, "groups": step.attributes.get("group", 1),
    }  # fmt: skip
    return step.emit(f"conv{len(kernel)}d.default", args, (step.shape()[0], weight[0], *out))


def _pool(step: OnnxNode) -> bool:
    kernel, shape = step.attributes["kernel_shape"], step.shape()
    strides, dilations, before, after = _window(step, kernel, shape[2:])
    largest, ceil = step.node.op_type == "MaxPool", bool(step.attributes.get("ceil_mode", 0))
    counted = bool(step.attributes.get("count_include_pad", 0))
    out = _out_size(shape[2:], kernel, (strides, dilations, before, after), ceil)
    args: dict[str, Any] = {"self": step.ref(0), "kernel_size": kernel, "stride": strides}
    if before != after:
        if largest or not counted:
            raise ValueError("padding that differs between sides is not supported here")
        args["self"], _ = _padded(step, before, after)
        before = [0] * len(kernel)
    args |= {"padding": before, "ceil_mode": ceil}
    if largest:
        args["dilation"] = dilations
    elif set(dilations) != {1}:
        return False
    else:
        args["count_include_pad"] = counted
    name = "max_pool" if largest else "avg_pool"
    return step.emit(f"{name}{len(kernel)}d.default", args, (*shape[:2], *out))


def _global_average(step: OnnxNode) -> bool:
    shape = step.shape()
    axes = len(shape) - 2
    args = {"self": step.ref(0), "output_size": [1] * axes}
    return step.emit(f"adaptive_avg_pool{axes}d.default", args, (*shape[:2], *[1] * axes))


def _global_maximum(step: OnnxNode) -> bool:
    shape = step.shape()
    axes = list(range(2, len(shape)))
    return step.emit(
        "amax.default", {"self": step.ref(0), "dim": axes, "keepdim": True}, (*shape[:2], *[1] * len(axes))
    )


def _reduced(op: str) -> Callable[[OnnxNode], bool]:
    def convert(step: OnnxNode) -> bool:
        shape = step.shape()
        axes = step.numbers(1, "axes") or list(range(len(shape)))
        kept = bool(step.attributes.get("keepdims", 1))
        dims = sorted(int(axis) % len(shape) for axis in axes)
        out = [1 if axis in dims else n for axis, n in enumerate(shape) if kept or axis not in dims]
        return step.emit(op, {"self": step.ref(0), "dim": dims, "keepdim": kept}, tuple(out))

    return convert


# ------------------------------------------------------------------------------------ matrices


def _gemm(step: OnnxNode) -> bool:
    plain = step.attributes.get("alpha", 1.0) == step.attributes.get("beta", 1.0) == 1.0
    left, right = step.shape(), step.shape(1)
    if not plain or step.attributes.get("transA", 0) or len(left) != 2 or len(right) != 2:
        return False
    if step.attributes.get("transB", 0):
        args = {"input": step.ref(0), "weight": step.ref(1), "bias": step.ref(2)}
        return step.emit("linear.default", args, (left[0], right[0]))
    args = {"mat1": step.ref(0), "mat2": step.ref(1)}
    if step.has(2):
        return step.emit("addmm.default", {"self": step.ref(2), **args}, (left[0], right[1]))
    return step.emit("mm.default", {"self": step.ref(0), "mat2": step.ref(1)}, (left[0], right[1]))


def _matmul(step: OnnxNode) -> bool:
    left, right = step.shape(), step.shape(1)
    if len(right) < 2 or len(left) < 2 or left[-1] != right[-2]:
        raise ValueError("matrices that do not fit")
    shape = (*torch.broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1])
    return step.emit("matmul.default", {"self": step.ref(0), "other": step.ref(1)}, shape)


def _batch_norm(step: OnnxNode) -> bool:
    if step.attributes.get("training_mode", 0):
        raise ValueError("it is in training mode: export the network after model.eval()")
    step.translator.buffers |= set(step.inputs[3:5])
    args = {
        "input": step.ref(0), "weight": step.ref(1), "bias": step.ref(2), "running_mean": step.ref(3),
        "running_var": step.ref(4), "training": False, "momentum": 0.1, "eps": step.attributes.get("epsilon", 1e-5),
    }  # fmt: skip
    return step.emit("batch_norm.default", args, step.shape())


# ------------------------------------------------------------------------------------ entries


def _entrywise(op: str, **attributes: tuple[str, Any]) -> Callable[[OnnxNode], bool]:
    """Return a handler for an entrywise operation; attributes are given as aten name = (ONNX name, default)."""

    def convert(step: OnnxNode) -> bool:
        args = {name: step.attributes.get(own, default) for name, (own, default) in attributes.items()}
        return step.emit(op, {"self": step.ref(0), **args}, step.shape())

    return convert


def _clip(step: OnnxNode) -> bool:
    bounds = {}
    for place, name in ((1, "min"), (2, "max")):
        found = step.numbers(place, name)
        bounds[name] = found[0] if isinstance(found, list) else found
    return step.emit("clamp.default", {"self": step.ref(0), **bounds}, step.shape())


def _pair(op: str, other: str = "other") -> Callable[[OnnxNode], bool]:
    def convert(step: OnnxNode) -> bool:
        if len(step.inputs) == 1:
            return _keeps_shape(step)
        shape = torch.broadcast_shapes(step.shape(0), step.shape(1))
        if len(step.inputs) == 2:
            return step.emit(op, {"self": step.ref(0), other: step.ref(1)}, tuple(shape))
        value: Any = step.ref(0)
        for place in range(1, len(step.inputs) - 1):
            shape = torch.broadcast_shapes(step.translator.shapes[value.name], step.shape(place))
            value = step.between(op, {"self": value, other: step.ref(place)}, tuple(shape))
        return step.emit(op, {"self": value, other: step.ref(len(step.inputs) - 1)}, tuple(shape))

    return convert


def _gelu(step: OnnxNode) -> bool:
    return step.emit(
        "gelu.default",
        {"self": step.ref(0), "approximate": step.attributes.get("approximate", "none")},
        step.shape(),
    )


# ------------------------------------------------------------------------------------ places


def _keeps_shape(step: OnnxNode) -> bool:
    return step.emit("alias.default", {"self": step.ref(0)}, step.shape())


def _viewed(step: OnnxNode, shape: Shape) -> bool:
    if math.prod(shape) != math.prod(step.shape()):
        raise ValueError(f"shape {list(shape)} does not have as many entries as {list(step.shape())}")
    return step.emit("view.default", {"self": step.ref(0), "size": list(shape)}, shape)


def _reshape(step: OnnxNode) -> bool:
    given, wanted = step.shape(), [int(size) for size in step.numbers(1, "shape")]
    if not step.attributes.get("allowzero", 0):
        wanted = [given[place] if size == 0 else size for place, size in enumerate(wanted)]
    rest = math.prod(size for size in wanted if size != -1)
    return _viewed(step, tuple(math.prod(given) // rest if size == -1 else size for size in wanted))


def _flatten(step: OnnxNode) -> bool:
    shape = step.shape()
    axis = step.attributes.get("axis", 1) % (len(shape) + 1)
    return _viewed(step, (math.prod(shape[:axis]), math.prod(shape[axis:])))


def _transpose(step: OnnxNode) -> bool:
    order = step.attributes.get("perm", list(reversed(range(len(step.shape())))))
    return step.emit(
        "permute.default", {"self": step.ref(0), "dims": order}, tuple(step.shape()[axis] for axis in order)
    )


def _concat(step: OnnxNode) -> bool:
    shapes = [step.shape(place) for place in range(len(step.inputs))]
    axis = step.attributes["axis"] % len(shapes[0])
    if any(shape[:axis] + shape[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for shape in shapes):
        raise ValueError("it concatenates values whose shapes do not fit")
    joined = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
    return step.emit("cat.default", {"tensors": [Ref(name) for name in step.inputs], "dim": axis}, joined)


def _split(step: OnnxNode) -> bool:
    shape = step.shape()
    axis = step.attributes.get("axis", 0) % len(shape)
    sizes = step.numbers(1, "split")
    if sizes is None:
        part = -(-shape[axis] // len(step.outputs))
        sizes = [min(part, shape[axis] - part * place) for place in range(len(step.outputs))]
    if sum(sizes) != shape[axis] or len(sizes) != len(step.outputs):
        raise ValueError("the sizes of its parts do not add up to the size of its input")
    shapes = [(*shape[:axis], int(size), *shape[axis + 1 :]) for size in sizes]
    return step.emit(
        "split_with_sizes.default",
        {"self": step.ref(0), "split_sizes": [int(s) for s in sizes], "dim": axis},
        *shapes,
    )


def _slice(step: OnnxNode) -> bool:
    starts, ends = step.numbers(1, "starts"), step.numbers(2, "ends")
    axes = step.numbers(3, "axes", list(range(len(starts))))
    steps = step.numbers(4, "", [1] * len(starts))
    if min(steps) < 1:
        return False
    value, shape = step.ref(0), list(step.shape())
    for given, start, end, by in zip(axes, starts, ends, steps, strict=True):
        axis = given % len(shape)
        shape[axis] = len(range(*slice(start, end, by).indices(shape[axis])))
        args = {
            "self": value,
            "dim": axis,
            "start": max(start, -step.shape()[axis]),
            "end": min(end, step.shape()[axis]),
            "step": by,
        }
        value = step.between("slice.Tensor", args, tuple(shape))
    return step.emit("alias.default", {"self": value}, tuple(shape))


def _gather(step: OnnxNode) -> bool:
    shape, index = step.shape(), step.translator.numbers.get(step.inputs[1])
    axis = step.attributes.get("axis", 0) % len(shape)
    if index is None or index.dim() > 1:
        return False
    if index.dim() == 0:
        args = {"self": step.ref(0), "dim": axis, "index": int(index)}
        return step.emit("select.int", args, (*shape[:axis], *shape[axis + 1 :]))
    args = {"self": step.ref(0), "dim": axis, "index": step.ref(1)}
    return step.emit("index_select.default", args, (*shape[:axis], index.numel(), *shape[axis + 1 :]))


def _pad(step: OnnxNode) -> bool:
    shape, pads = step.shape(), step.numbers(1, "pads")
    mode, value = step.attributes.get("mode", "constant"), step.numbers(2, "value", 0.0)
    value = value[0] if isinstance(value, list) else value
    axes = len(shape)
    if step.has(3) or len(pads) != 2 * axes or min(pads) < 0 or pads[0] or pads[axes]:
        return False
    first = 1 if mode == "constant" else 2
    before, after = pads[first:axes], pads[axes + first :]
    if first == 2 and (pads[1] or pads[axes + 1]):
        return False
    sides = [int(side) for pair in zip(reversed(before), reversed(after), strict=True) for side in pair]
    out = (*shape[:first], *(int(n + a + b) for n, a, b in zip(shape[first:], before, after, strict=True)))
    names = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    args = {"self": step.ref(0), "pad": sides, "mode": names[mode], "value": value or None}
    return step.emit("pad.default", args, out)


OPERATIONS: dict[str, Callable[[OnnxNode], bool]] = {
    "Conv": _conv, "MaxPool": _pool, "AveragePool": _pool, "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_maximum, "ReduceMean": _reduced("mean.dim"), "ReduceMax": _reduced("amax.default"),
    "ReduceSum": _reduced("sum.dim_IntList"), "Gemm": _gemm, "MatMul": _matmul, "BatchNormalization": _batch_norm,
    "Relu": _entrywise("relu.default"), "LeakyRelu": _entrywise("leaky_relu.default", negative_slope=("alpha", 0.01)),
    "PRelu": _pair("prelu.default", "weight"), "Clip": _clip, "Elu": _entrywise("elu.default", alpha=("alpha", 1.0)),
    "Selu": _entrywise("selu.default"), "Celu": _entrywise("celu.default", alpha=("alpha", 1.0)), "Gelu": _gelu,
    "HardSwish": _entrywise("hardswish.default"), "Mish": _entrywise("mish.default"), "Tanh": _entrywise("tanh.default"),
    "Sigmoid": _entrywise("sigmoid.default"), "Softplus": _entrywise("softplus.default"),
    "Softmax": _entrywise("softmax.int", dim=("axis", -1)), "LogSoftmax": _entrywise("log_softmax.int", dim=("axis", -1)),
    "Neg": _entrywise("neg.default"), "Abs": _entrywise("abs.default"), "Sqrt": _entrywise("sqrt.default"),
    "Exp": _entrywise("exp.default"), "Add": _pair("add.Tensor"), "Sum": _pair("add.Tensor"), "Sub": _pair("sub.Tensor"),
    "Mul": _pair("mul.Tensor"), "Div": _pair("div.Tensor"), "Max": _pair("maximum.default"), "Pow": _pair("pow.Tensor_Tensor"),
    "Identity": _keeps_shape, "Dropout": _keeps_shape, "Cast": _keeps_shape, "Reshape": _reshape, "Flatten": _flatten,
    "Squeeze": lambda step: _viewed(step, squeezed(step.shape(), step.numbers(1, "axes"))),
    "Unsqueeze": lambda step: _viewed(step, unsqueezed(step.shape(), step.numbers(1, "axes"))),
    "Transpose": _transpose, "Concat": _concat, "Split": _split, "Slice": _slice, "Gather": _gather, "Pad": _pad,
}  # fmt: skip

"""A node of an ONNX graph, as the handlers of operations see it, and the arithmetic on sizes that some graphs contain."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from boundcalc.checkpoint.program import Ref

if TYPE_CHECKING:
    from boundcalc.checkpoint.onnx_graph import Translator

Shape = tuple[int, ...]


_TENSOR = 4
_FIELDS = {1: "f", 2: "i", 3: "s", 6: "floats", 7: "ints", 8: "strings"}
"""Fields of an attribute by ``AttributeProto.AttributeType``."""


def _decimal(number: float) -> float:
    return float(str(np.float32(number)))


class OnnxNode:
    """One node of the graph, with its attributes by name.

    Args:
        translator: the translator that it extends.
        node: a ``NodeProto``.
    """

    def __init__(self, translator: Translator, node: Any) -> None:
        self.translator, self.node = translator, node
        self.inputs, self.outputs = list(node.input), [name for name in node.output if name]
        self.attributes = {attribute.name: self._value(attribute) for attribute in node.attribute}

    def _value(self, attribute: Any) -> Any:
        """Return an attribute; a real number is returned as the shortest decimal for its 32 bits, which is what the
        exporter was given.
        """
        if attribute.type == _TENSOR:
            return attribute.t
        value = getattr(attribute, _FIELDS[attribute.type])
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, float):
            return _decimal(value)
        return (
            value if isinstance(value, int) else [_decimal(v) if isinstance(v, float) else v for v in value]
        )

    def has(self, index: int) -> bool:
        """Return whether an input is given."""
        return index < len(self.inputs) and bool(self.inputs[index])

    def ref(self, index: int) -> Ref | None:
        """Return an input, or None if it is left out."""
        return Ref(self.inputs[index]) if self.has(index) else None

    def shape(self, index: int = 0) -> Shape:
        """Return the shape of an input, with the batch as the first axis."""
        return self.translator.shapes[self.inputs[index]]

    def numbers(self, index: int, attribute: str = "", default: Any = None) -> Any:
        """Return numbers that are an attribute in old files and an input in new ones; ``default`` if they are neither."""
        if attribute in self.attributes:
            return self.attributes[attribute]
        if not self.has(index):
            return default
        known = self.translator.numbers[self.inputs[index]]
        return known.tolist()

    def emit(self, op: str, args: dict[str, Any], *shapes: Shape) -> bool:
        """Add a call that makes this node's first outputs, one per given shape."""
        self.translator.emit(op, args, tuple(self.outputs[: len(shapes)]), list(shapes))
        return True

    def between(self, op: str, args: dict[str, Any], shape: Shape) -> Ref:
        """Add a call for an intermediate value of this node, and return that value."""
        name = f"{self.outputs[0]}/{len(self.translator.calls)}"
        self.translator.emit(op, args, (name,), [shape])
        return Ref(name)


def arithmetic(step: OnnxNode) -> bool:
    """Compute numbers from known numbers, such as the sizes for a reshape, but nothing that depends on weights or the
    input.
    """
    translator, op, result = step.translator, step.node.op_type, None
    if op == "Shape":
        result = torch.tensor(step.shape())[step.attributes.get("start", 0) : step.attributes.get("end")]
    elif op == "Constant":
        result = _constant(step)
    elif op in _NUMBERS and step.inputs and all(name in translator.numbers for name in step.inputs if name):
        given = [translator.numbers[name] for name in step.inputs if name]
        result = _NUMBERS[op](step, given)
    if result is None:
        return False
    translator.constant(step.outputs[0], result)
    return True


def _constant(step: OnnxNode) -> torch.Tensor:
    (name, value), *_ = step.attributes.items()
    if name == "value":
        return step.translator.tensor_of(value)
    if name.startswith(("value_int", "value_float")):
        return torch.tensor(value)
    raise ValueError("a constant that is no number")


def _filled(step: OnnxNode, given: list[torch.Tensor]) -> torch.Tensor | None:
    sizes = given[0].tolist()
    value = (
        step.translator.tensor_of(step.attributes["value"]) if "value" in step.attributes else torch.zeros(1)
    )
    return value.reshape(()).expand(sizes) if math.prod(sizes) <= 4096 else None


def _sliced_numbers(step: OnnxNode, given: list[torch.Tensor]) -> torch.Tensor:
    starts, ends = step.numbers(1, "starts"), step.numbers(2, "ends")
    axes = step.numbers(3, "axes", list(range(len(starts))))
    steps = step.numbers(4, "", [1] * len(starts))
    picked = [slice(None)] * given[0].dim()
    for axis, start, end, by in zip(axes, starts, ends, steps, strict=True):
        picked[axis] = slice(start, end, by)
    return torch.from_numpy(given[0].numpy()[tuple(picked)].copy())


def _quotient(_: OnnxNode, given: list[torch.Tensor]) -> torch.Tensor:
    return given[0] / given[1] if given[0].is_floating_point() else torch.div(*given, rounding_mode="trunc")


_NUMBERS: dict[str, Callable[[OnnxNode, list[torch.Tensor]], torch.Tensor | None]] = {
    "Add": lambda _, given: given[0] + given[1], "Sub": lambda _, given: given[0] - given[1],
    "Mul": lambda _, given: given[0] * given[1], "Div": _quotient, "Identity": lambda _, given: given[0],
    "Cast": lambda step, given: given[0].long() if step.attributes["to"] in {6, 7} else given[0],
    "Concat": lambda step, given: torch.cat(given, step.attributes["axis"]),
    "Gather": lambda step, given: _gathered(given[0], given[1], step.attributes.get("axis", 0)),
    "Unsqueeze": lambda step, given: given[0].reshape(unsqueezed(tuple(given[0].shape), step.numbers(1, "axes"))),
    "Squeeze": lambda step, given: given[0].reshape(squeezed(tuple(given[0].shape), step.numbers(1, "axes"))),
    "Transpose": lambda step, given: given[0].permute(step.attributes.get("perm", list(range(given[0].dim()))[::-1])),
    "Reshape": lambda step, given: given[0].reshape(given[1].tolist()), "ConstantOfShape": _filled, "Slice": _sliced_numbers,
}  # fmt: skip


def _gathered(values: torch.Tensor, index: torch.Tensor, axis: int) -> torch.Tensor:
    sizes = [*values.shape[:axis], *index.shape, *values.shape[axis + 1 :]]
    return values.index_select(axis, index.flatten()).reshape(sizes)


def unsqueezed(shape: Shape, axes: list[int]) -> Shape:
    """Return a shape with axes of size 1 inserted."""
    found = list(shape)
    for axis in sorted(axis % (len(shape) + len(axes)) for axis in axes):
        found.insert(axis, 1)
    return tuple(found)


def squeezed(shape: Shape, axes: list[int] | None) -> Shape:
    """Return a shape without the given axes; None means all axes of size 1."""
    gone = (
        {axis for axis, size in enumerate(shape) if size == 1}
        if axes is None
        else {axis % len(shape) for axis in axes}
    )
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)


def unknown(step: OnnxNode, known: dict[str, Any]) -> None:
    """Add an operation that has no handler: no bound covers it, but its weights are counted.

    Args:
        step: the node.
        known: name of a value -> its shape, for values whose shape the file states.

    Raises:
        ValueError: when the file does not state the shape of the node's output.
    """
    output, node = step.outputs[0], step.node
    if output not in known:
        raise ValueError(
            "this operation is not supported, and the file does not state the shape of its output"
        )
    dims = [dim.dim_value for dim in known[output].type.tensor_type.shape.dim]
    if not dims or min(dims[1:], default=1) < 1:
        raise ValueError(
            "this operation is not supported, and the file does not state the shape of its output"
        )
    args = {f"input_{place}": Ref(name) for place, name in enumerate(step.inputs) if name}
    alive = any(name in step.translator.live for name in step.inputs)
    step.emit(node.op_type, args, (step.translator.batch, *dims[1:]) if alive else tuple(dims))

"""Translate the graph of an ONNX model to a `Program`: every operation becomes the aten operation that computes the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from boundcalc.checkpoint.onnx_operations import OPERATIONS
from boundcalc.checkpoint.onnx_step import OnnxNode, arithmetic, unknown
from boundcalc.checkpoint.program import Call, Program, Ref
from boundcalc.errors import CheckpointError

SAMPLES = 7919
"""Placeholder for the number of samples in a batch if the file leaves it open: a prime that is unlikely to be the size of a layer."""

MOST_ENTRIES = 1 << 28
"""Largest number of entries of one value for one sample."""

_SMALL = 4096
"""Largest number of entries of a tensor that is evaluated in the arithmetic of shapes."""

_GRAPHS = (5, 10)
"""`AttributeProto.AttributeType` of graphs: branches and loops."""

_QUANTIZED = (
    "ConvInteger",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
)


@dataclass(frozen=True)
class Translation:
    """The content of an ONNX model.

    Attributes:
        program: the forward pass.
        state: weights, biases and statistics under the file's own names.
    """

    program: Program
    state: dict[str, torch.Tensor]


def translate(
    model: Any, tensor_of: Callable[[Any], torch.Tensor], refuse: Callable[[str], CheckpointError]
) -> Translation:
    """Turn a ``ModelProto`` into a program.

    Args:
        model: the parsed file.
        tensor_of: makes a tensor from a ``TensorProto``.
        refuse: makes the error from its text.

    Returns:
        The program and its weights.

    Raises:
        CheckpointError: when it is not a straight-line forward pass from one input to one output, or its shapes cannot be
            derived.
    """
    graph = model.graph
    if graph.sparse_initializer:
        raise refuse("an ONNX model with sparse initializers: export it with dense ones")
    translator = Translator(tensor_of, refuse)
    for proto in graph.initializer:
        translator.parameter(proto.name, tensor_of(proto))
    own = {proto.name for proto in graph.initializer}
    inputs = [value for value in graph.input if value.name not in own]
    if len(inputs) != 1 or len(graph.output) != 1:
        what = f"{len(inputs)} inputs and {len(graph.output)} outputs"
        raise refuse(
            f"an ONNX model of {what}: export a network with one input whose forward returns the scores alone"
        )
    translator.begin(inputs[0])
    known = {value.name: value for value in graph.value_info}
    for node in graph.node:
        translator.node(node, known)
    return translator.finish(graph.output[0].name)


class Translator:
    """Visits the nodes of a graph once; the handlers of single operations read and extend its state.

    Args:
        tensor_of: makes a tensor from a ``TensorProto``.
        refuse: makes the error from its text.
    """

    def __init__(
        self, tensor_of: Callable[[Any], torch.Tensor], refuse: Callable[[str], CheckpointError]
    ) -> None:
        self.tensor_of, self.refuse = tensor_of, refuse
        self.state: dict[str, torch.Tensor] = {}
        self.constants: dict[str, torch.Tensor] = {}
        self.numbers: dict[str, torch.Tensor] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.calls: list[Call] = []
        self.live: set[str] = set()
        self.buffers: set[str] = set()
        self.input = ""

    def parameter(self, name: str, tensor: torch.Tensor) -> None:
        """Add a tensor of the file: as a weight if it is real and has at least one axis, else as a constant."""
        if name in self.shapes:
            raise self.refuse(f"damaged ONNX model: two tensors are called {name}")
        self.shapes[name] = tuple(tensor.shape)
        if tensor.is_floating_point() and tensor.dim():
            self.state[name] = tensor
        else:
            self.constant(name, tensor)

    def constant(self, name: str, tensor: torch.Tensor) -> None:
        """Add a tensor that is not a weight."""
        self.shapes[name], self.constants[name] = tuple(tensor.shape), tensor
        if tensor.numel() <= _SMALL:
            self.numbers[name] = tensor

    def begin(self, value: Any) -> None:
        """Add the network's input; its first axis is the batch."""
        dims = [
            dim.dim_value if dim.HasField("dim_value") else -1 for dim in value.type.tensor_type.shape.dim
        ]
        if len(dims) < 2 or min(dims[1:]) < 1 or dims[0] == 0:
            raise self.refuse(
                f"an ONNX model whose input {value.name} has sizes {dims}: export it with the sizes of one sample fixed, its "
                "first axis the batch"
            )
        self.input = value.name
        self.live.add(value.name)
        self._shaped(value.name, (dims[0] if dims[0] > 0 else SAMPLES, *dims[1:]))

    @property
    def batch(self) -> int:
        """Number of samples in a batch."""
        return self.shapes[self.input][0]

    def _shaped(self, name: str, shape: tuple[int, ...]) -> None:
        if min((*shape, 0)) < 0 or math.prod(shape[1:]) > MOST_ENTRIES:
            raise self.refuse(f"damaged ONNX model: the value {name} would have shape {list(shape)[:8]}")
        self.shapes[name] = shape

    def node(self, node: Any, known: dict[str, Any]) -> None:
        """Translate one node.

        Args:
            node: a ``NodeProto``.
            known: name of a value -> what the file says about it.

        Raises:
            CheckpointError: when it is quantized, contains another graph, or its shapes cannot be derived.
        """
        what = f"the ONNX operation {node.op_type}" + (f" ({node.name})" if node.name else "")
        if node.op_type in _QUANTIZED:
            raise self.refuse(
                f"a quantized ONNX model ({node.op_type}): give the model from before quantization"
            )
        if any(attribute.type in _GRAPHS for attribute in node.attribute):
            raise self.refuse(f"{what} holds branches or a loop, which are not read")
        missing = [name for name in node.input if name and name not in self.shapes]
        if missing:
            raise self.refuse(
                f"damaged ONNX model: {what} reads {missing[0]}, which no earlier node computes"
            )
        if any(name in self.shapes for name in node.output if name):
            raise self.refuse(
                f"damaged ONNX model: {what} writes {node.output[0]}, which another node or the input "
                "already defines"
            )
        step = OnnxNode(self, node)
        try:
            if arithmetic(step):
                return
            handler = OPERATIONS.get(node.op_type) if node.domain in {"", "ai.onnx"} else None
            if handler is None or not handler(step):
                unknown(step, known)
        except CheckpointError:
            raise
        except (
            IndexError,
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
            OverflowError,
            ZeroDivisionError,
        ) as problem:
            first = str(problem).split("\n", maxsplit=1)[0][:120]
            raise self.refuse(f"damaged ONNX model: {what} cannot be evaluated ({first})") from None

    def emit(
        self, op: str, args: dict[str, Any], outputs: tuple[str, ...], shapes: list[tuple[int, ...]]
    ) -> None:
        """Add a call.

        Args:
            op: name of the aten operation.
            args: its arguments, by their names in the aten schema.
            outputs: names of its output values.
            shapes: their shapes, with the batch as the first axis.

        Raises:
            ValueError: when a value that depends on the input has lost the batch axis.
        """
        self.calls.append(Call(op, args, outputs))
        read = [one for value in args.values() for one in (value if isinstance(value, list) else [value])]
        alive = any(isinstance(one, Ref) and one.name in self.live for one in read)
        for name, shape in zip(outputs, shapes, strict=True):
            self._shaped(name, shape)
            if alive:
                self.live.add(name)
                if not shape or shape[0] != self.batch:
                    raise ValueError("it mixes the samples of a batch")

    def finish(self, output: str) -> Translation:
        """Return the finished program and its weights."""
        if output not in self.live:
            raise self.refuse("an ONNX model whose output does not depend on its input")
        program = Program(
            (self.input,), output, {name: name for name in self.state}, tuple(self.calls), self.shapes, self.constants,
            frozenset(self.buffers),
        )  # fmt: skip
        return Translation(program, self.state)

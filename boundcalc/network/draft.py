"""A network under construction: the values of a program, the nodes that compute them, the tensors that these read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from boundcalc.checkpoint.program import Call, Program, Ref
from boundcalc.network.geometry import Window
from boundcalc.network.ops import Affine, Input, Node, Rearrange, Shape, Weight
from boundcalc.network.reading import BIAS, BUFFER, WEIGHT, role, weight
from boundcalc.network.weights import Parameters, references


@dataclass(frozen=True)
class Value:
    """A value of the program: the node that computes it and the shape in which the program sees it."""

    node: int
    shape: tuple[int, ...]


def image(shape: tuple[int, ...]) -> Shape:
    """Return the (channels, height, width) in which a value of a per-sample shape is stored.

    Raises:
        ValueError: when there are more than three dimensions.
    """
    if len(shape) > 3:
        raise ValueError(f"a value of shape {shape} per sample is not an image")
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    return (shape[0], 1, 1) if len(shape) == 1 else (shape[0], shape[1], shape[2])


def flat_image(shape: tuple[int, ...]) -> Shape:
    """Return `image` of a shape, or (entries, 1, 1) if the shape is not an image."""
    return image(shape) if 1 <= len(shape) <= 3 else (math.prod(shape), 1, 1)


def by_channel(shape: tuple[int, ...]) -> Shape:
    """Return the image whose channels are the first axis of a per-sample shape; a (channels, length) shape gets height 1."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else flat_image(shape)


def _ref(argument: object) -> Ref:
    """Return an argument after checking that it refers to a tensor.

    Raises:
        ValueError: when it is something else, which happens only in a graph that no exporter wrote.
    """
    if not isinstance(argument, Ref):
        raise ValueError(f"an operation has {argument!r} where a tensor is expected")
    return argument


def operand(call: Call) -> Ref:
    """Return the first tensor argument of a call."""
    for argument in call.args.values():
        if isinstance(argument, Ref):
            return argument
    return references(call.args)[0]


class Draft:
    """The state that the conversions of single operations read and extend.

    Args:
        program: the captured forward pass.
        state: raw state dict of the program.
        tensors: canonical tensors that replace entries of `state` (masked weights).
        masks: declared masks, with keys as in `tensors`.
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
        self.reading: dict[str, str] = {}
        shape = tuple(program.shapes[program.inputs[0]][1:])
        self.nodes: list[Node] = [Input(program.inputs[0], (), flat_image(shape))]
        self.values: dict[str, Value] = {program.inputs[0]: Value(0, shape)}
        self.wrapped: dict[int, tuple[Value, list[int]]] = {}
        self.notes: list[str] = []
        self._shared: dict[str, str] = {}

    def input_of(self, call: Call) -> Value:
        """Return the value of a call's first tensor argument."""
        return self.values[operand(call).name]

    def node_shape(self, value: Value) -> Shape:
        """Return the image shape in which the value is stored."""
        return self.nodes[value.node].shape

    def out_shape(self, call: Call) -> tuple[int, ...]:
        """Return the per-sample shape of a call's first output."""
        return tuple(self.program.shapes[call.outputs[0]][1:])

    def append(self, node: Node, shape: tuple[int, ...]) -> Value:
        """Add a node and return its value."""
        self.nodes.append(node)
        return Value(len(self.nodes) - 1, shape)

    def by_channel(self, source: Value) -> Value:
        """Return a value stored as an image whose channels are the first axis of its shape."""
        shape = by_channel(source.shape)
        if self.node_shape(source) == shape:
            return source
        if source.node == 0 and len(self.nodes) == 1:
            self.nodes[0] = Input(self.nodes[0].name, (), shape)
            return source
        places = torch.arange(math.prod(shape)).reshape(shape)
        return self.append(Rearrange("view", (source.node,), shape, places), source.shape)

    def read(self, call: Call, name: str, argument: Ref) -> tuple[list[Weight], dict[str, int]]:
        """Record the tensors of the file that enter an argument of an operation that is not a layer.

        Args:
            call: the operation.
            name: name of its argument.
            argument: the value that the argument refers to.

        Returns:
            The tensors that count as weights, and for those that count as biases their keys and numbers of entries.
        """
        weights, biases = [], {}
        for key in self.keys_of(argument):
            stored = self.stored(key)
            self.note(key, role(call, name, key, tuple(stored.shape)))
            if self.reading[key] == WEIGHT:
                weights.append(weight(self, call, key, (argument, self.computed(argument))))
            elif self.reading[key] == BIAS:
                biases[key] = stored.numel()
        return weights, biases

    def computed(self, argument: Ref) -> torch.Tensor | None:
        """Return in float64 a tensor that does not depend on the input, or None if it cannot be computed."""
        try:
            return self.parameters.value(argument.name).double()
        except (ValueError, KeyError, RuntimeError, TypeError):
            return None

    def tensor(self, argument: object, role: str = WEIGHT) -> torch.Tensor | None:
        """Return a parameter argument in float64, or None if there is none, and record the role in which the call reads its
        keys.
        """
        if argument is None:
            return None
        argument = _ref(argument)
        for key in self.keys_of(argument):
            self.note(key, role)
        return self.parameters.value(argument.name).double()

    def note(self, key: str, role: str) -> None:
        """Record that the call being converted reads a tensor in a role; a tensor already recorded as a weight remains one."""
        role = BUFFER if key in self.program.buffers else role
        if self.reading.get(key) != WEIGHT:
            self.reading[key] = role

    def keys_of(self, argument: Ref) -> list[str]:
        """Return the sorted canonical keys of the tensors that a value is computed from."""
        return sorted({self.parameters.plain(key) for key in self.parameters.keys_behind(argument.name)})

    def stored(self, key: str) -> torch.Tensor:
        """Return a tensor of the file by its canonical key.

        Raises:
            ValueError: when it is missing.
        """
        for home in (self.parameters.tensors, self.parameters.state):
            if key in home:
                return home[key]
        raise ValueError(f"the tensor {key} is missing")

    def is_parameter(self, argument: object) -> bool:
        """Return whether an argument is computed from tensors of the file and not from the input."""
        return isinstance(argument, Ref) and bool(self.parameters.keys_behind(argument.name))

    def sizes(self, argument: object) -> tuple[int, ...]:
        """Return the sizes of a parameter argument."""
        argument = _ref(argument)
        return tuple(self.parameters.value(argument.name).shape)

    def key_of(self, argument: object) -> str:
        """Return the canonical key behind a parameter argument (a weight's, if there are several), or the value's name if
        there is none.
        """
        keys = self.keys_of(_ref(argument))
        parameters = [key for key in keys if key not in self.program.buffers] or keys
        weights = [key for key in parameters if key.rpartition(".")[2] == "weight"] or parameters
        return weights[0] if weights else _ref(argument).name

    def module_of(self, call: Call) -> str:
        """Return the module of the first file tensor that a call reads; that tensor's key if it is in no module, or "" if
        there is none.
        """
        for ref in references(call.args):
            if ref.name not in self.values and self.parameters.keys_behind(ref.name):
                key = self.key_of(ref)
                return key.rpartition(".")[0] or key
        return ""

    def affine(
        self,
        source: Value,
        kind: str,
        weight_of: object,
        bias_of: object,
        arrange: Callable[[torch.Tensor], torch.Tensor],
    ) -> Affine:
        """Make a layer; `arrange` converts its weight from the program's layout to (out, in, height, width)."""
        weight_of = _ref(weight_of)
        weight = self.tensor(weight_of)
        assert weight is not None
        kernel, key = arrange(weight), self.key_of(weight_of)
        mask = self.masks.get(key)
        declared = None if mask is None else arrange(self.parameters.moved(weight_of.name, mask.bool()))
        stored = self.parameters.tensors.get(key, self.parameters.value(weight_of.name))
        size = self.node_shape(source)[1:]
        return Affine(
            self._layer_name(key, bias_of), (source.node,), (kernel.shape[0], 1, 1), kind, kernel,
            self.tensor(bias_of, BIAS), kernel != 0 if declared is None else (kernel != 0) & declared, declared,
            tuple(stored.shape), Window.whole(size), key=key,
        )  # fmt: skip

    def _layer_name(self, key: str, bias_of: object) -> str:
        """Return the layer that a weight belongs to; if several layers share it, the one whose bias is used with it."""
        bias = self.keys_of(bias_of) if isinstance(bias_of, Ref) else []
        own = bias[0].removesuffix(".bias") if len(bias) == 1 else ""
        shares = self.parameters.first_names.get(f"{own}.weight") == key
        return own if shares else key.removesuffix(".weight")

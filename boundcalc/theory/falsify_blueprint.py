"""Small networks as plain values: a list of steps plus weights, so that a network can be drawn, stored and rebuilt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import (
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    Input,
    LeakyReLU,
    MaxPool,
    Node,
    ReLU,
)
from boundcalc.network.pooling import average_rows

Step = Mapping[str, Any]


@dataclass(frozen=True)
class Blueprint:
    """An architecture.

    Attributes:
        shape: input shape, (channels, height, width).
        steps: ``{"op": "conv" | "linear" | "relu" | "leaky" | "diagonal" | "avg" | "max" | "add" | "concat", "of": [indices of
            values], ...}``. Value 0 is the input; step k produces value k + 1. Further keys: of a conv out, kernel, stride,
            padding, groups, circular, bias; of a linear layer out, bias; of a pooling kernel, stride; of a leaky ReLU slope; of a
            diagonal layer scale and shift, lists of numbers.
    """

    shape: tuple[int, int, int]
    steps: tuple[Step, ...]

    @property
    def layers(self) -> dict[str, int]:
        """Map from the name of each layer with weights to the index of its value."""
        indices = [index for index, step in enumerate(self.steps, 1) if step["op"] in {"conv", "linear"}]
        return {f"layer{place}": index for place, index in enumerate(indices)}

    @property
    def words(self) -> str:
        """A description of the architecture in words."""
        chain = " > ".join(_words(step, index) for index, step in enumerate(self.steps, 1))
        return f"{'x'.join(map(str, self.shape))} > {chain}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"shape": list(self.shape), "steps": [dict(step) for step in self.steps]}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Blueprint:
        """Rebuild a blueprint from the result of `to_dict`."""
        channels, height, width = plain["shape"]
        return cls((channels, height, width), tuple(dict(step) for step in plain["steps"]))

    def kernel_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each layer's weight."""
        shapes = self.value_shapes()
        found = {}
        for name, index in self.layers.items():
            step = self.steps[index - 1]
            channels, *size = shapes[step["of"][0]]
            kernel = (step["kernel"], step["kernel"]) if step["op"] == "conv" else tuple(size)
            found[name] = (step["out"], channels // step.get("groups", 1), *kernel)
        return found

    def value_shapes(self) -> list[tuple[int, int, int]]:
        """Return the shape of every value."""
        shapes = [self.shape]
        for step in self.steps:
            channels, height, width = shapes[step["of"][0]]
            if step["op"] == "linear":
                shapes.append((step["out"], 1, 1))
            elif step["op"] == "conv":
                shapes.append((step["out"], *_window(step, (height, width)).out))
            elif step["op"] in {"avg", "max"}:
                shapes.append((channels, *_window(step, (height, width)).out))
            elif step["op"] == "concat":
                shapes.append((sum(shapes[i][0] for i in step["of"]), height, width))
            else:
                shapes.append((channels, height, width))
        return shapes

    def network(self, weights: Mapping[str, torch.Tensor]) -> Network:
        """Return the network with these weights.

        Args:
            weights: ``"layerK.weight"`` (out, in / groups, kh, kw) and ``"layerK.bias"`` (out,), float64, counted from K = 0.
        """
        shapes, names = self.value_shapes(), {index: name for name, index in self.layers.items()}
        nodes: list[Node] = [Input("x", (), self.shape)]
        for index, step in enumerate(self.steps, 1):
            nodes.append(_node(step, names.get(index, ""), shapes, shapes[index], weights))
        return Network(tuple(nodes), "drawn", self.shape)


def _window(step: Step, size: tuple[int, int]) -> Window:
    def pair(name: str, default: int) -> tuple[int, int]:
        return step.get(name, default), step.get(name, default)

    stride = pair("stride", 1 if step["op"] == "conv" else step["kernel"])
    return Window.of(size, pair("kernel", 1), stride, pair("padding", 0))


def _node(
    step: Step,
    name: str,
    shapes: Sequence[tuple[int, int, int]],
    shape: tuple[int, int, int],
    weights: Mapping[str, torch.Tensor],
) -> Node:
    source = tuple(step["of"])
    size = shapes[source[0]][1:]
    match step["op"]:
        case "relu":
            return ReLU("relu", source, shape)
        case "leaky":
            return LeakyReLU(
                "leaky", source, shape, torch.full(shape[:1], step["slope"], dtype=torch.float64)
            )
        case "diagonal":
            scale, shift = (torch.tensor(step[key], dtype=torch.float64) for key in ("scale", "shift"))
            return ChannelAffine("diagonal", source, shape, scale, shift, trained=False)
        case "add":
            return Add("add", source, shape)
        case "concat":
            return Concat("concat", source, shape)
        case "max":
            return MaxPool("max", source, shape, _window(step, size))
        case "avg":
            stride = step.get("stride", step["kernel"])
            rows = [average_rows(n, step["kernel"], stride, 0, False, True) for n in size]
            return AvgPool("avg", source, shape, rows[0], rows[1])
        case _:
            weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
            kind = "conv2d" if step["op"] == "conv" else "linear"
            window = _window(step, size) if kind == "conv2d" else Window.whole(size)
            stored = tuple(weight.shape) if kind == "conv2d" else (weight.shape[0], weight[0].numel())
            return Affine(
                name,
                source,
                shape,
                kind,
                weight,
                bias,
                weight != 0,
                None,
                stored,
                window,
                step.get("groups", 1),
                step.get("circular", False),
            )


def _words(step: Step, index: int) -> str:
    if step["op"] in {"relu", "leaky", "diagonal"}:
        return str(step["op"])
    if step["op"] in {"add", "concat"}:
        return f"{step['op']} {'value' if step['op'] == 'add' else 'values'} {', '.join(map(str, step['of'][step['op'] == 'add' :]))}"
    before = "" if step["of"] == [index - 1] else f"(of value {step['of'][0]}) "
    if step["op"] in {"avg", "max"}:
        return f"{before}{step['op']} pool {step['kernel']}"
    bias = " circular" * bool(step.get("circular")) + " with bias" * bool(step.get("bias"))
    if step["op"] == "linear":
        return f"{before}linear {step['out']}{bias}"
    more = "".join(
        f" {name} {step[name]}" for name in ("stride", "padding", "groups") if step.get(name, 0) not in {0, 1}
    )
    if step.get("padding") == 1:
        more += " padding 1"
    return f"{before}conv {step['kernel']}x{step['kernel']} to {step['out']}{more}{bias}"


class Drafter:
    """Builds a blueprint step by step; the methods take and return indices of values.

    Args:
        shape: input shape, (channels, height, width).
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.steps: list[Step] = []

    def _append(self, op: str, *of: int, **more: Any) -> int:
        self.steps.append({"op": op, "of": list(of), **more})
        return len(self.steps)

    def conv(self, of: int, out: int, kernel: int, **more: Any) -> int:
        """Append a convolution."""
        return self._append("conv", of, out=out, kernel=kernel, **more)

    def linear(self, of: int, out: int, **more: Any) -> int:
        """Append a linear layer on the flattened value."""
        return self._append("linear", of, out=out, **more)

    def relu(self, of: int) -> int:
        """Append a ReLU."""
        return self._append("relu", of)

    def pool(self, of: int, kind: str, kernel: int = 2, **more: Any) -> int:
        """Append a pooling layer, ``"avg"`` or ``"max"``."""
        return self._append(kind, of, kernel=kernel, **more)

    def add(self, left: int, right: int) -> int:
        """Append the sum of two values of the same shape."""
        return self._append("add", left, right)

    def concat(self, *of: int) -> int:
        """Append the concatenation of values of the same height and width along the channels."""
        return self._append("concat", *of)

    def leaky(self, of: int, slope: float) -> int:
        """Append a leaky ReLU with a fixed slope."""
        return self._append("leaky", of, slope=slope)

    def diagonal(self, of: int, scale: Sequence[float], shift: Sequence[float]) -> int:
        """Append a fixed diagonal layer: one factor and one shift per channel."""
        return self._append("diagonal", of, scale=list(scale), shift=list(shift))

    def blueprint(self) -> Blueprint:
        """Return the blueprint of the steps appended so far."""
        return Blueprint(self.shape, tuple(self.steps))

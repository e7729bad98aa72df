"""A captured forward pass as plain data: the content of a .pt2 file, before it is interpreted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Ref:
    """The name of a value computed earlier in the program, or of an input, a parameter or a buffer."""

    name: str


@dataclass(frozen=True)
class Call:
    """A call of one aten operation.

    Attributes:
        op: name of the operation without the ``torch.ops.aten.`` prefix, e.g. ``"conv2d.default"``; operations outside aten
            keep their full name.
        args: argument name in the aten schema -> number, bool, string, None, `Ref`, or a list of these.
        outputs: names of the values it defines, in order.
    """

    op: str
    args: dict[str, Any]
    outputs: tuple[str, ...]

    @property
    def packet(self) -> str:
        """The operation's name without its overload."""
        return packet_of(self.op)


def packet_of(op: str) -> str:
    """Return an operation's name without its overload and, outside aten, without its library.

    Example:
        >>> packet_of("add_.Tensor"), packet_of("torch.ops.mine.double_it.default")
        ('add_', 'double_it')
    """
    names = op.split(".")
    return names[3 if names[:2] == ["torch", "ops"] and len(names) > 3 else 0]


@dataclass(frozen=True)
class Program:
    """A straight-line forward pass.

    Attributes:
        inputs: names of the user's inputs, in order.
        output: name of the value returned.
        state: value name -> key in the checkpoint's state dict (parameters and buffers).
        constants: value name -> tensor lifted into the graph.
        calls: the operations in execution order.
        shapes: value name -> sizes, the batch dimension first (a symbolic size is given by its example value, or -1).
        buffers: keys of the state dict that are buffers, not parameters.
    """

    inputs: tuple[str, ...]
    output: str
    state: dict[str, str]
    calls: tuple[Call, ...]
    shapes: dict[str, tuple[int, ...]]
    constants: dict[str, torch.Tensor] = field(default_factory=dict)
    buffers: frozenset[str] = frozenset()

"""A captured forward pass as plain data: what a .pt2 file holds, before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Ref:
    """A value computed earlier in the program (or an input, a parameter, a buffer), by name."""

    name: str


@dataclass(frozen=True)
class Call:
    """One aten operation.

    Attributes:
        op: name without the ``torch.ops.aten.`` prefix, e.g. ``"conv2d.default"``; anything outside aten
            keeps its full name.
        args: argument name as in the aten schema -> number, bool, string, None, `Ref`, or list of these.
        outputs: names of the values it defines, in order.
    """

    op: str
    args: dict[str, Any]
    outputs: tuple[str, ...]

    @property
    def packet(self) -> str:
        """The operation without its overload."""
        return packet_of(self.op)


def packet_of(op: str) -> str:
    """Return an operation's name without overload and, outside aten, without library.

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
        shapes: value name -> sizes with the batch dimension first (symbolic sizes by their example, or -1).
        buffers: keys of the state dict that are buffers, not parameters.
    """

    inputs: tuple[str, ...]
    output: str
    state: dict[str, str]
    calls: tuple[Call, ...]
    shapes: dict[str, tuple[int, ...]]
    constants: dict[str, torch.Tensor] = field(default_factory=dict)
    buffers: frozenset[str] = frozenset()

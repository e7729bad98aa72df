"""The fallback capture: run the module once and record the aten operations (torch.fx, make_fx)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from boundcalc.checkpoint.program import Call, Program, Ref


def trace(module: torch.nn.Module, example: torch.Tensor) -> tuple[Program, Mapping[str, torch.Tensor]]:
    """Record one forward pass; branches that depend on values are taken as this input takes them.

    Args:
        module: in evaluation mode.
        example: (batch, ...) float input.

    Returns:
        The program and the module's state dict.
    """
    state = dict(module.state_dict(keep_vars=True))

    def functional(tensors: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(module, tensors, (x,))

    with torch.no_grad():
        graph = make_fx(functional, tracing_mode="real")(state, example).graph
    return _program(graph, list(state)), {key: tensor.detach() for key, tensor in state.items()}


def _program(graph: torch.fx.Graph, keys: list[str]) -> Program:
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    calls, shapes = [], {}
    for node in graph.nodes:
        value = node.meta.get("val", node.meta.get("tensor_meta"))
        first = value[0] if isinstance(value, list | tuple) and not hasattr(value, "shape") else value
        if first is not None and hasattr(first, "shape"):
            shapes[node.name] = tuple(int(size) for size in first.shape)
        if node.op == "call_function" and node.target is not __import__("operator").getitem:
            calls.append(_call(node))
    (output,) = [node for node in graph.nodes if node.op == "output"]
    return Program(
        inputs=(placeholders[-1].name,),
        output=_resolve(output.args[0]).name,
        state={node.name: key for node, key in zip(placeholders[:-1], keys, strict=True)},
        calls=tuple(calls),
        shapes=shapes,
    )


def _call(node: torch.fx.Node) -> Call:
    schema = node.target._schema.arguments
    named = {argument.name: value for argument, value in zip(schema, node.args, strict=False)} | dict(
        node.kwargs
    )
    op = str(node.target).removeprefix("aten.")
    return Call(op, {name: _argument(value) for name, value in named.items()}, (node.name,))


def _argument(value: object) -> object:
    if isinstance(value, torch.fx.Node):
        return _resolve(value)
    if isinstance(value, list | tuple):
        return [_argument(item) for item in value]
    return value


def _resolve(node: object) -> Ref:
    assert isinstance(node, torch.fx.Node)
    if node.op == "call_function" and "getitem" in str(node.target):
        return _resolve(node.args[0])
    return Ref(node.name)

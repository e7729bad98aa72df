"""The fallback capture: run the module once and record the aten operations that PyTorch dispatches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from boundcalc.checkpoint.program import Call, Program, Ref


def trace(module: torch.nn.Module, example: torch.Tensor) -> tuple[Program, Mapping[str, torch.Tensor]]:
    """Record one forward pass; for branches that depend on values, only the one that this input takes is recorded.

    Args:
        module: a module in evaluation mode.
        example: (batch, ...) float input.

    Returns:
        The program and the module's state dict.

    Raises:
        ValueError: when it returns anything but one tensor.
    """
    state = dict(module.state_dict(keep_vars=True))
    recorder = _Recorder(state, example)
    with torch.no_grad(), recorder:
        output = module(example)
    if not isinstance(output, torch.Tensor):
        raise ValueError(f"its forward pass returns a {type(output).__name__}, not one tensor")
    buffers = frozenset(state) - {key for key, _ in module.named_parameters(remove_duplicate=False)}
    return recorder.program(output, buffers), {key: tensor.detach() for key, tensor in state.items()}


class _Recorder(TorchDispatchMode):
    """Names every tensor that it sees, and keeps all of them alive so that no two have the same id."""

    def __init__(self, state: Mapping[str, torch.Tensor], example: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.keys: dict[str, str] = {}
        self.calls: list[Call] = []
        self.constants: dict[str, torch.Tensor] = {}
        self._names: dict[int, str] = {}
        self._tensors: dict[str, torch.Tensor] = {}
        for key, tensor in state.items():
            if id(tensor) not in self._names:
                self.keys[self._name(tensor)] = key
        self.input = self._name(example)

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run one operation and record it."""
        schema = [argument.name for argument in func._schema.arguments]  # type: ignore[attr-defined]
        given = dict(zip(schema, args, strict=False)) | (kwargs or {})
        named = {name: self._argument(value) for name, value in given.items()}
        result = func(*args, **(kwargs or {}))
        values = result if isinstance(result, tuple | list) else (result,)
        outputs = tuple(self._name(value) for value in values if isinstance(value, torch.Tensor))
        self.calls.append(Call(str(func).removeprefix("aten."), named, outputs))
        return result

    def _name(self, tensor: torch.Tensor) -> str:
        name = f"value_{len(self._tensors)}"
        self._names[id(tensor)] = name
        self._tensors[name] = tensor
        return name

    def _argument(self, value: object) -> object:
        if isinstance(value, torch.Tensor):
            if id(value) not in self._names:
                self.constants[self._name(value)] = value.detach()
            return Ref(self._names[id(value)])
        return [self._argument(item) for item in value] if isinstance(value, list | tuple) else value

    def program(self, output: torch.Tensor, buffers: frozenset[str]) -> Program:
        """Return the recorded program."""
        return Program(
            inputs=(self.input,),
            output=self._names[id(output)],
            state=self.keys,
            calls=tuple(self.calls),
            shapes={name: tuple(tensor.shape) for name, tensor in self._tensors.items()},
            constants=self.constants,
            buffers=buffers,
        )

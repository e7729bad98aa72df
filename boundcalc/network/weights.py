"""The tensors that a layer of a captured program uses, and the weights that are computed from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from boundcalc.checkpoint.program import Call, Program, Ref
from boundcalc.checkpoint.shared import same_memory

_PARAMETRIZED = re.compile(r"^(?P<layer>.*?)\.?parametrizations\.(?P<name>\w+)\..*$")
_REPARAMETRIZED = re.compile(
    r"^(?P<layer>(?:.*\.)?)(?P<name>\w*?(?:weight|bias)\w*?)(?:_(?:orig|mask|g|v|u))+$"
)

PURE_ARITHMETIC = frozenset({
    "_to_copy", "_weight_norm", "_weight_norm_interface", "abs", "add", "alias", "cat", "chunk", "clamp_min", "clone",
    "contiguous", "detach", "detach_", "div", "dot", "exp", "expand", "expand_as", "flatten", "linalg_norm", "linalg_vector_norm",
    "lift_fresh", "lift_fresh_copy", "matmul", "maximum", "mean", "mm", "movedim", "mul", "mv", "narrow", "neg", "norm",
    "norm_except_dim", "permute", "pow", "reciprocal", "repeat", "reshape", "rsqrt", "select", "sigmoid", "slice",
    "softmax", "softplus", "split", "split_with_sizes", "sqrt", "squeeze", "stack", "sub", "sum", "t", "tanh", "to",
    "transpose", "unflatten", "unsqueeze", "vdot", "view", "where",
})  # fmt: skip
"""Operations by which a program may compute a weight from the tensors of its file."""

VIEW_OPERATIONS = frozenset({
    "_to_copy", "alias", "clone", "contiguous", "detach", "lift_fresh_copy", "permute", "reshape", "select",
    "squeeze", "t", "to", "transpose", "unsqueeze", "view",
})  # fmt: skip
"""The operations among them that only move entries."""


def plain_key(key: str) -> str:
    """Return the plain state-dict key that a reparametrized tensor's key represents.

    Example:
        >>> plain_key("fc1.weight_orig"), plain_key("fc1.parametrizations.weight.original0"), plain_key("fc1.bias")
        ('fc1.weight', 'fc1.weight', 'fc1.bias')
    """
    for pattern in (_PARAMETRIZED, _REPARAMETRIZED):
        match = pattern.match(key)
        if match:
            layer = match["layer"].rstrip(".")
            return f"{layer}.{match['name']}" if layer else match["name"]
    return key


@dataclass(frozen=True)
class Parameters:
    """Tensors of a program, resolved on demand.

    Attributes:
        program: the captured forward pass.
        state: raw state dict, with the keys that `program.state` names.
        tensors: canonical tensors (masked weights); they take precedence over `state`.
    """

    program: Program
    state: Mapping[str, torch.Tensor]
    tensors: Mapping[str, torch.Tensor]

    @cached_property
    def producers(self) -> dict[str, Call]:
        """The call that defines each value, by the value's name."""
        return {name: call for call in self.program.calls for name in call.outputs}

    @cached_property
    def first_names(self) -> dict[str, str]:
        """For each key of the state dict that shares its memory with an earlier key: the first such key."""
        firsts: dict[tuple[object, ...], str] = {}
        return {
            key: first
            for key, tensor in self.state.items()
            if (first := firsts.setdefault(same_memory(key, tensor), key)) != key
        }

    def plain(self, key: str) -> str:
        """Return the canonical key of a raw key: without reparametrization, and the first if the tensor has several names."""
        key = self.first_names.get(key, key)
        return key if key in self.tensors else plain_key(key)

    def keys_behind(self, name: str) -> frozenset[str]:
        """Return the raw state-dict keys that a value is computed from; empty if the value depends on the input."""
        producers = self.producers
        found: set[str] = set()
        stack, seen = [name], set()
        while stack:
            current = stack.pop()
            if current in seen:
                continue
            seen.add(current)
            if current in self.program.inputs:
                return frozenset()
            if current in self.program.state:
                found.add(self.program.state[current])
            elif current in producers:
                stack.extend(ref.name for ref in references(producers[current].args))
        return frozenset(found)

    def value(self, name: str) -> torch.Tensor:
        """Return a parameter, buffer, constant or arithmetic expression of these.

        Raises:
            ValueError: when it is computed by an operation outside `PURE_ARITHMETIC`; the message names the operation.
        """
        if name in self.program.state:
            return self._stored(self.program.state[name])
        if name in self.program.constants:
            return self.program.constants[name]
        return self._computed(name)

    def moved(self, name: str, mask: torch.Tensor) -> torch.Tensor:
        """Return the mask of a stored tensor, rearranged as the program rearranges the tensor to obtain the value `name`.

        If the value is more than a rearranged tensor (an expression), the mask is returned unchanged.
        """
        producers, chain, current = self.producers, [], name
        while current in producers:
            call = producers[current]
            sources = references(call.args)
            if call.packet not in VIEW_OPERATIONS or len(sources) != 1:
                return mask
            chain.append(call)
            current = sources[0].name
        for call in reversed(chain):
            packet, _, overload = call.op.partition(".")
            operation = getattr(getattr(torch.ops.aten, packet), overload or "default")
            arguments = {key: mask if isinstance(value, Ref) else value for key, value in call.args.items()}
            mask = operation(**arguments).bool()
        return mask

    def _stored(self, key: str) -> torch.Tensor:
        if key in self.tensors:
            return self.tensors[key]
        if key not in self.state:
            raise ValueError(f"the tensor {key} is missing")
        return self.state[key]

    def _computed(self, name: str) -> torch.Tensor:
        canonical = {self.plain(key) for key in self.keys_behind(name)}
        expected = self.tensors.get(next(iter(canonical))) if len(canonical) == 1 else None
        if expected is not None and any(key not in self.state for key in self.keys_behind(name)):
            return expected
        computed = self._evaluate(name)
        if (
            expected is not None
            and expected.shape == computed.shape
            and torch.allclose(expected.double(), computed.double(), rtol=1e-4, atol=1e-7)
        ):
            return expected
        return computed

    def _evaluate(self, name: str) -> torch.Tensor:
        if name in self.program.constants:
            return self.program.constants[name]
        if name in self.program.state:
            key = self.program.state[name]
            return self.state[key] if key in self.state else self._stored(key)
        call = self.producers[name]
        packet, _, overload = call.op.partition(".")
        if packet not in PURE_ARITHMETIC:
            raise ValueError(f"a weight is computed by {call.op}, which is not understood")
        operation = getattr(getattr(torch.ops.aten, packet), overload or "default")
        with torch.no_grad():
            result = operation(**substitute(call.args, lambda ref: self._evaluate(ref.name)))
        return result[call.outputs.index(name)] if isinstance(result, tuple | list) else result


def references(argument: object) -> list[Ref]:
    """Return every `Ref` inside an argument, a list of arguments or a dict of them."""
    if isinstance(argument, Ref):
        return [argument]
    if isinstance(argument, dict):
        return [ref for item in argument.values() for ref in references(item)]
    if isinstance(argument, list | tuple):
        return [ref for item in argument for ref in references(item)]
    return []


def substitute(arguments: Mapping[str, object], replace: Callable[[Ref], object]) -> dict[str, object]:
    """Return the arguments with every `Ref` replaced, also inside lists."""

    def fill(argument: object) -> object:
        if isinstance(argument, Ref):
            return replace(argument)
        return [fill(item) for item in argument] if isinstance(argument, list | tuple) else argument

    return {name: fill(argument) for name, argument in arguments.items()}

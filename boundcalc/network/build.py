"""Convert a captured program to a network: every operation is either understood or kept as `Unknown`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch

from boundcalc.checkpoint.program import Call, Program, Ref
from boundcalc.network.conversions import CONVERSIONS
from boundcalc.network.draft import Draft, Value, flat_image, operand
from boundcalc.network.folding import folded
from boundcalc.network.network import Network
from boundcalc.network.ops import UNREADABLE, Node, Slot, Unknown, Weight
from boundcalc.network.reading import WEIGHT
from boundcalc.network.weights import references, substitute

_VIEWS = frozenset({
    "alias", "as_strided", "chunk", "contiguous", "detach", "diagonal", "dropout", "expand", "expand_as",
    "feature_dropout", "flatten", "movedim", "narrow", "permute", "reshape", "select", "slice", "split",
    "split_with_sizes", "squeeze", "swapaxes", "t", "tensor_split", "to", "transpose", "unbind", "unflatten",
    "unsqueeze", "view", "view_as",
})  # fmt: skip
"""Operations whose result may share memory with their input."""

NOT_READ = "the forward pass does not read it"


class Builder(Draft):
    """Visits the calls of a program once and collects nodes; `network` returns the result."""

    def __init__(
        self,
        program: Program,
        state: Mapping[str, torch.Tensor],
        tensors: Mapping[str, torch.Tensor],
        masks: Mapping[str, torch.Tensor],
    ) -> None:
        super().__init__(program, state, tensors, masks)
        self._reads: dict[int, dict[str, str]] = {}

    def network(self, source: str) -> Network:
        """Return the network.

        Args:
            source: description of where the architecture came from.

        Raises:
            ValueError: when a shape, weight or operand is not understood; the message names it.
        """
        for index, call in enumerate(self.program.calls):
            if any(ref.name in self.values for ref in references(call.args)):
                before = self.values.get(operand(call).name)
                self._convert(call)
                self._keep_views(index, call, before)
        output = self.values.get(self.program.output)
        if output is None:
            raise ValueError("the output does not depend on the input")
        order = self._needed(self._without_final_squashing(output.node))
        roles = self._roles(order)
        nodes = folded(self._picked(order))
        unread = tuple((key, NOT_READ) for key in self._unread(roles))
        return Network(
            tuple(nodes), source, self.values[self.program.inputs[0]].shape, tuple(self.notes), tuple(roles.items()),
            unread,
        )  # fmt: skip

    def _roles(self, order: list[int]) -> dict[str, str]:
        """Return the role of every key that a required node reads."""
        roles: dict[str, str] = {}
        for index in order:
            for key, found in self._reads.get(index, {}).items():
                if roles.get(key) != WEIGHT:
                    roles[key] = found
        return roles

    def _unread(self, roles: dict[str, str]) -> list[str]:
        keys = dict.fromkeys(self.parameters.plain(key) for key in self.parameters.state)
        return [key for key in keys if key not in roles and not _is_counter(key)]

    def _convert(self, call: Call) -> None:
        packet = call.packet
        handler = CONVERSIONS.get(packet.rstrip("_"))
        start, self.reading = len(self.nodes), {}
        self._converted(call, packet, handler(self, call) if handler else None)
        made = range(start, len(self.nodes))
        for index in made or {self.values[name].node for name in call.outputs if name in self.values}:
            self._reads[index] = {**self._reads.get(index, {}), **self.reading}

    def _converted(self, call: Call, packet: str, value: Value | list[Value] | None) -> None:
        if isinstance(value, list):
            self.values |= dict(zip(call.outputs, value, strict=True))
        elif value is not None:
            self.values[call.outputs[0]] = value
        elif packet in {"_local_scalar_dense", "item", "is_nonzero"}:
            self.notes.append(
                f"branches that depend on values ({packet}) are fixed to those taken for the traced example"
            )
        elif not packet.startswith(("_assert", "sym_")):
            self._unknown(call, packet)

    def _keep_views(self, index: int, call: Call, before: Value | None) -> None:
        """Record which values share memory, and apply an in-place operation to all of them.

        Raises:
            ValueError: when a part of a value is changed in place and the whole is read afterwards, or the reverse.
        """
        packet, changed = call.packet, operand(call).name
        in_place = _in_place(packet)
        memory = self._shared.get(changed, changed)
        if in_place or packet in _VIEWS:
            self._shared |= dict.fromkeys(call.outputs, memory)
        if not in_place or before is None:
            return
        after = self.values[call.outputs[0]]
        self.values[changed] = after
        later = {ref.name for c in self.program.calls[index + 1 :] for ref in references(c.args)}
        for name in (later | {self.program.output}) & set(self.values) - {changed, *call.outputs}:
            if self._shared.get(name, name) != memory:
                continue
            if self.values[name].node != before.node:
                raise ValueError(f"{call.op} changes a part of {name}, which is read afterwards")
            self.values[name] = Value(after.node, self.values[name].shape)

    def _unknown(self, call: Call, packet: str) -> None:
        inputs: list[Value] = []
        weights: list[Weight] = []
        biases: dict[str, int] = {}

        def slot(name: str, ref: Ref) -> object:
            if ref.name in self.values:
                inputs.append(self.values[ref.name])
                return Slot(len(inputs) - 1)
            more, added = self.read(call, name, ref)
            weights.extend(more)
            biases.update(added)
            read = self.computed(ref)
            return UNREADABLE if read is None else read

        args = {
            name: substitute({name: argument}, partial(slot, name))[name]
            for name, argument in call.args.items()
        }
        if not call.outputs:
            raise ValueError(f"the operation {call.op} returns no tensor")
        module = self.module_of(call)
        name = f"{packet} ({module})" if module else packet
        for output in call.outputs:
            if output not in self.program.shapes:
                continue
            shape = tuple(self.program.shapes[output][1:])
            node = Unknown(
                name, tuple(value.node for value in inputs), flat_image(shape), call.op, args,
                tuple(value.shape for value in inputs), tuple(weights), tuple(biases.items()), module,
            )  # fmt: skip
            self.values[output] = self.append(node, shape)

    def _without_final_squashing(self, index: int) -> int:
        node = self.nodes[index]
        packet = node.op.partition(".")[0] if isinstance(node, Unknown) else ""
        if isinstance(node, Unknown) and packet == "sigmoid":
            self.notes.append("the final sigmoid is left out: the outputs are the logits")
            return node.inputs[0]
        if not isinstance(node, Unknown) or packet.strip("_") not in {"log_softmax", "softmax"}:
            return index
        if len(node.read_as[0]) != 1 or node.args.get("dim") not in {1, -1}:
            return index
        self.notes.append(f"the final {packet.strip('_')} is left out: the outputs are the logits")
        return node.inputs[0]

    def _needed(self, output: int) -> list[int]:
        """Return the nodes that the output depends on, the input first and the output last."""
        needed = {0, output}
        for index in range(output, -1, -1):
            if index in needed:
                needed |= set(self.nodes[index].inputs)
        return sorted(needed)

    def _picked(self, order: list[int]) -> list[Node]:
        position = {old: new for new, old in enumerate(order)}
        return [_moved(self.nodes[old], position) for old in order]


def _moved(node: Node, position: dict[int, int]) -> Node:
    return replace(node, inputs=tuple(position[i] for i in node.inputs))


def _is_counter(key: str) -> bool:
    return key.rpartition(".")[2] in {"num_batches_tracked", "running_mean", "running_var"}


def _in_place(packet: str) -> bool:
    return packet.endswith("_") and not packet.startswith("_")

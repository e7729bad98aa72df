"""Decide whether two networks are the same: a digest of their weights, and their wiring, both independent of layer names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import torch

from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, ChannelAffine, LeakyReLU, Node, Unknown

_SKIPPED_FIELDS = frozenset(
    {"name", "module", "key", "kind", "stored_shape", "support", "declared", "norms", "biases", "weights"}
)
"""Fields of nodes that do not change what is computed."""


def digest_of_network(network: Network) -> str:
    """Return the sha256 of a network's weights and biases in execution order, as float64, with pruned weights set to 0.

    It depends neither on layer names, nor on the file's format, nor on the wiring (see `wiring`).
    """
    found = hashlib.sha256()
    for values in _learned(network):
        plain = values.detach().cpu().double().contiguous() + 0.0  # -0.0 and 0.0 are one weight
        found.update(f"{tuple(plain.shape)}\n".encode())
        found.update(plain.numpy().tobytes())
    return found.hexdigest()


def wiring(network: Network) -> tuple[str, ...]:
    """Return for each node of a network its operation, its inputs and its settings, without the values of weights."""
    return tuple(" ".join((type(node).__name__, *_node_fields(node))) for node in network.nodes)


def _learned(network: Network) -> Iterator[torch.Tensor]:
    for node in network.nodes:
        match node:
            case Affine():
                yield node.weight
                yield torch.zeros(0) if node.bias is None else node.bias
            case ChannelAffine():
                yield node.scale
                yield node.shift
            case LeakyReLU():
                yield node.slopes
            case Unknown():
                yield from _tensors(list(node.args.values()))
            case _:
                pass


def _tensors(values: list[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list):
            yield from _tensors(value)


def _node_fields(node: Node) -> Iterator[str]:
    for field in fields(node):
        value = getattr(node, field.name)
        if field.name in _SKIPPED_FIELDS:
            continue
        if isinstance(value, torch.Tensor):
            learned = isinstance(node, Affine | ChannelAffine | LeakyReLU)
            yield f"{field.name} {tuple(value.shape)}" if learned else f"{field.name} {_values(value)}"
        elif isinstance(node, Unknown) and field.name == "args":
            yield str({key: _shown(argument) for key, argument in value.items()})
        else:
            yield f"{field.name} {value}"


def _values(value: torch.Tensor) -> str:
    plain = value.detach().cpu().double().contiguous()
    return f"{tuple(value.shape)} {hashlib.sha256(plain.numpy().tobytes()).hexdigest()}"


def _shown(argument: Any) -> Any:
    if isinstance(argument, torch.Tensor):
        return tuple(argument.shape)
    return [_shown(item) for item in argument] if isinstance(argument, list) else argument

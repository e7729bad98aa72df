"""Networks of every shape, pruned and quantized, as codewords."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import modules
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boundcalc.checkpoint.types import Checkpoint
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network
from boundcalc.network.ops import ChannelAffine
from boundcalc.occam.codeword import BiasWord, CodeLayout, Codeword, LayerWord, Values
from boundcalc.occam.spelling import quantize, spell


def _projected(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(m.bn0(m.stem(x)))
    out = m.bn2(m.conv2(F.relu(m.bn1(m.conv1(x)))))
    return m.fc(F.relu(out + m.short(x)).mean((2, 3)))


def _option_a(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(m.stem(x))
    out = m.conv2(F.relu(m.conv1(x)))
    return m.fc(F.relu(out + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))).flatten(1))


def _stream(m: nn.Module, x: Tensor) -> Tensor:
    x = m.stem(x)
    for block in (m.first, m.second):
        x = x + block(F.relu(x))
    return m.fc(F.relu(x))


def _from_input(m: nn.Module, x: Tensor) -> Tensor:
    return m.fc(F.relu(m.inner(x) + x))


def _two_readers(m: nn.Module, x: Tensor) -> Tensor:
    return m.fc(F.relu(m.a(x)) + F.relu(m.b(x)))


MORE = {
    "projection": (
        lambda: modules.Does(
            _projected, stem=nn.Conv2d(2, 3, 1, bias=False), bn0=nn.BatchNorm2d(3),
            conv1=nn.Conv2d(3, 5, 3, 2, 1, bias=False), bn1=nn.BatchNorm2d(5),
            conv2=nn.Conv2d(5, 5, 3, padding=1), bn2=nn.BatchNorm2d(5, affine=False),
            short=nn.Conv2d(3, 5, 1, 2), fc=nn.Linear(5, 3),
        ), modules.IMAGE,
    ),
    "option A": (
        lambda: modules.Does(
            _option_a, stem=nn.Conv2d(2, 3, 1), conv1=nn.Conv2d(3, 4, 3, 2, 1), conv2=nn.Conv2d(4, 5, 3, padding=1),
            fc=nn.Linear(60, 3),
        ), modules.IMAGE,
    ),
    "stream": (
        lambda: modules.Does(
            _stream, stem=nn.Linear(5, 6), first=nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 6)),
            second=nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 6)), fc=nn.Linear(6, 3),
        ), (5,),
    ),
    "residual on the input": (lambda: modules.Does(_from_input, inner=nn.Linear(5, 5), fc=nn.Linear(5, 3)), (5,)),
    "two readers": (
        lambda: modules.Does(_two_readers, a=nn.Linear(5, 6), b=nn.Linear(5, 6), fc=nn.Linear(6, 3)), (5,)
    ),
    "deep": (
        lambda: nn.Sequential(
            nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 3)
        ), (5,),
    ),
}  # fmt: skip
MODULES = {name: made for name, made in (modules.MODULES | MORE).items() if name != "log_softmax"}


def checkpoint(module: nn.Module) -> Checkpoint:
    tensors = {key: tensor.detach().clone() for key, tensor in module.state_dict().items()}
    return Checkpoint("file.pth", "0", "dense-zeros", (), tensors, {}, dict(tensors))


def captured(module: nn.Module, shape: tuple[int, ...]) -> Network:
    return from_checkpoint(checkpoint(module), copy.deepcopy(module), shape)


@cache
def _ready(name: str, seed: int) -> tuple[nn.Module, Network]:
    make, shape = MODULES[name]
    module = modules.ready(make, shape, seed)
    return module, captured(module, shape)


def ready(name: str, seed: int = 0) -> tuple[nn.Module, Network]:
    """A module of its own, and its network, which is captured once."""
    module, network = _ready(name, seed)
    return copy.deepcopy(module), network


def described(network: Network) -> bool:
    """Whether the code describes every parameter of the network."""
    return not any(isinstance(node, ChannelAffine) for node in network.nodes)


COVERED = tuple(name for name in MODULES if described(ready(name)[1]))


def inputs(network: Network, count: int = 5, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, *network.nodes[0].shape, generator=generator, dtype=torch.float64)


def random_groups(plan: CodeLayout, generator: np.random.Generator, most: int = 4) -> tuple[np.ndarray, ...]:
    drawn = [generator.integers(0, generator.integers(1, most + 1), axis.size) for axis in plan.axes.axes]
    return tuple(np.unique(groups, return_inverse=True)[1].astype(np.int64) for groups in drawn)


def reference_of(network: Network, seed: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for layer in network.stored():
        found[f"{layer.name}.weight"] = torch.randn(
            layer.weight.shape, generator=generator, dtype=torch.float64
        )
        if layer.bias is not None:
            found[f"{layer.name}.bias"] = torch.randn(
                layer.bias.shape, generator=generator, dtype=torch.float64
            )
    return found


def blockwise(word: Codeword) -> Codeword:
    """Every mask in blocks of rows and columns; positions of a kernel in one group, unless they were grouped already."""
    return replace(word, layers=tuple(replace(layer, blockwise=True) for layer in word.layers))


def words_of(
    plan: CodeLayout, network: Network, seed: int = 0
) -> list[tuple[Codeword, dict[str, Tensor] | None]]:
    """Codewords of one network with their references: all modes of biases, both mask codes, relative and not."""
    generator = np.random.default_rng(seed)
    found: list[tuple[Codeword, dict[str, Tensor] | None]] = []
    for mode in ("raw", "own", "shared"):
        layers = quantize(plan, network, 5, mode)
        groups = random_groups(plan, generator)
        found += [(spell(plan, layers, None), None), (blockwise(spell(plan, layers, groups)), None)]
        found.append((spell(plan, layers, groups), None))
    reference = reference_of(network)
    changes = quantize(plan, network, 4, "own", reference)
    found.append((spell(plan, changes, None, relative=True), reference))
    relative_groups = random_groups(plan, generator)
    found.append((blockwise(spell(plan, changes, relative_groups, relative=True)), reference))
    return found


def _same_values(one: Values, other: Values) -> bool:
    return np.array_equal(one.codebook.view(np.uint16), other.codebook.view(np.uint16)) and np.array_equal(
        one.indices, other.indices
    )


def _same_bias(one: BiasWord | None, other: BiasWord | None) -> bool:
    if one is None or other is None:
        return one is other
    return (
        one.mode == other.mode
        and np.array_equal(one.mask, other.mask)
        and (not one.mask.any() or _same_values(one.values, other.values))
    )


def _same_positions(one: LayerWord, other: LayerWord) -> bool:
    zeros = np.zeros(one.mask.shape[2], dtype=np.int64)
    own, others = (zeros if word.positions is None else word.positions for word in (one, other))
    return np.array_equal(own, others)


def same_word(one: Codeword, other: Codeword) -> bool:
    return (
        one.relative == other.relative
        and all(np.array_equal(a, b) for a, b in zip(one.groups, other.groups, strict=True))
        and list(one.sizes) == list(other.sizes)
        and all(
            a.blockwise == b.blockwise
            and _same_positions(a, b)
            and np.array_equal(a.mask, b.mask)
            and (not a.mask.any() or _same_values(a.values, b.values))
            and _same_bias(a.bias, b.bias)
            for a, b in zip(one.layers, other.layers, strict=True)
        )
    )

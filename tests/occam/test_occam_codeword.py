"""Codewords: the prior sums to at most one, what is written is read back, and what is read is the network that was spelled."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import modules
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spelt import (
    COVERED,
    blockwise,
    captured,
    inputs,
    random_groups,
    ready,
    reference_of,
    same_word,
    words_of,
)
from torch import nn
from unknown_modules import UNKNOWN

from boundcalc.errors import NotCovered
from boundcalc.network.forward import run
from boundcalc.occam import transmit
from boundcalc.occam.axes import Axes, UnitSet
from boundcalc.occam.coder import Meter, Writer
from boundcalc.occam.codeword import CodeLayout, Codeword, LayerLayout, plan_of
from boundcalc.occam.exact import describe
from boundcalc.occam.skeleton import flattened
from boundcalc.occam.spelling import dequantize, quantize, spell
from boundcalc.occam.transmit import decode, encode, lengths


class Tree:
    """A channel whose choices follow a path, and which knows the next path in order: all codewords, with exact probabilities.

    A choice of 2^16 is cut to `values` of them that stand for equally many others.
    """

    def __init__(self, path: list[int], values: int) -> None:
        self.path, self.values = path, values
        self.options: list[int] = []
        self.share = Fraction(1)

    def section(self, name: str) -> None:
        pass

    def uniform(self, value, total: int) -> int:
        return self._next(self.values if total == 2**16 else total)

    def sequence(self, symbols, counts) -> np.ndarray:
        left = list(counts)
        found = []
        for _ in range(sum(counts)):
            place = self._next_weighted(left)
            left[place] -= 1
            found.append(place)
        return np.array(found, dtype=np.int64)

    def _next(self, total: int) -> int:
        self.options.append(total)
        chosen = self.path[len(self.options) - 1] if len(self.options) <= len(self.path) else 0
        self.share /= total
        if len(self.options) > len(self.path):
            self.path.append(0)
        return chosen

    def _next_weighted(self, left: list[int]) -> int:
        possible = [symbol for symbol, count in enumerate(left) if count]
        chosen = possible[self._next(len(possible))]
        self.share *= Fraction(left[chosen] * len(possible), sum(left))
        return chosen

    def following(self) -> list[int] | None:
        path = list(self.path)
        while path and path[-1] == self.options[len(path) - 1] - 1:
            path.pop()
        return [*path[:-1], path[-1] + 1] if path else None


def leaves(read, values: int):
    """Yield what `read` makes of every path, with its probability."""
    path: list[int] | None = []
    while path is not None:
        tree = Tree(path, values)
        yield read(tree), tree.share
        path = tree.following()


def bias_key(bias) -> tuple:
    if bias is None:
        return ()
    return bias.mode, bias.mask.tobytes(), bias.values.codebook.tobytes(), bias.values.indices.tobytes()


def layer_key(word) -> tuple:
    values = word.values
    return (
        word.blockwise, word.mask.tobytes(), values.codebook.tobytes(), values.indices.tobytes(), bias_key(word.bias)
    )  # fmt: skip


def word_key(word: Codeword) -> tuple:
    groups = tuple(g.tobytes() for g in word.groups)
    return word.relative, groups, tuple(layer_key(layer) for layer in word.layers)


def bits_of(carry) -> float:
    meter = Meter()
    meter.section("all")
    carry(meter)
    return math.fsum(meter.bits.values())


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(transmit, "MAX_GROUPS", 3)
    monkeypatch.setattr(transmit, "MAX_VALUES", 2)


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_partitions_have_a_prior(few, size, free):
    found = {}
    total = Fraction(0)
    for (groups, _), share in leaves(lambda channel: transmit._axis(channel, size, free, None), 1):
        total += share
        found[groups.tobytes()] = groups
    assert total == 1
    paid = [bits_of(lambda c, g=g: transmit._axis(c, size, free, g)) for g in found.values()]
    assert sum(2.0**-bits for bits in paid) <= 1
    assert len(found) == (sum(math.comb(size + k - 1, k - 1) for k in (3,)) if free else 3**size)


@pytest.mark.parametrize("groups", [((0, 0), (0,)), ((0, 1), (0,)), ((1, 0), (0,)), ((0, 2), (1,))])
def test_layers_have_a_prior(few, groups):
    """Masks by both codes, codebooks with equal values, empty blocks, all modes of biases: Kraft's inequality."""
    plan = LayerLayout("fc", 0, 1, (2, 1, 1), True)
    axes = tuple(np.array(g, dtype=np.int64) for g in groups)
    found = {}
    total = Fraction(0)

    def read(channel):
        try:
            return transmit._layer(channel, plan, axes, None)
        except ValueError:
            return None

    for word, share in leaves(read, 2):
        total += share
        if word is not None:
            found[layer_key(word)] = (word, found.get(layer_key(word), (None, 0))[1] + share)
    assert total == 1
    scale = 2.0**15
    summed = 0.0
    for word, share in found.values():
        bits = bits_of(lambda c, word=word: transmit._layer(c, plan, axes, word))
        halves = word.values.codebook.size + (
            word.bias.values.codebook.size if word.bias.mode in ("raw", "own") else 0
        )
        mine = 2.0**-bits * scale**halves
        assert mine <= share * (1 + 1e-12)
        summed += mine
    assert summed <= 1
    assert summed > 0.9


def test_whole_codewords_have_a_prior(monkeypatch):
    monkeypatch.setattr(transmit, "MAX_GROUPS", 2)
    monkeypatch.setattr(transmit, "MAX_VALUES", 1)
    axes = (UnitSet(1, False), UnitSet(2, True), UnitSet(1, False))
    layers = (LayerLayout("a", 1, 0, (2, 1, 1), False), LayerLayout("b", 2, 1, (1, 2, 1), False))
    plan = CodeLayout(Axes(axes, {}, {}, ()), layers)
    found = {}
    total = Fraction(0)

    for number, (word, share) in enumerate(leaves(lambda channel: transmit._carry(channel, plan, None), 1)):
        total += share
        found[word_key(word)] = word
        if number % 11 == 0:
            back = decode(plan, encode(plan, word))
            assert word_key(back) == word_key(word)
    assert total == 1
    summed = 0.0
    for word in found.values():
        halves = sum(layer.values.codebook.size for layer in word.layers)
        summed += 2.0 ** (16 * halves - math.fsum(lengths(plan, word).values()))
    assert 0.4 < summed <= 1


@pytest.mark.parametrize("name", COVERED)
def test_codewords_come_back_and_are_no_longer_than_they_say(name):
    _, network = ready(name)
    base = flattened(network)
    plan = plan_of(base)
    for word, _ in words_of(plan, base):
        data = encode(plan, word)
        assert same_word(decode(plan, data), word)
        assert len(data) <= math.fsum(lengths(plan, word).values()) / 8 + 1
        assert len(data) >= math.fsum(lengths(plan, word).values()) / 8 - 8


@pytest.mark.parametrize("name", COVERED)
def test_order_of_hidden_units_does_not_change_the_function(name):
    """The network of a codeword computes what the network quantized in its own order computes."""
    _, network = ready(name)
    base = flattened(network)
    plan = plan_of(base)
    x = inputs(network)
    generator = np.random.default_rng(7)
    for mode in ("raw", "own", "shared"):
        layers = quantize(plan, base, 5, mode)
        own = dequantize(plan, spell(plan, layers, None), base)
        for layer, made in zip(layers, own.stored(), strict=True):
            weight = made.weight.numpy().reshape(layer.mask.shape)
            assert np.array_equal(weight != 0, layer.mask)
            assert np.array_equal(weight[layer.mask], layer.values.numbers)
        plain = run(own, x)
        for _ in range(3):
            word = spell(plan, layers, random_groups(plan, generator))
            for version in (word, blockwise(word)):
                outputs = run(dequantize(plan, decode(plan, encode(plan, version)), base), x)
                assert torch.allclose(outputs, plain, rtol=1e-12, atol=1e-12 * float(plain.abs().max()))


@pytest.mark.parametrize("name", ["deep", "stream", "projection", "max", "linear on an image"])
def test_hidden_units_really_are_reordered(name):
    _, network = ready(name)
    base = flattened(network)
    plan = plan_of(base)
    assert any(axis.free for axis in plan.axes.axes)
    layers = quantize(plan, base, 5, "own")
    own = dequantize(plan, spell(plan, layers, None), base)
    groups = tuple(np.arange(axis.size)[::-1] % 2 for axis in plan.axes.axes)
    other = dequantize(plan, spell(plan, layers, tuple(np.ascontiguousarray(g) for g in groups)), base)
    assert any(not torch.equal(a.weight, b.weight) for a, b in zip(own.stored(), other.stored(), strict=True))


def test_axes_of_known_networks():
    def free(name):
        return sorted(axis.size for axis in plan_of(flattened(ready(name)[1])).axes.axes if axis.free)

    assert free("deep") == [7, 8, 9]
    assert free("stream") == [3, 4, 6]
    assert free("residual on the input") == []
    assert free("two readers") == [6]
    assert free("shared layer") == []
    assert free("depthwise") == []
    assert free("projection") == [3, 5, 5]
    assert free("option A") == [4]


@pytest.mark.parametrize("name", COVERED)
def test_differences_from_a_reference(name):
    """Survivors are the reference plus a codebook value, in float32; the pruned are 0."""
    _, network = ready(name)
    base = flattened(network)
    plan = plan_of(base)
    reference = reference_of(base)
    layers = quantize(plan, base, 4, "own", reference)
    word = spell(plan, layers, None, relative=True)
    made = {layer.name: layer for layer in dequantize(plan, word, base, reference).stored()}
    for layer, changes in zip(plan.layers, layers, strict=True):
        start = reference[f"{layer.name}.weight"].numpy().reshape(layer.shape)
        exact = np.where(changes.mask, start, 0)
        exact[changes.mask] += changes.values.numbers
        assert np.array_equal(made[layer.name].weight.numpy().reshape(layer.shape), exact.astype(np.float32))
    with pytest.raises(ValueError, match="reference"):
        dequantize(plan, word, base)


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_are_a_codeword_or_refused(data):
    plan = GARBAGE_PLAN
    try:
        word = decode(plan, data)
    except ValueError:
        return
    again = decode(plan, encode(plan, word))
    assert all(layer_key(a) == layer_key(b) for a, b in zip(again.layers, word.layers, strict=True))


GARBAGE_PLAN = plan_of(flattened(ready("deep")[1]))


def test_biases_cannot_share_the_codebook_of_a_layer_without_weights():
    axes = (UnitSet(1, False), UnitSet(1, False))
    plan = CodeLayout(Axes(axes, {}, {}, ()), (LayerLayout("a", 1, 0, (1, 1, 1), True),))
    writer = Writer()
    for value, total in ((0, 2), (0, 16), (0, 16), (0, 2), (0, 2), (3, 4), (1, 2)):
        writer.uniform(value, total)
    with pytest.raises(ValueError, match="share the codebook"):
        decode(plan, writer.finish())


def test_degenerate_masks():
    for fill in (0.0, 1.0):
        module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
        with torch.no_grad():
            for tensor in module.parameters():
                tensor.fill_(fill)
        base = flattened(captured(module, (4,)))
        plan = plan_of(base)
        for word, reference in words_of(plan, base):
            assert same_word(decode(plan, encode(plan, word)), word)
            assert torch.isfinite(run(dequantize(plan, word, base, reference), inputs(base))).all()


def test_bits_of_a_network_counted_by_hand():
    """2 -> 3 -> 1 without biases: reference, axes, and for each layer the mask, the codebook and the values."""
    module = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU(), nn.Linear(3, 1, bias=False))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 0.0]]))
        module[2].weight.copy_(torch.tensor([[1.0, 0.0, 0.0]]))
    base = flattened(captured(module, (2,)))
    plan = plan_of(base)
    found = lengths(plan, spell(plan, quantize(plan, base, 2, "own"), None))
    first = 6 + 32 + math.log2(math.comb(4, 1)) + math.log2(3)
    expected = {
        "reference": 1.0,
        "axes": 12.0,
        "0 mask": 1 + math.log2(7) + math.log2(math.comb(6, 3)),
        "0 values": first,
        "2 mask": 1 + math.log2(4) + math.log2(3),
        "2 values": 6 + 16,
    }
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["deep", "stream", "max", "without bias", "projection"])
def test_quantised_networks_are_described_without_loss(name):
    _, network = ready(name)
    base = flattened(network)
    plan = plan_of(base)
    made = dequantize(plan, spell(plan, quantize(plan, base, 4, "shared"), None), base)
    own_plan, word = describe(made)
    back = dequantize(own_plan, decode(own_plan, encode(own_plan, word)), flattened(made))
    x = inputs(network)
    assert torch.allclose(run(back, x), run(made, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("value", "message"), [(1e6, "float16 does not"), (0.1, "float16 does not"), (None, "more than 64")]
)
def test_other_networks_are_not_described(value, message):
    module = nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 2))
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) if value is None else value)
    with pytest.raises(ValueError, match=message):
        describe(captured(module, (10,)))


def test_what_the_code_does_not_describe_is_not_covered():
    for make, shape in [
        (modules.MODULES["pre-activation"][0], modules.IMAGE),
        *[(make, shape) for make, shape, _ in UNKNOWN.values()],
        *[modules.NODES[name] for name in ("GELU0", "LeakyReLU2", "dense block", "input scaled inside")],
    ]:
        module = modules.ready(make, shape)
        try:
            network = captured(module, shape)
        except Exception as error:
            assert type(error).__name__ in {"CheckpointError", "NotCovered"}
            continue
        with pytest.raises(NotCovered):
            plan_of(network)


def test_sections_add_up_to_the_bytes():
    _, network = ready("deep")
    base = flattened(network)
    plan = plan_of(base)
    word = spell(plan, quantize(plan, base, 3, "own"), None)
    changed = replace(word, layers=(replace(word.layers[0], blockwise=True), *word.layers[1:]))
    assert sum(lengths(plan, changed).values()) == pytest.approx(sum(lengths(plan, word).values()), abs=1e-9)

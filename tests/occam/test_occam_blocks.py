"""The coded graphon: what the search minimises is the length of the code, and it finds a planted partition."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from spelt import COVERED, blockwise, captured, random_groups, ready
from torch import nn

from boundcalc.occam.blocks import _Search, counts_of, find_groups, group_positions, one_group, refine_groups
from boundcalc.occam.codeword import MAX_GROUPS, plan_of
from boundcalc.occam.skeleton import flattened
from boundcalc.occam.spelling import masks_of, quantize, spell
from boundcalc.occam.transmit import lengths


def network_of(*masks: np.ndarray):
    module = nn.Sequential()
    for index, mask in enumerate(masks):
        layer = nn.Linear(mask.shape[1], mask.shape[0], bias=False)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(mask).float())
        module.append(layer)
        if index < len(masks) - 1:
            module.append(nn.ReLU())
    base = flattened(captured(module, (masks[0].shape[1],)))
    plan = plan_of(base)
    return base, plan, counts_of(masks_of(plan, base))


def mask_and_axis_bits(plan, word) -> float:
    found = lengths(plan, word)
    return sum(bits for name, bits in found.items() if name == "axes" or name.endswith(" mask"))


def in_one(word):
    return replace(word, layers=tuple(replace(layer, positions=None) for layer in word.layers))


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("name", COVERED)
def test_the_search_counts_the_bits_of_the_code(name, relative):
    """But for what no partition of rows and columns changes: 4 bits an axis for its number of groups, 1 a layer for the choice of
    code, and 4 for the number of groups of a kernel's positions."""
    _, network = ready(name)
    base = flattened(network)
    plan = plan_of(base)
    search = _Search(plan, counts_of(masks_of(plan, base)), relative)
    generator = np.random.default_rng(5)
    for _ in range(4):
        groups = random_groups(plan, generator)
        word = in_one(blockwise(spell(plan, quantize(plan, base, 2, "own"), groups, relative=relative)))
        kernels = sum(layer.shape[2] > 1 for layer in plan.layers)
        constant = 4 * len(plan.axes.axes) + len(plan.layers) + 4 * kernels
        assert search.bits(groups) + constant == pytest.approx(mask_and_axis_bits(plan, word), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_no_worse_than_one_group(seed):
    generator = np.random.default_rng(seed)
    masks = [generator.random((30, 20)) < 0.3, generator.random((12, 30)) < 0.1]
    _, plan, counts = network_of(*masks)
    for relative in (False, True):
        search = _Search(plan, counts, relative)
        found = find_groups(plan, counts, relative)
        assert search.bits(found) <= search.bits(one_group(plan))
        assert all(np.array_equal(np.unique(g), np.arange(g.max() + 1)) for g in found)
        assert max(int(g.max()) for g in found) < MAX_GROUPS


def test_the_same_masks_give_the_same_groups():
    generator = np.random.default_rng(0)
    _, plan, counts = network_of(generator.random((30, 20)) < 0.3, generator.random((12, 30)) < 0.1)
    first, second = find_groups(plan, counts, False), find_groups(plan, counts, False)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_planted_partition_is_found():
    """Hidden units of two kinds, pixels of two kinds: the groups found are these, and the code is shorter than the uniform one."""
    generator = np.random.default_rng(1)
    hidden, pixels = np.arange(60) % 2, np.arange(80) // 40
    share = np.array([[0.02, 0.6], [0.9, 0.3]])[np.ix_(hidden, pixels)]
    first = generator.random((60, 80)) < share
    second = generator.random((10, 60)) < np.array([0.2, 0.7])[hidden]
    base, plan, counts = network_of(first, second)
    groups = find_groups(plan, counts, False)
    axis, inputs = plan.layers[0].rows, plan.layers[0].columns
    assert not set(groups[axis][hidden == 0]) & set(groups[axis][hidden == 1])
    assert np.array_equal(groups[inputs] == groups[inputs][0], pixels == 0)
    layers = quantize(plan, base, 2, "own")
    uniform, found = spell(plan, layers, None), spell(plan, layers, groups)
    assert mask_and_axis_bits(plan, found) < 0.8 * mask_and_axis_bits(plan, uniform)
    true = list(one_group(plan))
    true[axis], true[inputs] = hidden, pixels
    search = _Search(plan, counts, False)
    assert search.bits(groups) <= 1.01 * search.bits(tuple(true))


@pytest.mark.parametrize("fill", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (6, 5)])
def test_degenerate_masks(fill, shape):
    masks = [np.full(shape, fill), np.full((3, shape[0]), fill)]
    base, plan, counts = network_of(*masks)
    for relative in (False, True):
        groups = find_groups(plan, counts, relative)
        search = _Search(plan, counts, relative)
        assert search.bits(groups) <= search.bits(one_group(plan))
        word = spell(plan, quantize(plan, base, 2, "own"), groups, relative=relative)
        assert np.isfinite(list(lengths(plan, word).values())).all()


def test_a_word_takes_the_shorter_code_of_each_mask():
    generator = np.random.default_rng(2)
    base, plan, _ = network_of(generator.random((20, 30)) < 0.5, generator.random((5, 20)) < 0.5)
    layers = quantize(plan, base, 2, "own")
    word = spell(plan, layers, random_groups(plan, generator))
    plain = lengths(plan, spell(plan, layers, None))
    blocks = lengths(plan, blockwise(word))
    for layer, spelt in zip(plan.layers, word.layers, strict=True):
        key = f"{layer.name} mask"
        assert spelt.blockwise == (blocks[key] < plain[key])
        assert lengths(plan, word)[key] == min(blocks[key], plain[key])


def test_refining_never_lengthens():
    generator = np.random.default_rng(3)
    _, plan, counts = network_of(generator.random((25, 30)) < 0.2, generator.random((5, 25)) < 0.5)
    search = _Search(plan, counts, False)
    for _ in range(5):
        start = random_groups(plan, generator)
        assert search.bits(refine_groups(plan, counts, False, start)) <= search.bits(start)


def position_bits(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray, positions: np.ndarray) -> float:
    """Bits of a mask in blocks and of the groups of its positions, written from the statement; 4 for their number left out."""
    sizes = np.bincount(positions).tolist()
    entries = len(positions)
    paid = [math.log2(math.comb(entries + len(sizes) - 1, len(sizes) - 1))]
    paid.append(math.log2(math.factorial(entries)) - sum(math.log2(math.factorial(size)) for size in sizes))
    for g, h, p in itertools.product(range(rows.max() + 1), range(columns.max() + 1), range(len(sizes))):
        block = mask[np.ix_(rows == g, columns == h, positions == p)]
        paid.append(math.log2(block.size + 1) + math.log2(math.comb(block.size, int(block.sum()))))
    return math.fsum(paid)


@pytest.mark.parametrize("seed", range(5))
def test_positions_of_a_kernel_are_grouped_for_the_shortest_code(seed):
    """Against all partitions of four positions in groups that are numbered by their number of survivors."""
    generator = np.random.default_rng(seed)
    share = generator.choice([0.02, 0.3, 0.9], 4)
    mask = generator.random((6, 5, 4)) < share
    rows, columns = np.array([0, 0, 1, 1, 1, 0]), np.zeros(5, dtype=np.int64)
    found = group_positions(mask, rows, columns)
    order = np.argsort(mask.sum((0, 1)), kind="stable")
    bits = []
    for cuts in itertools.product((0, 1), repeat=3):
        positions = np.zeros(4, dtype=np.int64)
        positions[order] = np.cumsum((0, *cuts))
        bits.append(position_bits(mask, rows, columns, positions))
    assert position_bits(mask, rows, columns, found) == pytest.approx(min(bits), abs=1e-9)


def test_a_kernel_with_dead_positions_is_shorter_to_say():
    generator = np.random.default_rng(6)
    module = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 3))
    alive = np.zeros(25, dtype=bool)
    alive[[6, 7, 8, 11, 12, 13]] = True
    with torch.no_grad():
        module[0].weight.mul_(
            torch.from_numpy((generator.random((8, 3, 25)) < 0.8) & alive).reshape(8, 3, 5, 5)
        )
    base = flattened(captured(module, (3, 8, 8)))
    plan = plan_of(base)
    word = spell(plan, quantize(plan, base, 2, "own"), one_group(plan))
    first = word.layers[0]
    assert first.blockwise and first.positions is not None
    assert np.array_equal(first.positions, alive.astype(np.int64))
    assert lengths(plan, word)["0 mask"] < 0.7 * lengths(plan, in_one(word))["0 mask"]

"""What the order of hidden units gives back, against codewords written out in every order."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spelt import captured
from torch import nn

from boundcalc.occam.axes import axes_of
from boundcalc.occam.codeword import plan_of
from boundcalc.occam.order import order_bits
from boundcalc.occam.skeleton import flattened, with_weights
from boundcalc.occam.spelling import quantize, spell
from boundcalc.occam.transmit import encode, lengths

HIDDEN = 4


@cache
def base_of():
    return flattened(captured(nn.Sequential(nn.Linear(2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2)), (2,)))


def network_of(weights: list[list[int]]):
    base = base_of()
    first, second = (layer.name for layer in base.stored())
    numbers = torch.tensor(weights, dtype=torch.float64)
    given = {first: numbers[:, :2], second: numbers[:, 2:4].T.contiguous()}
    return with_weights(
        base, given, {first: numbers[:, 4], second: torch.tensor([1.0, 2.0], dtype=torch.float64)}
    )


units = st.lists(st.integers(0, 2), min_size=5, max_size=5)


@given(st.lists(units, min_size=HIDDEN, max_size=HIDDEN), st.booleans())
@settings(max_examples=25, deadline=None)
def test_it_is_the_number_of_codewords_from_above(weights: list[list[int]], grouped: bool) -> None:
    network = network_of(weights)
    plan = plan_of(network)
    axes = axes_of(network)
    hidden = next(index for index, axis in enumerate(axes.axes) if axis.free)
    groups = [np.zeros(axis.size, dtype=np.int64) for axis in axes.axes]
    if grouped:
        groups[hidden] = np.array([0, 0, 1, 1])
    words, sizes = set(), set()
    within = [order for order in itertools.permutations(range(HIDDEN))
              if not grouped or {*order[:2]} == {0, 1}]  # fmt: skip
    for order in within:
        moved = network_of([weights[one] for one in order])
        word = spell(plan, quantize(plan, moved, 4, "shared"), tuple(groups))
        words.add(encode(plan, word))
        sizes.add(round(math.fsum(lengths(plan, word).values()), 6))
    assert len(sizes) == 1, "all of one length"
    found = order_bits(plan, spell(plan, quantize(plan, network, 4, "shared"), tuple(groups)))
    assert -math.log2(len(words)) - 1e-9 <= found <= 0
    if len({tuple(unit) for unit in weights}) == HIDDEN and len(words) == len(within):
        assert found == pytest.approx(-math.log2(len(within)), abs=1e-6)


def test_differences_from_a_reference_keep_their_order() -> None:
    network = network_of([[1, 0, 2, 1, 0], [0, 1, 1, 2, 0], [2, 2, 1, 1, 1], [1, 1, 0, 2, 2]])
    plan = plan_of(network)
    assert order_bits(plan, spell(plan, quantize(plan, network, 4, "own"), None, relative=True)) == 0.0
    assert order_bits(plan, spell(plan, quantize(plan, network, 4, "own"), None)) < -4

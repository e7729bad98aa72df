"""Code lengths: from above, and those of codes that exist."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from twins import Sketch, mlp, problem_for, sample

from boundcalc.bounds.code_lengths import CONSTANTS, constant_bits, log2_binomial, mask_bits, subset_bits
from boundcalc.bounds.peeling import dense_structure, masked_structure, price
from boundcalc.bounds.peeling.kernels import group_sizes
from boundcalc.bounds.peeling.search import sharp_options, split_options


def exact_log2(number):
    shift = max(0, number.bit_length() - 200)
    return math.log2(number >> shift) + shift


@given(st.integers(1, 3000), st.data())
def test_log2_binomial_is_from_above_and_close(n, data):
    k = data.draw(st.integers(0, n))
    exact = exact_log2(math.comb(n, k))
    assert exact * (1 - 1e-15) <= log2_binomial(n, k) <= exact + 1e-9 * (1 + exact)


@pytest.mark.parametrize("n", [10**5, 10**6])
def test_log2_binomial_of_large_layers(n):
    for k in (1, 2, n // 100, n - 1):
        exact = exact_log2(math.comb(n, k)) if k < 2000 or k > n - 2000 else None
        if exact is not None:
            assert exact * (1 - 1e-15) <= log2_binomial(n, k) <= exact + 1e-6


@pytest.mark.parametrize("n", range(13))
def test_subset_bits_are_those_of_a_prefix_code(n):
    total = sum(math.comb(n, k) * 2 ** -subset_bits(n, k) for k in range(n + 1))
    assert total <= 1 + 1e-12
    by_hand = sum(2 ** -subset_bits(n, sum(bits)) for bits in itertools.product((0, 1), repeat=n))
    assert by_hand == pytest.approx(total, rel=1e-9)
    assert total >= 1 - 1e-9


def test_mask_bits_by_hand():
    s = Sketch((2, 1, 1), 0)
    first = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]], dtype=torch.float64)[:, :, None, None]
    at = s.relu(s.affine(0, first, torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)))
    at = s.relu(s.affine(at, torch.zeros(2, 3, 1, 1, dtype=torch.float64)))
    s.affine(at, torch.ones(2, 2, 1, 1, dtype=torch.float64))
    expected = math.log2(7) + math.log2(math.comb(6, 2)) + 1
    expected += math.log2(4) + math.log2(3)
    expected += math.log2(7)
    expected += math.log2(5) + 1
    assert mask_bits(s.network()) == pytest.approx(expected)


def test_masks_of_a_small_network_fit_into_one_code():
    """Kraft over every mask of a 2-2-1 network with biases: shares 2^-bits sum to at most 1."""
    total = 0.0
    for bits in itertools.product((0.0, 1.0), repeat=9):
        values = torch.tensor(bits, dtype=torch.float64)
        s = Sketch((2, 1, 1), 0)
        at = s.relu(s.affine(0, values[:4].reshape(2, 2, 1, 1), values[4:6]))
        s.affine(at, values[6:8].reshape(1, 2, 1, 1), values[8:])
        total += 2 ** -mask_bits(s.network())
    assert total <= 1 + 1e-9


def test_the_whole_grid_of_choices_is_paid():
    network = mlp((5, 10, 7, 3), 0, bias=True)
    given_problem = problem_for(network, sample(network))
    code_lengths = price(given_problem, masked_structure("data"))
    options = len(group_sizes(10)) * len(group_sizes(7)) * 2**3
    assert split_options(network) == options == 5 * 4 * 8
    published = price(given_problem, masked_structure("data"), published=True)
    assert published["split"] == pytest.approx(math.log2(options))
    assert sharp_options(network) == 5 * 4 * 2 * 3
    assert code_lengths["split"] == pytest.approx(math.log2(120))
    assert code_lengths["constant"] == constant_bits(True) == pytest.approx(math.log2(len(CONSTANTS)))
    assert code_lengths["mask"] == mask_bits(network)
    assert price(given_problem, dense_structure())["mask"] == 0.0
    plain = mlp((5, 10, 7, 3), 0)
    assert price(problem_for(plain, sample(plain)), dense_structure())["constant"] == 0.0


def test_group_sizes_cover_every_width():
    for channels in range(1, 70):
        sizes = group_sizes(channels)
        assert sizes == sorted(set(sizes)) and sizes[0] == 1 and sizes[-1] == channels
    assert Fraction(len(group_sizes(64))) == 7

"""r~ against the definition, its known values and its properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.samples import zhang2021
from boundcalc.samples.zhang2021 import r_tilde, r_tilde_dense


def drawn(seed, groups, neurons, fan_in, density, dead=0):
    random = np.random.default_rng(seed)
    support = random.random((groups, neurons, fan_in)) < density
    support[:, random.permutation(neurons)[:dead]] = False
    return support


@st.composite
def masks(draw, groups=(1, 1, 1, 2, 3)):
    shape = draw(st.sampled_from(groups)), draw(st.integers(1, 40)), draw(st.integers(1, 30))
    density = draw(st.sampled_from([0.02, 0.1, 0.3, 0.8, 1.0]))
    mask = drawn(draw(st.integers(0, 2**20)), *shape, density, draw(st.integers(0, shape[1] - 1)))
    mask[0, 0, 0] = True
    return mask


@given(masks())
def test_equals_the_double_loop(naive, support):
    assert r_tilde(support) == pytest.approx(naive(support), rel=1e-9)


@pytest.mark.parametrize("products", [0, zhang2021.MOST_PRODUCTS])
@pytest.mark.parametrize("neurons", [1, 63, 64, 65, 130, 200])
@pytest.mark.parametrize("density", [0.01, 0.05, 0.5])
def test_equals_the_double_loop_across_words(naive, monkeypatch, products, neurons, density):
    monkeypatch.setattr(zhang2021, "MOST_PRODUCTS", products)
    support = drawn(neurons, 1, neurons, 150, density)
    support[0, 0, 0] = True
    assert r_tilde(support) == pytest.approx(naive(support), rel=1e-9)


def test_unions_longer_than_a_chunk(naive, monkeypatch):
    monkeypatch.setattr(zhang2021, "MOST_PRODUCTS", 0)
    support = np.zeros((1, 3, 500), bool)
    support[0, 0, :400] = True
    support[0, 1, 399:] = True
    support[0, 2, 450:] = True
    assert r_tilde(support) == pytest.approx(naive(support), rel=1e-9)


@given(masks(groups=(1,)))
def test_between_a_quarter_of_the_least_and_the_most(support):
    fan_ins = support.sum(2)[support.any(2)]
    assert fan_ins.min() / 4 < r_tilde(support) <= fan_ins.max() * (1 + 1e-12)


@pytest.mark.parametrize(("K", "r"), [(1, 1), (1, 7), (2, 5), (9, 4), (70, 3)])
def test_full_overlap_of_equal_neurons_gives_r(K, r):
    support = np.zeros((1, K, 2 * r), bool)
    support[:, :, :r] = True
    assert r_tilde(support) == pytest.approx(r, rel=1e-12)


@pytest.mark.parametrize(("K", "r"), [(1, 3), (2, 5), (9, 4), (70, 3)])
def test_disjoint_supports(K, r):
    support = np.eye(K, dtype=bool).repeat(r, axis=1)
    expected = r * (K + 1) ** 2 / (4 * K**2)
    assert r_tilde(support[None]) == pytest.approx(expected, rel=1e-12)
    in_groups = np.ones((K, 1, r), bool)
    assert r_tilde(in_groups) == pytest.approx(expected, rel=1e-12)


@given(masks(), st.integers(0, 2**20))
def test_a_weight_of_a_living_neuron_never_lowers_it(support, seed):
    living = support.any(2, keepdims=True)
    more = support | (drawn(seed, *support.shape, 0.2) & living)
    assert r_tilde(more) >= r_tilde(support) * (1 - 1e-12)


def test_a_dead_neuron_that_comes_to_life_may_lower_it():
    before = np.zeros((1, 2, 11), bool)
    before[0, 0, :10] = True
    after = before.copy()
    after[0, 1, 10] = True
    assert r_tilde(after) < r_tilde(before) == pytest.approx(10)


@given(masks(), st.integers(0, 2**20))
def test_orders_do_not_matter(support, seed):
    random = np.random.default_rng(seed)
    shuffled = support[random.permutation(len(support))]
    shuffled = shuffled[:, random.permutation(support.shape[1])][:, :, random.permutation(support.shape[2])]
    assert r_tilde(shuffled) == pytest.approx(r_tilde(support), rel=1e-12)


@given(masks())
def test_dead_neurons_and_unread_inputs_do_not_matter(support):
    wider = np.pad(support, ((0, 0), (2, 1), (1, 3)))
    assert r_tilde(wider) == pytest.approx(r_tilde(support), rel=1e-12)


def test_nothing_survives():
    assert r_tilde(np.zeros((2, 3, 4), bool)) is None
    assert r_tilde(np.zeros((1, 0, 4), bool)) is None
    assert r_tilde_dense(np.array([0, 0]), 4) is None


@settings(max_examples=40)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 12))
def test_dense_twin(naive, counts, fan_in):
    support = np.zeros((len(counts), max(counts), fan_in), bool)
    for block, count in zip(support, counts, strict=True):
        block[:count] = True
    found = r_tilde_dense(np.array(counts), fan_in)
    assert found is None if not sum(counts) else found == pytest.approx(naive(support), rel=1e-9)


def test_a_large_mask():
    support = drawn(0, 1, 4096, 4096, 0.01)
    found = r_tilde(support)
    assert support.sum(2).min() / 4 < found < support.sum(2).max()

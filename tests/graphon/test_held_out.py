"""Which estimate is used: planted structure, random masks, and the code length itself."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.graphon.counts import EntryCounts
from boundcalc.graphon.estimate import by_sorting
from boundcalc.graphon.held_out import (
    HeldOutEntries,
    bits,
    divided,
    hold_out,
    singular_cells,
    smoothed,
    sorted_cells,
    whole,
)
from boundcalc.graphon.mask_graphons import of_layer
from boundcalc.graphon.spectral_cells import halved


def counts_of(mask):
    return EntryCounts(np.asarray(mask, dtype=np.uint8), 1)


def planted(seed, shape=(240, 320), inside=0.3, outside=0.1, share=0.5):
    """A mask of two blocks whose rows and columns all have the same expected degree, and its row blocks."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.random(shape[0]) < share, rng.random(shape[1]) < 0.5
    probability = np.where(rows[:, None] == columns, inside, outside)
    return counts_of(rng.random(shape) < probability), rows, probability


def test_two_blocks_of_one_degree_are_recovered_where_sorting_sees_nothing():
    counts, rows, probability = planted(0)
    found = of_layer("fc", counts, 16, [0, 0])
    assert found.used == "spectral"
    assert found.held_out.spectral < found.held_out.constant - 0.02
    assert found.held_out.sorted > found.held_out.constant - 0.002
    cells = singular_cells(whole(counts), 16)
    purity = [max(rows[cells[0] == cell].mean(), 1 - rows[cells[0] == cell].mean()) for cell in range(16)]
    assert np.mean(purity) > 0.95
    estimate = found.graphon.values[cells[0]][:, cells[1]]
    by_degree = sorted_cells(whole(counts), 16)
    wrong = by_sorting(counts, 16).values[by_degree[0]][:, by_degree[1]]
    assert np.sqrt(((estimate - probability) ** 2).mean()) < 0.06
    assert np.sqrt(((wrong - probability) ** 2).mean()) > 0.09


def test_blocks_of_unequal_size_are_recovered_too():
    rng = np.random.default_rng(1)
    rows = rng.random(300) < 0.25
    columns = rng.random(300) < 0.5
    mask = rng.random((300, 300)) < np.where(rows[:, None] == columns, 0.35, 0.15)
    cells = singular_cells(whole(counts_of(mask)), 16)[0]
    purity = [max(rows[cells == cell].mean(), 1 - rows[cells == cell].mean()) for cell in range(16)]
    assert np.mean(purity) > 0.93


@pytest.mark.parametrize("seed", range(5))
def test_a_random_mask_is_left_sorted(seed):
    mask = np.random.default_rng(seed).random((200, 300)) < 0.1
    found = hold_out(counts_of(mask), 64, np.random.default_rng(seed))
    assert found.spectral is None and found.best == "sorted"
    assert abs(found.sorted - found.constant) < 0.01


def test_degrees_alone_are_found_by_both():
    rng = np.random.default_rng(2)
    probability = np.outer(np.linspace(0.1, 1, 250), np.linspace(0.05, 0.8, 350))
    found = hold_out(counts_of(rng.random(probability.shape) < probability), 32, rng)
    assert found.sorted < found.constant - 0.08
    assert found.spectral < found.constant - 0.08


def test_bits_of_the_density_are_its_cross_entropy():
    mask = np.random.default_rng(3).random((60, 70)) < 0.3
    seen, unseen = divided(counts_of(mask), np.random.default_rng(4))
    everything = (np.zeros(60, int), np.zeros(70, int))
    p, q = seen.counts.surviving / seen.sums[1], unseen.counts.surviving / unseen.sums[1]
    expected = -q * math.log2(p) - (1 - q) * math.log2(1 - p)
    assert bits(seen, unseen, everything) == pytest.approx(expected, abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_what_is_seen_and_what_is_held_out_are_the_whole(seed, taps):
    rng = np.random.default_rng(seed)
    counts = EntryCounts(rng.integers(0, taps + 1, (7, 9)).astype(np.uint8), taps)
    seen, unseen = divided(counts, rng)
    assert (seen.counts.counts + unseen.counts.counts == counts.counts).all()
    assert (seen.seen + unseen.seen == taps).all()
    assert (seen.counts.counts <= seen.seen).all() and (unseen.counts.counts <= unseen.seen).all()


@pytest.mark.parametrize("taps", [1, 9])
def test_a_tenth_is_held_out_whatever_survives(taps):
    counts = EntryCounts(np.random.default_rng(5).integers(0, taps + 1, (200, 200)).astype(np.uint8), taps)
    _, unseen = divided(counts, np.random.default_rng(6))
    assert unseen.sums[1] / counts.entries == pytest.approx(0.1, abs=0.005)
    assert unseen.counts.surviving / unseen.sums[1] == pytest.approx(counts.density, abs=0.02)


def test_the_prior_is_strong_where_cells_are_alike_and_weak_where_they_differ():
    entries = np.full((8, 8), 50)
    alike = smoothed(np.random.default_rng(7).binomial(50, 0.2, (8, 8)), entries, 0.2)
    assert np.abs(alike - 0.2).max() < 0.04
    apart = smoothed(np.where(np.eye(8) > 0, 50, 0), entries, 1 / 8)
    assert apart.diagonal().min() > 0.97 and apart[0, 1] < 0.01
    assert ((apart > 0) & (apart < 1)).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 50), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_halves_are_equal_cells(units, cells, seed):
    rng = np.random.default_rng(seed)
    sizes = np.bincount(halved(rng.standard_normal((units, 3)), rng.random(units), cells))
    assert len(sizes) == min(units, cells) and sizes.max() - sizes.min() <= 1


def test_halving_a_line_sorts_it():
    points = np.random.default_rng(8).permutation(48).astype(float)
    cells = halved(points[:, None], points, 16)
    assert (cells == (47 - points) // 3).all()


def test_units_that_are_not_seen_have_the_density():
    counts = EntryCounts(np.array([[1, 0], [0, 0]], dtype=np.uint8), 1)
    sample = HeldOutEntries(counts, np.array([[1, 1], [0, 0]], dtype=np.uint8))
    assert sample.degrees[0].tolist() == [0.5, 0.5]


def test_too_small_a_layer_holds_nothing_out():
    assert hold_out(counts_of([[1]]), 64, np.random.default_rng(0)) is None
    found = of_layer("fc", counts_of([[1]]), 64, [0, 0])
    assert (found.used, found.held_out, found.graphon.density) == ("sorted", None, 1.0)

"""Counts, orders, cells and averages against slow twins, and chains of layers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from topology.graphs import layer, network, random_weight

from boundcalc.graphon.counts import EntryCounts, count
from boundcalc.graphon.estimate import block_sums, by_sorting, chain, estimate
from boundcalc.graphon.ordering import by_degree, chain_orders, cut, layer_counts, not_a_chain
from boundcalc.graphon.step import StepGraphon
from boundcalc.network.network import Network
from boundcalc.network.ops import Add, Affine, Input, ReLU


def counts_of(mask):
    return EntryCounts(np.asarray(mask, dtype=np.uint8), 1)


def random_mask(seed, shape, density):
    return np.random.default_rng(seed).random(shape) < density


def linear_chain(*masks, skip=False):
    """A network of linear layers with the given masks and ReLUs between them."""
    nodes = [Input("x", (), (masks[0].shape[1], 1, 1))]
    for index, mask in enumerate(masks):
        one = layer(np.where(mask, 1.0, 0.0), name=f"fc{index + 1}")
        nodes.append(Affine(**{**vars(one), "inputs": (len(nodes) - 1,)}))
        nodes.append(ReLU("relu", (len(nodes) - 1,), (mask.shape[0], 1, 1)))
    if skip:
        nodes.append(Add("add", (len(nodes) - 1, len(nodes) - 2), nodes[-1].shape))
    return Network(tuple(nodes), "test", (masks[0].shape[1],))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 60))
def test_cells_are_equal_as_far_as_sizes_divide(units, cells):
    partition = cut(np.random.default_rng(0).permutation(units), cells)
    sizes = np.bincount(partition)
    assert len(sizes) == min(units, cells)
    assert sizes.max() - sizes.min() <= 1 and sizes.sum() == units


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_averages_equal_the_loop(seed):
    rng = np.random.default_rng(seed)
    n, m, taps = (int(v) for v in rng.integers(1, 12, 3))
    counts = EntryCounts(rng.integers(0, taps + 1, (n, m)).astype(np.uint8), taps)
    rows, columns = cut(rng.permutation(n), 4), cut(rng.permutation(m), 5)
    graphon = estimate(counts, rows, columns)
    for a in range(rows.max() + 1):
        for b in range(columns.max() + 1):
            block = counts.counts[rows == a][:, columns == b]
            assert graphon.values[a, b] == pytest.approx(block.mean() / taps, abs=1e-15)
    assert graphon.density == pytest.approx(counts.density, abs=1e-14)
    assert graphon.row_weights == pytest.approx(np.bincount(rows) / n)


def test_block_sums_are_exact_where_single_precision_is_not():
    counts = EntryCounts(np.full((400, 2), 60_001, dtype=np.uint16), 60_001)
    assert block_sums(counts, np.zeros(400, int), np.array([0, 1])).tolist() == [[24_000_400, 24_000_400]]


def test_sorting_gives_falling_degree_profiles_that_are_the_masks_own():
    mask = random_mask(1, (32, 48), np.random.default_rng(0).random((32, 1)))
    graphon = by_sorting(counts_of(mask), 64)
    assert (np.diff(graphon.row_degrees) <= 1e-12).all() and (np.diff(graphon.column_degrees) <= 1e-12).all()
    assert graphon.row_degrees == pytest.approx(np.sort(mask.mean(1))[::-1])


def test_sorting_recovers_a_graphon_of_falling_degrees():
    grid = (np.arange(2000) + 0.5) / 2000
    truth = 0.1 + 0.4 * (1 - grid)[:, None] + 0.4 * (1 - grid)
    rng = np.random.default_rng(2)
    mask = (rng.random(truth.shape) < truth)[rng.permutation(2000)][:, rng.permutation(2000)]
    found = by_sorting(counts_of(mask), 20).values
    averaged = truth.reshape(20, 100, 20, 100).mean((1, 3))
    assert np.sqrt(((found - averaged) ** 2).mean()) < 0.02


def test_a_threshold_graph_is_recovered_exactly():
    mask = np.add.outer(np.arange(64), np.arange(64)) < 64
    rng = np.random.default_rng(3)
    shuffled = mask[rng.permutation(64)][:, rng.permutation(64)]
    assert (by_sorting(counts_of(shuffled), 64).values == mask).all()


def test_kernels_are_rolled_and_groups_stay_apart():
    weight = random_weight(4, (6, 2, 3, 3), 0.5)
    rolled = count(layer(weight, groups=2), pixels=False)
    assert rolled.taps == 9 and rolled.shape == (6, 4)
    expected = np.zeros((6, 4), int)
    expected[:3, :2], expected[3:, 2:] = (weight[:3] != 0).sum((2, 3)), (weight[3:] != 0).sum((2, 3))
    assert (rolled.counts == expected).all()


def test_a_first_linear_layer_reads_pixels_and_a_later_one_channels():
    image = random_weight(5, (7, 3, 4, 4), 0.5)
    conv = layer(random_weight(6, (3, 1, 3, 3), 0.9), name="conv")
    linear = Affine(**{**vars(layer(image, kind="linear", name="fc")), "inputs": (1,)})
    first, later = layer_counts(Network((Input("x", (), (1, 8, 8)), conv, linear), "test", (1, 8, 8)))
    assert (first.taps, later.taps, later.shape) == (9, 16, (7, 3))
    assert (later.counts == (image != 0).sum((2, 3))).all()
    (alone,) = layer_counts(network(layer(image, kind="linear")))
    assert (alone.taps, alone.shape) == (1, (7, 48))


def test_a_chain_orders_every_hidden_layer_once():
    masks = [random_mask(seed, shape, 0.4) for seed, shape in ((7, (30, 50)), (8, (20, 30)), (9, (5, 20)))]
    found = chain(linear_chain(*masks), 10)
    assert [len(partition) for partition in found.partitions] == [50, 30, 20, 5]
    for index, (mask, graphon) in enumerate(zip(masks, found.graphons, strict=True)):
        columns, rows = found.partitions[index : index + 2]
        assert (graphon.values == estimate(counts_of(mask), rows, columns).values).all()
    degrees = masks[0].mean(1) + masks[1].mean(0)
    means = [degrees[found.partitions[1] == cell].mean() for cell in range(10)]
    assert means == sorted(means, reverse=True)
    assert found.graphons[2].values.shape == (5, 10)
    assert np.array_equal(found.graphons[0].row_weights, found.graphons[1].column_weights)


def test_permuting_hidden_units_changes_no_chain_without_ties():
    rng = np.random.default_rng(10)
    masks = [np.tril(np.ones((40, 40), bool)), random_mask(11, (6, 40), 0.0)]
    order = rng.permutation(40)
    plain, permuted = (
        chain(linear_chain(*masks), 8),
        chain(linear_chain(masks[0][order], masks[1][:, order]), 8),
    )
    assert all(
        np.array_equal(a.values, b.values) for a, b in zip(plain.graphons, permuted.graphons, strict=True)
    )


def test_a_skip_connection_is_no_chain_and_says_where():
    looped = linear_chain(random_mask(12, (4, 4), 0.5), skip=True)
    assert not_a_chain(looped) == "residual sum at add after fc1"
    with pytest.raises(ValueError, match="cannot be ordered once: residual sum at add after fc1"):
        chain(looped)
    assert not_a_chain(linear_chain(random_mask(12, (4, 4), 0.5))) is None


def test_layers_that_do_not_fit_are_no_chain():
    with pytest.raises(ValueError, match="5 inputs follows one of 4 outputs"):
        chain_orders([counts_of(np.ones((4, 3))), counts_of(np.ones((2, 5)))])


def test_equal_degrees_keep_their_order():
    assert by_degree(np.array([0.5, 0.5, 0.7])).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("values", "rows", "columns", "message"),
    [
        ([[0.5]], [0.5, 0.5], [1.0], "values of shape"),
        ([[1.5]], [1.0], [1.0], "lie in"),
        ([[np.nan]], [1.0], [1.0], "lie in"),
        ([[0.5]], [0.9], [1.0], "row weights"),
        ([[0.5, 0.5]], [1.0], [0.0, 1.0], "column weights"),
        ([[0.5, 0.5]], [1.0], [np.nan, 1.0], "column weights"),
    ],
)
def test_what_is_no_graphon_is_refused(values, rows, columns, message):
    with pytest.raises(ValueError, match=message):
        StepGraphon(np.array(values), np.array(rows), np.array(columns))


def test_a_step_graphon_keeps_its_own_arrays():
    values = np.array([[0.25]])
    graphon = StepGraphon(values, np.ones(1), np.ones(1))
    values[:] = 0
    assert graphon.values[0, 0] == 0.25
    with pytest.raises(ValueError, match="read-only"):
        graphon.values[0, 0] = 1


def test_torch_masks_of_any_memory_layout_are_read():
    weight = torch.from_numpy(random_weight(13, (8, 4, 3, 3), 0.5)).contiguous(
        memory_format=torch.channels_last
    )
    assert count(layer(weight), pixels=False).surviving == int((weight != 0).sum())

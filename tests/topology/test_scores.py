"""The scores of one layer against slow twins, their properties, and masks that have hardly any edges."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from topology.graphs import assert_same, biadjacency, dense_twin, graph_twin, random_weight, scores_of

from boundcalc.topology.bipartite import Layout

shapes = st.tuples(st.integers(3, 30), st.integers(3, 30))
densities = st.floats(0.15, 1.0)
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize(
    ("shape", "density"),
    [((100, 300), 0.1), ((300, 784), 0.05), ((10, 100), 0.6), ((64, 64, 3, 3), 0.05), ((200, 150, 2, 2), 0.1),
     ((30, 20, 3, 2), 0.3), ((160, 150), 0.9)],
)  # fmt: skip
def test_random_masks_agree_with_dense_brute_force(shape, density):
    weight = random_weight(1, shape, density)
    assert_same(scores_of(weight), dense_twin(biadjacency(weight)))


@pytest.mark.parametrize("groups", [2, 3, 6])
@pytest.mark.parametrize("rolled", [False, True])
def test_grouped_convolutions_have_edges_within_groups_only(groups, rolled):
    weight = random_weight(2, (24, 5, 3, 3), 0.6)
    scores = scores_of(weight, groups, "rolled" if rolled else "unrolled")
    assert_same(scores, dense_twin(biadjacency(weight, groups, rolled)))


def test_rolled_kernels_have_no_multiple_edges_and_never_cancel():
    weight = np.zeros((4, 5, 2, 2))
    weight[:, :, 0, 0], weight[:, :, 1, 1] = 2.0, -2.0
    scores = scores_of(weight, encoding="rolled")
    assert (scores.edges, scores.degrees) == (20, (4.0, 5.0))
    assert scores.sigma.sigma1 == pytest.approx(np.sqrt(20))
    assert scores.weighted.sigma1 == pytest.approx(4 * np.sqrt(20))


def test_a_linear_layer_that_reads_an_image_is_not_rolled():
    weight = random_weight(3, (12, 4, 3, 3), 0.7)
    assert_same(scores_of(weight, encoding="rolled", kind="linear"), dense_twin(biadjacency(weight)))


@given(seeds, shapes, densities)
@settings(max_examples=60)
def test_small_masks_agree_with_networkx(seed, shape, density):
    weight = random_weight(seed, shape, density)
    assert_same(scores_of(weight), graph_twin(biadjacency(weight)))


@given(seeds, shapes, densities)
@settings(max_examples=30)
def test_permuting_neurons_changes_nothing(seed, shape, density):
    weight = random_weight(seed, shape, density)
    rng = np.random.default_rng(seed)
    permuted = weight[rng.permutation(shape[0])][:, rng.permutation(shape[1])]
    assert_same(scores_of(permuted), vars(scores_of(weight)), 1e-9)


@given(seeds, shapes, densities, st.floats(1e-6, 1e6))
@settings(max_examples=30)
def test_scaling_weights_scales_lambda_and_nothing_structural(seed, shape, density, factor):
    weight = random_weight(seed, shape, density)
    before, after = scores_of(weight), scores_of(weight * factor)
    for key in ("delta_r", "delta_s", "delta_r_imdb", "narc", "sigma", "degrees", "reasons"):
        assert getattr(before, key) == getattr(after, key)
    for key in ("lambda_", "lambda_imsg"):
        old, new = getattr(before, key), getattr(after, key)
        assert (old is None and new is None) or new == pytest.approx(
            old * factor, rel=1e-6, abs=1e-9 * factor
        )


@given(seeds, shapes, st.floats(0, 0.95))
@settings(max_examples=40)
def test_adding_an_edge_never_lowers_sigma1(seed, shape, density):
    weight = random_weight(seed, shape, density)
    missing = np.argwhere(weight == 0)
    if len(missing):
        more = weight.copy()
        more[tuple(missing[seed % len(missing)])] = 1.0
        before, after = scores_of(weight).sigma, scores_of(more).sigma
        assert before is None or after.sigma1 >= before.sigma1 - 1e-9


@given(shapes)
@settings(max_examples=20)
def test_the_complete_graph(shape):
    scores = scores_of(np.ones(shape))
    assert scores.sigma.sigma2 == 0
    assert scores.sigma.sigma1 == pytest.approx(np.sqrt(shape[0] * shape[1]))
    assert scores.delta_r == pytest.approx(np.sqrt(shape[0] - 1) + np.sqrt(shape[1] - 1))
    assert scores.delta_r_imdb == scores.delta_r
    assert scores.ramanujan


@pytest.mark.parametrize("degree", [4, 6, 10])
def test_a_random_regular_graph_is_nearly_ramanujan(degree):
    graph = nx.bipartite.configuration_model([degree] * 400, [degree] * 400, nx.Graph(), seed=1)
    scores = scores_of(nx.bipartite.biadjacency_matrix(graph, range(400)).toarray())
    assert abs(scores.delta_r) < 0.3
    assert scores.sigma.sigma1 == pytest.approx(degree, rel=0.05)


def test_the_incidence_graph_of_a_projective_plane_is_ramanujan():
    """Points and lines of the plane of order 3: 13 of each, 4-regular, sigma_2 = sqrt(3)."""
    shifts = [0, 1, 3, 9]
    weight = np.array([[float((i - j) % 13 in shifts) for i in range(13)] for j in range(13)])
    scores = scores_of(weight)
    assert (scores.sigma.sigma1, scores.sigma.sigma2) == (pytest.approx(4), pytest.approx(np.sqrt(3)))
    assert scores.delta_r == pytest.approx(np.sqrt(3))
    assert scores.narc == pytest.approx(((3 / 4 + 1) * 13 - abs(2 * 52 - 4 * 13 * 13 / 13)) / 169)


def test_two_copies_have_a_repeated_value_and_the_gap_of_it():
    block = random_weight(5, (140, 160), 0.1)
    weight = np.kron(np.eye(2), block)
    scores = scores_of(weight)
    assert scores.sigma.sigma1 == pytest.approx(scores.sigma.sigma2, rel=1e-9)
    assert scores.lambda_ == pytest.approx(0, abs=1e-6)
    assert_same(scores, dense_twin(biadjacency(weight)))


def test_an_empty_layer():
    scores = scores_of(np.zeros((4, 5)))
    assert (scores.sigma, scores.delta_r, scores.delta_r_imdb, scores.narc) == (None, None, None, None)
    assert scores.collapsed
    assert set(scores.reasons.values()) == {"no weight survives"}


def test_a_single_surviving_weight():
    weight = np.zeros((4, 5))
    weight[1, 2] = -3.0
    scores = scores_of(weight)
    assert (scores.sigma.sigma1, scores.sigma.sigma2) == (1.0, 0.0)
    assert (scores.weighted.sigma1, scores.weighted.sigma2) == (3.0, 0.0)
    assert scores.reasons["delta_r"] == "collapsed: mean degrees 1 and 1, one below 3"
    assert scores.reasons["delta_r_imdb"] == "no degree is shared by 3 inputs"


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1)])
def test_a_side_of_one_vertex_is_collapsed_with_the_right_values(shape):
    scores = scores_of(np.ones(shape))
    assert (scores.sigma.sigma1, scores.sigma.sigma2) == (pytest.approx(np.sqrt(max(shape))), 0.0)
    assert scores.collapsed
    assert scores.delta_r is None
    assert scores.delta_r_imdb is None


def test_a_collapsed_layer_may_have_scored_subgraphs():
    weight = np.zeros((4, 30))
    weight[:, :6] = 1.0
    weight[0, 6:] = 1.0
    scores = scores_of(weight)
    assert scores.collapsed
    assert scores.delta_r is None
    assert scores.delta_r_imdb == pytest.approx(np.sqrt(3) + np.sqrt(5))
    assert_same(scores, dense_twin(biadjacency(weight)))


def test_weights_that_are_not_finite_leave_the_structure():
    weight = np.ones((4, 4))
    weight[0, 0] = np.inf
    scores = scores_of(weight)
    assert scores.delta_r is not None
    assert (scores.lambda_, scores.lambda_imsg) == (None, None)
    assert scores.reasons == dict.fromkeys(("lambda_", "lambda_imsg"), "a weight is not finite")


def test_an_unknown_encoding_is_refused():
    from topology.graphs import layer

    with pytest.raises(ValueError, match="encoding 'flat' is none of unrolled, rolled"):
        Layout.of(layer(np.ones((3, 3))), "flat")

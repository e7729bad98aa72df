"""The topology of a network: coordinate, distance, random masks, and its part of the report."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from topology.graphs import layer, network, random_weight

from boundcalc.parts.topology import to_dict as tree
from boundcalc.topology import analyze
from boundcalc.topology.bipartite import Layout
from boundcalc.topology.random_masks import chance, draw, one_in_ten

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sparse_network():
    return network(
        layer(random_weight(1, (30, 60), 0.2), name="fc1"),
        layer(random_weight(2, (20, 10, 3, 3), 0.2), name="conv"),
        layer(random_weight(3, (10, 20), 0.1), name="fc2"),
    )


def test_the_coordinate_is_the_mean_over_the_layers_that_have_the_score(sparse_network):
    topology = analyze(sparse_network, {}, draws=0)
    for index, key in enumerate(("delta_r", "delta_r_imdb", "lambda_", "lambda_imsg")):
        values = [v for one in topology.layers if (v := getattr(one.scores, key)) is not None]
        assert topology.coordinate[index] == pytest.approx(np.mean(values))
    assert topology.layers[2].scores.collapsed
    assert topology.ramanujan_layers == sum((one.scores.delta_r or -1) >= 0 for one in topology.layers)


def test_without_a_reference_the_distance_is_structural():
    topology = analyze(network(layer(random_weight(1, (30, 60), 0.5))), {}, draws=0)
    dense = math.sqrt(29) + math.sqrt(59)
    scores = topology.layers[0].scores
    assert topology.distance == pytest.approx(math.hypot(scores.delta_r - dense, scores.delta_r_imdb - dense))
    assert topology.distance_from == (
        "the dense graph, structure alone, over Dr, Dr imdb: no reference was given"
    )


def test_a_reference_is_taken_whole_even_where_its_weights_are_zero():
    weight = np.where(random_weight(1, (30, 60), 0.5) != 0, 1.0, 0.0)
    reference = torch.ones(30, 60, 1, 1, dtype=torch.float64)
    reference[0, 0] = 0.0
    topology = analyze(network(layer(weight)), {"fc.weight": reference}, draws=0)
    scores = topology.layers[0].scores
    values = np.linalg.svd(reference[:, :, 0, 0].numpy(), compute_uv=False)
    dense = [math.sqrt(29) + math.sqrt(59)] * 2 + [values[0] - values[1]] * 2
    own = [scores.delta_r, scores.delta_r_imdb, scores.lambda_, scores.lambda_imsg]
    assert topology.distance == pytest.approx(math.dist(own, dense))
    assert topology.distance_from == (
        "the reference's weights on the dense graph, over Dr, Dr imdb, lambda, imsg"
    )


def test_the_distance_of_the_dense_network_from_itself_is_zero():
    weight = random_weight(4, (40, 50), 1.0)
    topology = analyze(
        network(layer(weight)), {"fc.weight": torch.from_numpy(weight).reshape(40, 50, 1, 1)}, draws=0
    )
    assert topology.distance == pytest.approx(0, abs=1e-9)


def test_layers_collapsed_in_either_are_left_out_of_the_distance():
    full = random_weight(4, (40, 50), 1.0)
    reference = {"a.weight": torch.from_numpy(full).reshape(40, 50, 1, 1)}
    thin = np.zeros((40, 50))
    thin[0, 0] = 1.0
    topology = analyze(network(layer(full, name="a"), layer(thin, name="b")), reference, draws=0)
    assert topology.distance == pytest.approx(0, abs=1e-9)
    assert "(1 of 2 layers, structure alone for the others)" in topology.distance_from
    alone = analyze(network(layer(thin, name="b")), {}, draws=0)
    assert (alone.distance, alone.coordinate) == (None, (None,) * 4)
    assert alone.distance_from == "no layer is scored both here and in the dense graph"


def test_a_folded_layer_is_not_compared_with_unfolded_weights():
    weight = random_weight(4, (40, 50), 1.0)
    reference = {"fc.weight": torch.from_numpy(7 * weight).reshape(40, 50, 1, 1)}
    topology = analyze(network(layer(weight, folded=True)), reference, draws=0)
    assert topology.distance == pytest.approx(0, abs=1e-9)
    assert "BatchNorm folded in: 1 of 1 layers" in tree(topology)["note"]


def test_the_dense_graph_of_a_grouped_layer_repeats_its_value():
    topology = analyze(network(layer(np.ones((12, 5, 1, 1)), groups=2)), {}, draws=0)
    assert topology.distance == pytest.approx(0, abs=1e-9)
    assert topology.layers[0].scores.sigma.sigma2 == pytest.approx(math.sqrt(30))


@pytest.mark.parametrize("encoding", ["unrolled", "rolled"])
def test_the_seed_decides(sparse_network, encoding):
    first, again = (tree(analyze(sparse_network, {}, encoding, seed=3, draws=3)) for _ in range(2))
    other = tree(analyze(sparse_network, {}, encoding, seed=4, draws=3))
    assert first == again
    assert first["layers"][0]["delta_r"] == other["layers"][0]["delta_r"]
    assert first["layers"][0]["random"] != other["layers"][0]["random"]


def test_permuting_neurons_changes_no_z_score():
    weight = random_weight(5, (20, 80), 0.5)
    rng = np.random.default_rng(0)
    permuted = weight[rng.permutation(20)][:, rng.permutation(80)]
    a, b = (analyze(network(layer(w)), {}, draws=3).layers[0].chance for w in (weight, permuted))
    for key in a:
        assert a[key].z == pytest.approx(b[key].z, rel=1e-6)


def test_a_random_mask_has_the_layers_edges_and_weights():
    layout = Layout(3, 5, 4, 6, False)
    sizes = np.abs(np.random.default_rng(0).standard_normal(70))
    graph = draw(layout, sizes, np.random.default_rng(1))
    assert graph.shape == (60, 18)
    assert np.sort(graph.weights) == pytest.approx(np.sort(sizes))
    group_of_left = np.repeat(np.arange(60), np.diff(graph.starts)) // 20
    assert (graph.ends // 6 == group_of_left).all()


def test_random_masks_are_uniform():
    layout = Layout(1, 6, 1, 5, False)
    counts = np.zeros((6, 5))
    for seed in range(2000):
        graph = draw(layout, np.ones(9), np.random.default_rng(seed))
        counts[np.repeat(np.arange(6), np.diff(graph.starts)), graph.ends] += 1
    assert np.abs(counts / 2000 - 0.3).max() < 0.05


def test_a_structured_mask_stands_out_and_a_random_one_does_not():
    block = np.kron(np.eye(2), np.ones((20, 30))) * np.random.default_rng(0).standard_normal((40, 60))
    chances = analyze(network(layer(block)), {}, draws=8).layers[0].chance
    assert chances["delta_r"].z < -20
    random = analyze(network(layer(random_weight(6, (40, 60), 0.5))), {}, draws=8).layers[0].chance
    assert abs(random["delta_r"].z) < 5


def test_masks_that_cannot_differ_have_no_z_score():
    chances = analyze(network(layer(np.ones((8, 9)))), {}, draws=4).layers[0].chance
    for one in chances.values():
        assert (one.sd, one.z, one.draws) == (0.0, None, 4)


def test_chance_of_too_few_draws():
    assert chance(1.0, [None, None]).mean is None
    assert chance(1.0, [2.0]) == chance(None, [2.0])
    assert chance(None, [1.0, 2.0]).z is None
    assert one_in_ten(1) is None


def test_degenerate_layers_give_no_nan():
    one = np.zeros((5, 6))
    one[2, 3] = 2.0
    layers = [np.zeros((4, 5)), one, np.ones((1, 7)), np.ones((7, 1)), np.eye(12), np.ones((6, 6))]
    made = network(*(layer(weight, name=f"l{i}") for i, weight in enumerate(layers)))
    for draws in (0, 1, 3):
        found = tree(analyze(made, {}, draws=draws))
        json.dumps(found, allow_nan=False)
        for row in found["layers"]:
            assert {key for key, value in row.items() if value is None} - {"sigma1", "sigma2"} <= set(
                row["reasons"]
            )


def test_negative_draws_are_refused(sparse_network):
    with pytest.raises(ValueError, match="-1 draws: at least 0 are needed"):
        analyze(sparse_network, {}, draws=-1)


def test_the_tree_has_the_keys_of_the_interface(sparse_network):
    golden = json.loads((ROOT / "tests" / "report" / "trees" / "lenet300.json").read_text())["topology"]
    found = tree(analyze(sparse_network, {}, draws=2))
    assert set(golden) <= set(found)
    for row in found["layers"]:
        assert set(golden["layers"][0]) <= set(row)
        assert set(row["z"]) == {"delta_r", "delta_r_imdb", "lambda", "lambda_imsg", "narc"}
        assert all(residual <= 1e-6 for residual in row["residual"].values())
    assert "Cunegatti et al. 2024" in found["note"]


@pytest.mark.parametrize("draws", [0, 3])
def test_the_table_fits_and_shows_z(sparse_network, draws):
    from boundcalc.parts.topology import sections
    from boundcalc.report.views.table import PLAIN, _section

    found = tree(analyze(sparse_network, {}, "rolled", draws=draws))
    for row in found["layers"]:
        row["name"] = "stages.2.blocks.0.downsample." + row["name"]
    (section,) = sections({"topology": found})
    assert max(map(len, _section(section, PLAIN).splitlines())) <= 100
    assert ("z" in [column.header for column in section.grid.columns]) == (draws > 0)
    if draws:
        z = found["layers"][0]["z"]["delta_r"]
        assert section.grid.rows[0][2] == f"{z:.1f}"
        assert dict(section.facts)["collapsed layers"].endswith("fc2")


def test_the_benchmarks_twin_agrees_with_the_scores(monkeypatch):
    path = ROOT / "experiments" / "benchmarks" / "topology.py"
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location("topology_benchmark", path)
    benchmark = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = benchmark
    spec.loader.exec_module(benchmark)
    found = benchmark.ratio_case(200, 60, rounds=1)
    assert found["difference"] < 1e-6

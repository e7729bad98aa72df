"""The analysis of whole networks: layers, N, verdicts, violated assumptions, and the report's part."""

import json
import math

import numpy as np
import pytest
import torch
from peeling_networks import conv_chain, grouped, input_in_several_places, max_pooled, projection_skips
from twins import Sketch

import boundcalc
from boundcalc.errors import BoundcalcError, UsageError
from boundcalc.parts.samples import to_dict as tree
from boundcalc.report import FORMATS, SCHEMA, Report
from boundcalc.samples.calibration import Calibration
from boundcalc.samples.complexity import analyze

CALIBRATION = Calibration(
    c=2.0, low=1.0, high=4.0, level=0.95, eps0=0.5, log_q=1.0, misfit=3.0, largest_k=4,
    largest_conditioning=1.5, setting={}, fit={}, command="", path="c.json",
)  # fmt: skip
KEYS = {"name", "K", "r_tilde", "r_tilde_dense", "surviving", "ratio", "radius_loss_ratio"}


def matrix(rows):
    return torch.tensor(rows, dtype=torch.float64)[:, :, None, None]


def two_layers(weight, last=None):
    weight = matrix(weight)
    s = Sketch((weight.shape[1], 1, 1))
    at = s.relu(s.affine(0, weight))
    s.affine(
        at, torch.full((1, len(weight), 1, 1), 1 / len(weight), dtype=torch.float64) if last is None else last
    )
    return s.network()


def mlp(seed=0, density=0.6, biases=False):
    s = Sketch((12, 1, 1), seed, density=density)
    at = s.relu(s.linear(0, 9, bias=biases))
    at = s.relu(s.linear(at, 6, bias=biases))
    s.linear(at, 3, bias=biases)
    return s.network()


ORTHONORMAL = np.eye(3, 12).tolist()


def test_layers_of_a_deep_network(naive):
    network = mlp()
    result = analyze(network)
    layers = list(network.layers())[:-1]
    assert [found.name for found in result.layers] == [layer.name for layer in layers]
    for found, layer in zip(result.layers, layers, strict=True):
        support = layer.support.flatten(1).numpy()
        fan_ins = support.sum(1)[support.any(1)]
        assert found.r_tilde == pytest.approx(naive(support[None]), rel=1e-9)
        assert found.r_tilde_dense == support.shape[1] == found.fan_in
        assert found.ratio == pytest.approx(found.r_tilde / support.shape[1])
        assert found.radius_loss_ratio == pytest.approx(math.sqrt(found.ratio))
        assert (found.spread.smallest, found.spread.largest) == (fan_ins.min(), fan_ins.max())
        assert found.spread.mean == pytest.approx(fan_ins.mean())
        assert found.surviving == support.sum()
    assert result.surviving_hidden == sum(layer.surviving for layer in layers)
    assert result.ratio == pytest.approx(result.surviving_hidden / (9 * 12 + 6 * 9))
    assert result.N is None and result.verdict is None
    assert result.reason == "no calibrated constant: give --calibration FILE"


def test_dense_network_has_ratio_one():
    for found in analyze(mlp(density=2.0)).layers:
        assert (found.ratio, found.radius_loss_ratio) == pytest.approx((1, 1))


@pytest.mark.parametrize(
    "network", [conv_chain, grouped, max_pooled, projection_skips, input_in_several_places]
)
def test_a_filter_is_a_neuron_and_its_patch_the_input(naive, network):
    network = network(3)
    result = analyze(network)
    layers = {layer.name: layer for layer in network.layers()}
    assert result.layers
    for found in result.layers:
        layer = layers[found.name]
        support = layer.support.reshape(layer.groups, len(layer.weight) // layer.groups, -1).numpy()
        assert support.any(2).sum() == found.K
        assert found.r_tilde == pytest.approx(naive(support), rel=1e-9)
        dense = np.ones_like(support) & support.any(2, keepdims=True)
        assert found.r_tilde_dense == pytest.approx(naive(dense), rel=1e-9)


def test_output_layers_are_not_hidden():
    network = input_in_several_places(3)
    hidden = {found.name for found in analyze(network).layers}
    names = [layer.name for layer in network.layers()]
    assert hidden == set(names[:-2])


def test_permuting_neurons_changes_nothing():
    weight = torch.randn(7, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = weight * (weight.abs() > 0.6)
    rows, columns = torch.randperm(7), torch.randperm(12)
    one = analyze(two_layers(weight.tolist()), CALIBRATION)
    other = analyze(two_layers(weight[rows][:, columns].tolist()), CALIBRATION)
    assert other.log_needed == pytest.approx(one.log_needed, rel=1e-9)
    assert other.layers[0].r_tilde == pytest.approx(one.layers[0].r_tilde, rel=1e-12)


def test_scaling_weights_changes_nothing():
    weight = np.random.default_rng(0).normal(size=(4, 9))
    one = analyze(two_layers(weight.tolist()), CALIBRATION)
    other = analyze(two_layers((1e-200 * weight).tolist()), CALIBRATION)
    assert other.log_needed == pytest.approx(one.log_needed, rel=1e-9)


def test_needed_samples_by_hand():
    values = np.diag([4.0, 2.0]).repeat(3, axis=1) / math.sqrt(3)
    result = analyze(two_layers(values.tolist()), CALIBRATION, target_error=0.1)
    r_tilde, kappa, gamma, K = 3 * 9 / 16, 2.0, 2.0, 2
    log_q = math.log(K / 0.05) / 3
    expected = 2.0 * 0.1**-2 * kappa**4 * gamma**2 * K**4 * r_tilde * log_q
    assert pytest.approx(expected) == result.N
    assert math.exp(result.log_needed[1]) == pytest.approx(expected / 2)
    assert math.exp(result.log_needed[2]) == pytest.approx(expected * 2)
    assert result.layers[0].log_q == pytest.approx(log_q)


def test_q_is_never_below_the_calibrations():
    assert analyze(two_layers(np.ones((1, 50)).tolist()), CALIBRATION).layers[0].log_q == 1.0


def test_one_neuron():
    result = analyze(two_layers([[3.0, 0.0, 4.0]]), CALIBRATION)
    layer = result.layers[0]
    assert layer.r_tilde == pytest.approx(2)
    assert layer.conditioning.log_kappa == layer.conditioning.log_gamma == 0
    assert pytest.approx(2.0 * 4 * 2 * math.log(20) / 2) == result.N


def test_the_hardest_layer_decides():
    result = analyze(mlp(), CALIBRATION)
    assert result.log_needed == max(layer.log_needed for layer in result.layers)


def test_an_empty_layer():
    result = analyze(two_layers([[0.0] * 4] * 3), CALIBRATION, samples=10)
    layer = result.layers[0]
    assert (layer.K, layer.surviving, layer.state) == (0, 0, "empty")
    assert (
        layer.r_tilde is layer.r_tilde_dense is layer.ratio is layer.radius_loss_ratio is layer.spread is None
    )
    assert result.N is None and result.reason == "layer0 is empty"
    assert (result.surviving_hidden, result.ratio) == (0, 0.0)
    assert result.verdict.sentence == "no answer: layer0 is empty."


def test_rank_deficient():
    result = analyze(two_layers([[1.0, 2.0], [2.0, 4.0]]), CALIBRATION)
    assert result.layers[0].state == "rank-deficient"
    assert result.N is None and result.reason == "layer0 is rank-deficient"


def test_no_hidden_layer():
    s = Sketch((4, 1, 1))
    s.linear(0, 2)
    result = analyze(s.network(), CALIBRATION)
    assert result.layers == () and result.ratio is None and result.surviving_hidden == 0
    assert result.reason == "there is no hidden layer"
    assert result.violated[0].startswith("no hidden layer")


@pytest.mark.parametrize(
    ("samples", "word"), [(10**6, "large enough"), (30_000, "undecided"), (10, "too small")]
)
def test_verdict(samples, word):
    result = analyze(two_layers(ORTHONORMAL), CALIBRATION, samples, 0.1)
    assert result.log_needed[1] < math.log(30_000) < result.log_needed[2]
    verdict = result.verdict
    assert verdict.word == word
    assert verdict.sentence.startswith(f"{word}: {samples} samples; ")
    assert "at eps0 = 0.1" in verdict.sentence
    assert "misses its own calibration runs by up to a factor of 3" in verdict.sentence
    assert "lies beyond" not in verdict.sentence
    assert verdict.sentence.endswith("violates: 1.")


def test_the_ends_of_the_interval_count_as_enough():
    result = analyze(two_layers(ORTHONORMAL), CALIBRATION)
    enough = math.ceil(math.exp(result.log_needed[2]))
    assert analyze(two_layers(ORTHONORMAL), CALIBRATION, enough).verdict.word == "large enough"
    assert analyze(two_layers(ORTHONORMAL), CALIBRATION, enough - 1).verdict.word == "undecided"


def test_verdict_names_what_lies_beyond_the_calibration():
    weight = np.diag([8.0, 4.0, 2.0, 1.0, 1.0])
    sentence = analyze(two_layers(weight.tolist()), CALIBRATION, 100).verdict.sentence
    assert "K = 5 lies beyond their largest, 4" in sentence
    assert "kappa^4 Gamma^2 lies beyond their largest, 1.5" in sentence


def test_only_the_need_is_asked_for():
    verdict = analyze(two_layers(ORTHONORMAL), CALIBRATION, target_error=0.1).verdict
    assert verdict.word == "no answer" and "asks for" in verdict.sentence


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"samples": 0}, "samples 0: give at least 1"),
        ({"target_error": 0.0}, "target error 0.0: give a number between 0 and 1"),
        ({"target_error": 1.0}, "target error 1.0"),
        ({"target_error": math.nan}, "target error nan"),
        ({"delta": 1.0}, "delta 1.0"),
    ],
)
def test_arguments_out_of_range(words, message):
    with pytest.raises(UsageError, match=message):
        analyze(two_layers(ORTHONORMAL), CALIBRATION, **words)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite(value):
    with pytest.raises(BoundcalcError, match=r"^layer0: the weights hold infinite or NaN entries$"):
        analyze(two_layers([[1.0, value]]))


def test_the_papers_own_network_violates_nothing_but_the_inputs():
    assert analyze(two_layers(ORTHONORMAL)).violated == (
        "inputs: the data is not known to be independent standard Gaussian",
    )


def test_second_layer_weights():
    last = torch.tensor([0.5, 0.5, 0.5], dtype=torch.float64)[None, :, None, None]
    assert analyze(two_layers(ORTHONORMAL, last)).violated[-1] == (
        "second-layer weights: those of layer1 are not all 1/K"
    )


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (lambda: mlp(biases=True), ["depth: 3 layers", "layer1 read values", "biases: layer0", "outputs: 3"]),
        (lambda: conv_chain(0), ["convolution: layer0, layer1"]),
        (lambda: max_pooled(0), ["operations: max pooling"]),
        (
            lambda: projection_skips(0),
            ["operations: sums of branches", "no ReLU of its own after the layer: "],
        ),
    ],
)
def test_violated_assumptions(network, words):
    lines = analyze(network()).violated
    for word in words:
        assert any(word in line for line in lines), (word, lines)


def part(result):
    return json.loads(json.dumps(tree(result), allow_nan=False))


@pytest.mark.parametrize("calibration", [None, CALIBRATION])
@pytest.mark.parametrize(
    "network", [mlp, lambda: two_layers([[0.0] * 4] * 3), lambda: two_layers([[1.0, 2.0]])]
)
def test_the_reports_part(network, calibration):
    found = part(analyze(network(), calibration, samples=100))
    assert {"layers", "surviving_hidden", "ratio", "N", "calibration"} <= set(found)
    assert all(set(layer) >= KEYS for layer in found["layers"])
    assert (found["calibration"] is None) == (calibration is None)
    assert found["origins"]["r_tilde"] == "the paper's definition, exact"
    report = Report({"schema": SCHEMA, "samples": found})
    for format in FORMATS:
        assert report.to(format)


def test_numbers_that_overflow_are_null_beside_their_logarithm():
    weight = np.diag(np.logspace(0, -10, 60))
    found = part(analyze(two_layers(weight.tolist()), CALIBRATION, samples=100))
    assert found["N"] is found["layers"][0]["N"] is None
    assert found["N_interval"] == [None, None]
    assert found["log10_N"] > 308
    assert found["verdict"]["answer"] == "too small"
    text = Report({"schema": SCHEMA, "samples": found}).to("markdown")
    assert f"10^{found['log10_N']:.1f} at eps0 = 0.5" in text


def test_the_view_of_a_calibrated_part():
    found = part(analyze(two_layers(ORTHONORMAL), CALIBRATION, samples=10))
    text = Report({"schema": SCHEMA, "samples": found}).to("markdown")
    for words in ("too small: 10 samples", "c = 2.00", "Violated: inputs", "log Gamma"):
        assert words in text, words


def test_demo_tickets(tickets):
    for name in ("lenet300_dense", "lenet300_density10", "lenet300_density02"):
        result = analyze(boundcalc.load(str(tickets / f"{name}.pt")))
        for layer in result.layers:
            assert layer.spread.smallest / 4 < layer.r_tilde <= layer.spread.largest
        assert result.ratio == pytest.approx(
            {"lenet300_dense": 1, "lenet300_density10": 0.0979, "lenet300_density02": 0.0184}[name], rel=0.01
        )

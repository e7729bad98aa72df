"""The path norm bound against paths walked one by one, and its count of ReLUs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from peeling_networks import (
    average_pooled,
    circular,
    conv_chain,
    grouped,
    identity_skips,
    input_in_several_places,
    max_pooled,
    no_relu_between,
    projection_skips,
    shortcut_without_weights,
    sum_of_sums,
)
from twins import Sketch, mlp, path_norm, problem_for, sample

from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.path_lengths import input_skips_relu, log_factor, longest, neurons_deep
from boundcalc.network.geometry import Window
from boundcalc.network.ops import Affine, MaxPool, Rearrange, ReLU

SMALL = (
    input_in_several_places,
    sum_of_sums,
    no_relu_between,
    conv_chain,
    circular,
    average_pooled,
    shortcut_without_weights,
)


def value(network, x):
    """The bound as published."""
    outcome = registry["path_norm"].compute(problem_for(network, x)).published
    return outcome, math.exp(outcome.log_rho + outcome.log_unit)


def sharper(network, x):
    """The bound with a naive moment: every lambda of a fine grid, every coordinate of every class, the constant with every t."""
    grid = (
        [2.0**k for k in range(-10, 11)]
        if any(layer.bias is not None for layer in network.layers())
        else [None]
    )
    weights = path_norm(without(network, "biases"))
    biases = path_norm(network) - weights
    found = []
    for t in grid:
        energies = x.square().sum(0).flatten().tolist() + ([] if t is None else [len(x) * t * t])
        energies = [e for e in energies if e > 0]
        top = max(energies)
        bounds = [
            math.acosh(
                1
                + network.outputs * math.exp(log_factor(network))
                * sum(math.expm1(rate**2 * e / top / 2) for e in energies)
            ) / rate
            for rate in (0.02 * k for k in range(1, 400))
        ]  # fmt: skip
        found.append((weights + (biases / t if t else 0.0)) * min(bounds) * math.sqrt(top) / len(x))
    return min(found)


def without(network, what):
    assert what == "biases"
    nodes = [replace(node, bias=None) if isinstance(node, Affine) else node for node in network.nodes]
    return replace(network, nodes=tuple(nodes))


@pytest.mark.parametrize(
    "make", [conv_chain, average_pooled, input_in_several_places, sum_of_sums, max_pooled]
)
def test_the_sharper_form_equals_a_naive_one_and_is_below_the_published(make):
    network = make(2)
    x = sample(network, 12)
    outcome = registry["path_norm"].compute(problem_for(network, x))
    found = math.exp(outcome.log_rho + outcome.log_unit)
    twin = sharper(network, x)
    assert found <= twin * 1.02
    assert found >= twin * 0.7
    assert found <= value(network, x)[1]


@pytest.mark.parametrize("make", SMALL)
def test_equal_to_paths_walked_one_by_one(make):
    network = make(1)
    outcome, _ = value(network, sample(network))
    assert math.exp(outcome.log_rho) == pytest.approx(path_norm(network), rel=1e-9)


def test_equal_with_max_pooling():
    s = Sketch((1, 4, 4), 0)
    at = s.max(s.relu(s.conv(0, 2, 2, bias=True)), 2, stride=1)
    s.linear(at, 2)
    network = s.network()
    x = sample(network, 6)
    outcome, found = value(network, x)
    assert math.exp(outcome.log_rho) == pytest.approx(path_norm(network), rel=1e-9)
    inside = 3 * math.log(5 * 4) + math.log(5 / 2 * 17 * 2)
    expected = path_norm(network) * max(1, float(x.abs().max())) * math.sqrt(2 * inside / 6)
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("bias", [False, True])
def test_formula(bias):
    network = mlp((6, 5, 4, 3), 0, 0.6, bias)
    for x in (sample(network, 8), sample(network, 8) / 100):
        energy = max(8.0, float(x.square().sum(0).max()))
        inside = 2 * (2 * math.log(2) + math.log(2 * 7 * 3))
        expected = path_norm(network) * math.sqrt(energy * inside) / 8
        found = value(network, x)[1]
        assert found == pytest.approx(expected, rel=1e-9)
        assert found >= expected * (1 - 1e-14)


@pytest.mark.parametrize(
    ("make", "relus", "skips"),
    [
        (conv_chain, 2, False), (grouped, 3, False), (identity_skips, 4, False), (projection_skips, 3, False),
        (input_in_several_places, 2, True), (no_relu_between, 1, False), (sum_of_sums, 4, False),
    ],
)  # fmt: skip
def test_relus_on_a_path_and_inputs_that_skip_them(make, relus, skips):
    network = make(0)
    assert longest(network, ReLU) == relus
    assert input_skips_relu(network) is skips
    outcome, _ = value(network, sample(network))
    assert outcome.terms["relus"] == relus + skips


def test_a_linear_image_of_the_input_that_skips_a_relu_costs_one_more():
    """relu(V relu(W x) + U x) is not in the hull of two levels of ReLUs: T_2 <= 2 T_1 + T_0."""
    s = Sketch((3, 1, 1), 0)
    at = s.relu(s.linear(0, 3))
    s.linear(s.relu(s.add(s.linear(at, 3), s.linear(0, 3))), 2)
    assert input_skips_relu(s.network())
    s = Sketch((3, 1, 1), 0)
    s.linear(s.relu(s.add(s.linear(0, 3), s.linear(0, 3))), 2)
    assert not input_skips_relu(s.network())
    s = Sketch((3, 1, 1), 0)
    s.add(s.linear(s.relu(s.linear(0, 3)), 2), s.linear(0, 2))
    assert input_skips_relu(s.network())


@pytest.mark.parametrize(
    ("make", "depth"),
    [(conv_chain, 3), (max_pooled, 5), (identity_skips, 5), (projection_skips, 4), (sum_of_sums, 5)],
)
def test_depth_in_neurons(make, depth):
    assert neurons_deep(make(0)) == depth


def _largest_of(width):
    """f(x) = max_p relu(w_p . x) with w_p the p-th unit vector, p = 1..width."""
    s = Sketch((width, 1, 1))
    at = s.affine(0, torch.eye(width, dtype=torch.float64)[:, :, None, None])
    column = torch.arange(width).reshape(1, width, 1)
    s.nodes.append(Rearrange("column", (at,), (1, width, 1), column))
    at = s.relu(len(s.nodes) - 1)
    window = Window.of((width, 1), (width, 1))
    s.nodes.append(MaxPool("max", (at,), (1, 1, 1), window))
    return s.network()


@pytest.mark.parametrize("width", [256, 400])
def test_windows_are_summed_since_a_class_that_keeps_their_largest_norm_is_too_rich(width):
    """On x_i = e_i, i = 1..m = width, the class {max_p ||w_p||_1 <= 1} fits any signs: f(x_i) = 1 where xi_i = 1, else 0.

    Its complexity is 1/2, above the formula at path norm 1. The class {sum_p ||w_p||_1 <= 1} has
    sum_i f(x_i) <= 1, hence complexity at most 1 / m.
    """
    network = _largest_of(width)
    whole = registry["path_norm"].compute(
        problem_for(network, torch.eye(width, dtype=torch.float64)[:, :, None, None])
    )
    for outcome in (whole, whole.published):
        kept_as_largest, summed = 1 / 2, 1 / width
        assert kept_as_largest > math.exp(outcome.log_unit) >= summed
        assert math.exp(outcome.log_rho) == pytest.approx(width, rel=1e-9)
        assert math.exp(outcome.log_rho + outcome.log_unit) > kept_as_largest


def test_data_free_of_every_sign():
    network = mlp((6, 5, 3), 0)
    x = sample(network, 8)
    assert value(network, x)[1] == pytest.approx(value(network, -x)[1])
    assert value(network, torch.zeros_like(x))[1] > 0

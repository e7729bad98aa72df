"""Networks, data and options of extreme size: every part answers or refuses in one line, and no number vanishes or is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import boundcalc
from boundcalc.errors import BoundcalcError

SHAPES = ((6, 4), (5, 6), (3, 5))
FORMATS = ("table", "json", "csv", "markdown", "latex", "html")


def network(scales=(1.0, 1.0, 1.0), bias=None):
    generator = torch.Generator().manual_seed(0)
    state = {}
    for index, ((out, inputs), scale) in enumerate(zip(SHAPES, scales, strict=True)):
        weight = torch.randn(out, inputs, generator=generator, dtype=torch.float64) / math.sqrt(inputs)
        state[f"fc{index}.weight"] = weight * (torch.rand(out, inputs, generator=generator) < 0.7) * scale
        if bias is not None:
            state[f"fc{index}.bias"] = torch.randn(out, generator=generator, dtype=torch.float64) * bias
    return state


def data(scale=1.0):
    x = np.random.default_rng(0).standard_normal((30, 4)) * scale
    return x, np.arange(30) % 3, x[:10], np.arange(10) % 3


def numbers(node, path=""):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from numbers(value, f"{path}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from numbers(value, f"{path}[]")
    elif isinstance(node, float):
        yield path, node


def answered(state, **options):
    """Analyze; a refusal must be one of boundcalc's own lines. Returns the report, or None for a refusal."""
    try:
        report = boundcalc.analyze(state, **{"passes": 0, **options})
    except BoundcalcError as refusal:
        assert "\n" not in str(refusal)
        return None
    tree = report.to_dict()
    assert all(math.isfinite(value) for _, value in numbers(tree))
    for format in FORMATS:
        report.to(format)
    return tree


def positive(tree):
    """Check that no complexity or value of a network that is not 0 is 0."""
    for name, bound in tree["bounds"].items():
        if bound["status"] != "not_covered" and bound["kind"] in {"F", "loss"}:
            assert bound["complexity"] is None or bound["complexity"] > 0, name
            assert bound["complexity"] is not None or bound["log10_complexity"] is not None, name
            assert bound["value"] is None or bound["value"] > 0, name


POWERS = (-323, -310, -200, -150, 0, 150, 200, 300)


@pytest.mark.parametrize("power", POWERS)
def test_weights_of_any_size(power):
    free = answered(network((10.0**power,) * 3), samples=50, input_bound=1.0)
    assert free is not None
    positive(free)
    mixed = answered(network((10.0**power, 1.0, 10.0 ** -max(power, -300))), data=data())
    assert mixed is None or positive(mixed) is None
    biased = answered(network(bias=10.0**power), data=data())
    assert biased is None or positive(biased) is None


@pytest.mark.parametrize("power", POWERS)
def test_inputs_of_any_size(power):
    tree = answered(network(), data=data(10.0**power))
    assert (tree is None) == (power > 150), "squares beyond float64 are refused, all else is answered"
    if tree is not None:
        positive(tree)
        assert tree["gntk"] is not None


EXTREMES = [
    {"delta": 5e-324}, {"delta": 1e-300}, {"delta": 1 - 1e-16}, {"margin": 5e-324}, {"margin": 1.7e308}, {"sigma_w2": 5e-324},
    {"sigma_w2": 1e300}, {"learning_rate": 5e-324}, {"learning_rate": 1e308}, {"cells": 1}, {"batch": 10**9}, {"max_memory": 1e-300},
]  # fmt: skip


@pytest.mark.parametrize("options", EXTREMES, ids=str)
def test_options_of_any_size(options):
    tree = answered(network(), data=data(), **options)
    assert (tree is None) == (options == {"delta": 5e-324})
    if tree is not None:
        positive(tree)


@pytest.mark.parametrize("samples", [1, 10**18, 10**400])
@pytest.mark.parametrize("bound", [1e-320, 1.0, 1e300])
def test_samples_and_input_bounds_of_any_size(samples, bound):
    tree = answered(network(), samples=samples, input_bound=bound)
    assert (tree is None) == (samples == 10**400 or bound == 1e300)
    if tree is not None:
        positive(tree)


def test_one_huge_weight_subnormal_ones_and_none_at_all():
    huge = network()
    for weight in huge.values():
        weight[0, 0] = 1e300
    assert answered(huge, data=data()) is not None
    small = network()
    small["fc0.weight"] = (small["fc0.weight"] != 0).double() * 5e-324
    assert small["fc0.weight"].any()
    positive(answered(small, data=data()))
    zeros = answered(network((0.0, 0.0, 0.0)), data=data())
    assert zeros["bounds"]["golowich2018_fro"]["complexity"] == 0


@pytest.mark.parametrize("power", [40, 300, -300])
def test_a_power_of_two_moved_from_layer_to_layer_changes_no_bound(power):
    """ReLU networks are positively homogeneous: the function stays, and so does every product of norms."""
    options = {"data": data(), "only": ("bounds",)}
    plain = answered(network(), **options)["bounds"]
    moved = answered(network((2.0**power, 2.0**-power, 1.0)), **options)["bounds"]
    for name in (
        "peeling",
        "path_norm",
        "golowich2018_fro",
        "golowich2018_1inf",
        "neyshabur2015_fro",
        "neyshabur2015_1inf",
    ):
        assert moved[name]["log10_complexity"] == pytest.approx(plain[name]["log10_complexity"], abs=1e-9), (
            name
        )
        assert moved[name]["value"] == pytest.approx(plain[name]["value"], rel=1e-6), name


@pytest.mark.parametrize(("weights", "inputs"), [(1.0, 1e150), (1e300, 1e-157)])
def test_training_that_leaves_the_range_of_float32_is_a_reason(weights, inputs):
    tree = answered(network((weights,) * 3), data=data(inputs), only=("bounds",), passes=1)
    found = tree["bounds"]["pacbayes"]
    assert found["value"] is None
    assert found["reason"].startswith(
        "not covered: numbers that float32, in which it is trained, does not hold"
    )

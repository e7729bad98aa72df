"""The deep shapes of the field are captured; each bound covers them or says what is in the way, and where."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.utils import prune

import boundcalc
from boundcalc.tickets import architectures

SHAPES = {"lenet5": (1, 28, 28), "resnet20": (3, 32, 32), "resnet20_option_a": (3, 32, 32)}
LARGE = {"vgg16": (3, 32, 32), "resnet18": (3, 32, 32)}
IN_THE_WAY = {
    "lenet5": "max pooling at max_pool2d after conv1",
    "vgg16": "max pooling at max_pool2d after features",
}


def pruned(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = getattr(architectures, name)()
        for part in module.modules():
            if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
                prune.l1_unstructured(part, "weight", 0.9)
    return module


def check(name, shape):
    report = boundcalc.analyze(
        pruned(name), only=("bounds",), samples=50_000, input_bound=1.0, input_shape=shape
    ).to_dict()
    bounds = report["bounds"]
    assert report["checkpoint"]["density"] == pytest.approx(0.1, abs=1e-3)
    for covered in (
        "peeling",
        "path_norm",
        "golowich2018_fro",
        "bartlett2017",
        "neyshabur2015_1inf",
        "gouk2021_1inf",
    ):
        assert bounds[covered]["status"] == "theorem"
        assert math.isfinite(bounds[covered]["log10_value"])
    chains_only = bounds["galanti2023"]
    assert (chains_only["status"], chains_only["value"]) == ("not_covered", None)
    assert IN_THE_WAY.get(name, "residual sum at add after layer1.0.conv2") in chains_only["reason"]
    return bounds


@pytest.mark.parametrize("name", SHAPES)
def test_small_shapes(name):
    check(name, SHAPES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_shapes(name):
    assert check(name, LARGE[name])["peeling"]["terms"]["positions"] == "general (upper bound)"

"""The JSON Schema that ships, against reports of real networks and against wrong ones."""

from __future__ import annotations

import copy
import json

import jsonschema
import numpy as np
import pytest
import torch
from torch import nn

import boundcalc
from boundcalc.report.schema import schema

CHECKER = jsonschema.Draft202012Validator(schema())


@pytest.fixture(scope="module")
def full():
    generator = torch.Generator().manual_seed(0)
    state = {
        "fc1.weight": torch.randn(6, 12, generator=generator)
        * (torch.rand(6, 12, generator=generator) < 0.6),
        "fc1.bias": torch.randn(6, generator=generator),
        "fc2.weight": torch.randn(3, 6, generator=generator),
    }
    random = np.random.default_rng(0)
    x, y = random.random((60, 12)), random.integers(0, 3, 60)
    return boundcalc.analyze(state, data=(x[:40], y[:40], x[40:], y[40:]), passes=0, batch=20).to_dict()


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_a_full_report(full):
    CHECKER.validate(json.loads(json.dumps(full)))
    assert all(full[part] is not None for part in ("samples", "topology", "graphon", "gntk", "empirical"))


@pytest.mark.parametrize(
    "options",
    [{}, {"samples": 100, "input_bound": 1.0}, {"only": ("samples",)}],
    ids=["nothing", "declared", "only"],
)
def test_a_report_of_less(options):
    CHECKER.validate(boundcalc.analyze({"fc.weight": torch.eye(4)}, **options).to_dict())


def test_a_network_that_nothing_covers():
    module = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Linear(4, 3))
    report = boundcalc.analyze(module, samples=10, input_bound=1.0).to_dict()
    assert {bound["status"] for bound in report["bounds"].values()} == {"not_covered"}
    CHECKER.validate(report)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("bounds", "peeling", "status"), "certain"),
        (("bounds", "occam", "prior"), None),
        (("bounds", "peeling", "subject"), "somebody"),
        (("verdict", "network", "value"), 1.5),
        (("checkpoint", "tensors", 0, "role"), "guess"),
        (("checkpoint", "density"), 2),
        (("topology", "coordinate"), [1.0]),
        (("schema",), "boundcalc.report/3"),
    ],
)
def test_what_is_wrong_is_found(full, path, value):
    wrong = copy.deepcopy(full)
    place = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not CHECKER.is_valid(wrong)

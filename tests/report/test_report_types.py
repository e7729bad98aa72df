"""The types of the tree beside the JSON Schema that ships, and beside a report of a real network."""

import types
import typing

import numpy as np
import pytest
import torch

import boundcalc
from boundcalc.parts import registry
from boundcalc.report import types as trees
from boundcalc.report.schema import schema

SCHEMA = schema()
PLACES = {
    "checkpoint": trees.CheckpointTree,
    "network": trees.NetworkTree,
    "data": trees.DataTree,
    "empirical": trees.EmpiricalTree,
    "verdict": trees.VerdictTree,
    "samples": trees.SamplesTree,
    "topology": trees.TopologyTree,
    "graphon": trees.GraphonTree,
    "gntk": trees.GntkTree,
}


def described(name):
    found = SCHEMA["properties"][name]
    return next(
        one for one in (found, *found.get("anyOf", ()), *found.get("oneOf", ())) if "properties" in one
    )


@pytest.mark.parametrize("name", PLACES)
def test_every_entry_of_the_schema_has_a_type(name):
    assert set(described(name)["properties"]) <= set(typing.get_type_hints(PLACES[name]))


def test_the_whole_tree_and_a_bound_have_types():
    assert set(SCHEMA["properties"]) == set(typing.get_type_hints(trees.ReportTree))
    assert set(SCHEMA["$defs"]["bound"]["properties"]) <= set(typing.get_type_hints(trees.BoundTree))


def fits(value, kind):
    """Return whether a plain value is of a type of `boundcalc.report.types`."""
    if kind is typing.Any:
        return True
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind)
        if not isinstance(value, dict) or not set(value) >= kind.__required_keys__:
            return False
        return all(fits(item, hints[key]) for key, item in value.items() if key in hints)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is list:
        return isinstance(value, list) and all(fits(one, arguments[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(one, arguments[1]) for one in value.values())
    return isinstance(value, (int, float) if kind is float else kind)


def test_a_report_is_of_its_types():
    generator = torch.Generator().manual_seed(0)
    state = {
        "fc1.weight": torch.randn(6, 12, generator=generator),
        "fc2.weight": torch.randn(3, 6, generator=generator),
    }
    random = np.random.default_rng(0)
    x, y = random.random((60, 12)), random.integers(0, 3, 60)
    tree = boundcalc.analyze(state, data=(x[:40], y[:40], x[40:], y[40:]), passes=0, batch=20).to_dict()
    hints = typing.get_type_hints(trees.ReportTree)
    assert set(hints) <= set(tree) <= set(hints) | set(registry)
    for name, kind in hints.items():
        assert fits(tree[name], kind), (name, tree[name])
    assert not fits({**tree["data"], "m": "many"}, trees.DataTree)

"""Work that grows in proportion to the number of layers: counted, not timed."""

from __future__ import annotations

import sys

import pytest
import torch

import boundcalc
from boundcalc.bounds.peeling import dynamic_program


def chain(layers):
    generator = torch.Generator().manual_seed(0)
    return {f"fc{i}.weight": torch.randn(3, 3, generator=generator) for i in range(layers)}


def bounds(layers):
    return boundcalc.analyze(chain(layers), only=("bounds",), samples=50, input_bound=1.0)


def calls(work):
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_walks_share_what_they_chose_before(monkeypatch):
    copied = []

    class Counted(dynamic_program.PartialWalk):
        def __init__(self, *values, **named):
            super().__init__(*values, **named)
            copied.append(sum(len(value) for value in vars(self).values() if isinstance(value, dict)))

    monkeypatch.setattr(dynamic_program, "PartialWalk", Counted)
    report = bounds(40)
    assert len(copied) > 40 and max(copied) <= 4
    assert list(report.to_dict()["bounds"]["peeling"]["terms"]["split"]) == [f"fc{i}" for i in range(40)]


@pytest.fixture(scope="module")
def deeper():
    """Reports of chains of 4, 8, 16 and 32 layers, with the calls that their bounds took."""
    found = {}
    for layers in (4, 8, 16, 32):
        reports = []
        found[layers] = (
            calls(lambda layers=layers, reports=reports: reports.append(bounds(layers))),
            reports[0],
        )
    return found


def check(few, some, many):
    assert many - some < 2.2 * (some - few)


def test_bounds_of_twice_the_layers_take_twice_the_calls(deeper):
    check(*(deeper[layers][0] for layers in (8, 16, 32)))


@pytest.mark.parametrize("view", ["json", "table", "csv", "markdown", "latex", "html"])
def test_a_report_of_twice_the_layers_takes_twice_the_calls(deeper, view):
    deeper[4][1].to(view)
    check(*(calls(lambda report=deeper[layers][1]: report.to(view)) for layers in (8, 16, 32)))

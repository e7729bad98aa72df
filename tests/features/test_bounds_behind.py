"""Bounds by norms behind a fixed first stage are those of the inner network on the first stage's values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import boundcalc
from boundcalc.bounds.evaluate import FIRST_STAGE
from boundcalc.features.orientations import orientations
from boundcalc.features.stage import staged
from boundcalc.tickets.regularizer import Penalty


def inner() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(32, 4, bias=False), nn.ReLU(), nn.Linear(4, 3, bias=False))


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((40, 1, 6, 6)), rng.integers(0, 3, 40)


def bounds_of(module: nn.Module, x: np.ndarray, y: np.ndarray) -> dict:
    report = boundcalc.analyze(module.eval(), data=(x, y, x[:5], y[:5]), only=("bounds",), passes=0)
    return report.to_dict()["bounds"]


def test_they_are_those_of_the_inner_network_on_the_values() -> None:
    x, y = images()
    network = inner()
    found = bounds_of(staged("orientations-2", network), x, y)
    plain = bounds_of(network, orientations(torch.from_numpy(x), 2).numpy(), y)
    by_norms = [name for name, bound in plain.items() if bound["kind"] in {"F", "loss", "score"}]
    assert len(by_norms) > 10
    for name in by_norms:
        if plain[name]["status"] != "score":
            assert found[name]["value"] == pytest.approx(plain[name]["value"], rel=1e-9), name
        assert found[name]["complexity"] == pytest.approx(plain[name]["complexity"], rel=1e-9), name
        assert FIRST_STAGE in found[name]["assumptions"] and FIRST_STAGE not in plain[name]["assumptions"]
    assert FIRST_STAGE not in found["occam"]["assumptions"]


def test_without_data_its_values_are_not_known() -> None:
    report = boundcalc.analyze(
        staged("orientations-2", inner()),
        input_shape=(1, 6, 6),
        samples=100,
        input_bound=1.0,
        only=("bounds",),
    )
    assert "first stage" in report.to_dict()["bounds"]["peeling"]["reason"]


def test_an_input_that_something_else_reads_is_not_behind_it() -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.staged, self.plain = staged("orientations-2", inner()), nn.Linear(36, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.staged(x) + self.plain(x.flatten(1))

    x, y = images()
    assert bounds_of(Beside(), x, y)["golowich2018_fro"]["status"] == "not_covered"


def test_the_penalty_of_training_is_that_of_the_inner_network() -> None:
    network = inner()
    behind = Penalty(staged("orientations-2", network), (1, 6, 6), 0.5)().item()
    assert behind == pytest.approx(Penalty(network, (8, 2, 2), 0.5)().item(), rel=1e-6)

"""Clamps written as ReLUs: the same function, and all bounds of kind F take networks of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import boundcalc
from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.evaluate import CLAMPS, evaluate
from boundcalc.network.clamps import has_clamps, in_relus, limits
from boundcalc.network.forward import run
from boundcalc.network.ops import Activation
from boundcalc.testing.subject import problem_of
from boundcalc.theory.explain import explain
from boundcalc.theory.explain_views import render


class Clamp(nn.Module):
    def __init__(self, **limits):
        super().__init__()
        self.limits = limits

    def forward(self, x):
        return x.clamp(**self.limits)


CLAMPED = (
    (nn.ReLU6(), 0.0, 6.0), (nn.Hardtanh(), -1.0, 1.0), (nn.Hardtanh(-2.0, 0.5), -2.0, 0.5), (nn.Hardtanh(0.0, 3.0), 0.0, 3.0),
    (Clamp(min=-0.25), -0.25, math.inf), (Clamp(max=2.0), -math.inf, 2.0), (Clamp(min=-1.0, max=0.0), -1.0, 0.0),
)  # fmt: skip


def network_with(activation, seed=0):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(4, 6), activation, nn.Linear(6, 5), activation, nn.Linear(5, 3))
    return boundcalc.load(module, input_shape=(4,))


@pytest.mark.parametrize(("activation", "low", "high"), CLAMPED)
def test_it_is_the_same_function(activation, low, high):
    network = network_with(activation)
    assert [limits(node) for node in network.nodes if isinstance(node, Activation)] == [(low, high)] * 2
    other = in_relus(network)
    assert has_clamps(network) and not has_clamps(other)
    x = 20 * torch.randn(50, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(run(network, x), run(other, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.GELU(), nn.Tanh()])
def test_others_stay_as_they_are(activation):
    network = network_with(activation)
    assert not has_clamps(network)
    assert [type(node) for node in in_relus(network).nodes] == [type(node) for node in network.nodes]


BY_NORMS = sorted(name for name, bound in registry.items() if bound.kind == "F" and bound.status == "theorem")


@pytest.mark.parametrize("name", BY_NORMS)
def test_every_theorem_of_kind_f_takes_them_and_says_how(name):
    network = network_with(nn.ReLU6())
    x = torch.rand(40, 4, generator=torch.Generator().manual_seed(0)).numpy()
    problem = problem_of(network, x, torch.arange(40).numpy() % 3)
    found = evaluate(registry[name], problem)
    assert found.risk is not None and math.isfinite(found.risk.log_value)
    assert CLAMPS in found.assumptions
    written_out = problem_of(in_relus(network), x, torch.arange(40).numpy() % 3)
    assert evaluate(registry[name], written_out).risk.log_value == pytest.approx(
        found.risk.log_value, abs=1e-9
    )
    smooth = evaluate(registry[name], problem_of(network_with(nn.GELU()), x, torch.arange(40).numpy() % 3))
    if name.endswith("1inf"):
        assert smooth.risk is not None and CLAMPS not in smooth.assumptions
    else:
        assert smooth.risk is None and "gelu" in smooth.reason


@pytest.mark.parametrize("name", BY_NORMS)
def test_explain_speaks_of_the_network_in_relus(name):
    x = torch.rand(40, 4, generator=torch.Generator().manual_seed(0)).numpy()
    problem = problem_of(network_with(nn.ReLU6()), x, torch.arange(40).numpy() % 3)
    text = render(explain(registry[name], problem), "text")
    assert "not covered" not in text and "bound on the error of your network" in text

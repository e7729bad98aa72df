"""The sparse product of a thin linear layer against the dense one: outputs and both gradients."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from spelt import captured
from torch import nn

from boundcalc.occam import refine
from boundcalc.occam.skeleton import flattened
from boundcalc.occam.thin import ThinLinear, ThinPattern


@given(st.integers(1, 7), st.integers(1, 9), st.integers(1, 5), st.floats(0.0, 1.0), st.integers(0, 10**6))
def test_outputs_and_gradients_equal_those_of_the_dense_product(rows, columns, batch, density, seed):
    random = torch.Generator().manual_seed(seed)
    places = (torch.rand(rows * columns, generator=random) < density).nonzero()[:, 0]
    values = torch.randn(places.numel(), generator=random, dtype=torch.float64).requires_grad_()
    x = torch.randn(batch, columns, generator=random, dtype=torch.float64).requires_grad_()
    factors = torch.randn(batch, rows, generator=random, dtype=torch.float64)

    found = ThinLinear.apply(x, values, ThinPattern.of(places, (rows, columns)))
    got = torch.autograd.grad((found * factors).sum(), (x, values))

    dense = values.new_zeros(rows * columns).index_put((places,), values).reshape(rows, columns)
    expected = x @ dense.T
    wanted = torch.autograd.grad((expected * factors).sum(), (x, values))
    torch.testing.assert_close(found, expected)
    for mine, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, other)


def test_a_pass_leads_to_the_same_numbers_whether_layers_are_thin_or_not(monkeypatch):
    module = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 4))
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random))
            parameter.mul_(torch.rand(parameter.shape, generator=random) < 0.4)
    network = flattened(captured(module, (20,)))
    x = torch.randn(900, 20, 1, 1, generator=random)
    found = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(refine, "THIN", share)
        trainer = refine.CompactTrainer(
            network, refine.CompactSample(x, torch.arange(900) % 4), size=8, seed=0
        )
        assert [layer.pattern is not None for layer in trainer.layers.values()] == [share == 1.0] * 2
        trainer.train(1e-3)
        found.append([layer.latent.detach() for layer in trainer.layers.values()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4)

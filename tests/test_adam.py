"""Our Adam makes the steps of torch's, to the bit."""

from __future__ import annotations

import torch

from boundcalc.adam import Adam


def test_steps_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(7, generator=generator), torch.randn(3, 2, generator=generator), torch.zeros(2)]
    ours = [tensor.clone().requires_grad_() for tensor in start]
    theirs = [tensor.clone().requires_grad_() for tensor in start]
    adam, torchs = Adam(ours), torch.optim.Adam(theirs)
    for step in range(40):
        rate = 0.1 / (1 + step)
        if step == 25:
            adam.forget()
            torchs.state.clear()
        for tensors in (ours, theirs):
            ((tensors[0] ** 2).sum() + (tensors[1] * step).sin().sum()).backward()
        torchs.param_groups[0]["lr"] = rate
        torchs.step()
        torchs.zero_grad()
        adam.step(rate)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
        assert all(tensor.grad is None for tensor in ours)

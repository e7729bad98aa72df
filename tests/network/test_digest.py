"""Digests tell networks apart by what they compute with; names, formats and the sign of zero do not matter."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from boundcalc import load
from boundcalc.network.digest import digest_of_network, wiring


def two_layers() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def renamed(module: nn.Sequential) -> dict[str, torch.Tensor]:
    names = {"0": "first", "2": "second"}
    return {f"{names[key[0]]}{key[1:]}": tensor for key, tensor in module.state_dict().items()}


def test_names_and_the_way_of_reading_do_not_matter() -> None:
    module = two_layers()
    captured, inferred = load(module), load(renamed(module))
    assert digest_of_network(captured) == digest_of_network(inferred)
    assert wiring(captured) == wiring(inferred)


@pytest.mark.parametrize("key", ["0.weight", "0.bias", "2.weight", "2.bias"])
def test_any_weight_or_bias_matters(key: str) -> None:
    module = two_layers()
    before = digest_of_network(load(module))
    module.state_dict()[key].view(-1)[-1] += 1e-6
    assert digest_of_network(load(module)) != before


def test_the_sign_of_zero_does_not_matter() -> None:
    module = two_layers()
    module.state_dict()["0.weight"][0] = 0.0
    before = digest_of_network(load(module))
    module.state_dict()["0.weight"][0] = -0.0
    assert digest_of_network(load(module)) == before


def test_wiring_tells_a_missing_activation() -> None:
    module = two_layers()
    without = nn.Sequential(module[0], module[2])
    assert digest_of_network(load(without)) == digest_of_network(load(module))
    assert wiring(load(without)) != wiring(load(module))

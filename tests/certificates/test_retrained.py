"""A network trained afresh on a part of the sample: what it sees, what is refused, and coverage by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from spelt import captured
from torch import nn

import boundcalc
from boundcalc.certificates import retrained
from boundcalc.certificates.pick.apart import set_apart
from boundcalc.certificates.test_set import error_bound
from boundcalc.cli.main import main
from boundcalc.empirical.datasets import open_data
from boundcalc.errors import NotCovered
from boundcalc.network.forward import run
from boundcalc.network.network import Network

SAMPLES, INPUTS = 80, 12


def module(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(INPUTS, 16), nn.ReLU(), nn.Linear(16, 2))


def coins(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels thrown by a coin: every network has error 1/2."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(SAMPLES, INPUTS)).astype(np.float32), rng.integers(0, 2, SAMPLES)


def opened(data: tuple[np.ndarray, np.ndarray]) -> Any:
    return open_data((data, data), None).train


def test_the_rest_of_the_sample_changes_no_weight() -> None:
    network, (x, y) = captured(module(), (INPUTS,)), coins(0)
    first = retrained.retrain(network, opened((x, y)), SAMPLES, 0.5, 3)
    rest = np.setdiff1d(np.arange(SAMPLES), set_apart(SAMPLES, 0.5, 3))
    y[rest] = 1 - y[rest]
    x[rest] += 1
    other = retrained.retrain(network, opened((x, y)), SAMPLES, 0.5, 3)
    for one, two in zip(first.network.stored(), other.network.stored(), strict=True):
        assert torch.equal(one.weight, two.weight)
    assert first.counted.samples == SAMPLES // 2
    with torch.no_grad():
        outputs = run(other.network, torch.from_numpy(x[rest]).double())
    wrong = int((outputs.argmax(1).numpy() != y[rest]).sum())
    assert other.counted.wrong == wrong


def test_the_checkpoint_gives_its_architecture_alone() -> None:
    """Another mask and other weights, the same network."""
    pruned = module(1)
    with torch.no_grad():
        pruned[0].weight.mul_(torch.rand_like(pruned[0].weight) < 0.2)
    found = [
        retrained.retrain(captured(one, (INPUTS,)), opened(coins(1)), SAMPLES, 0.25, 0)
        for one in (module(2), pruned)
    ]
    for one, two in zip(*(each.network.stored() for each in found), strict=True):
        assert torch.equal(one.weight, two.weight) and bool((one.weight != 0).all())


def fails(network: Network, seed: int, *, peek: bool) -> bool:
    """Whether the bound is below 1/2; with a peek the training sees all of the sample, as a ticket of the user has."""
    x, y = coins(seed)
    if not peek:
        return retrained.retrain(network, opened((x, y)), SAMPLES, 0.5, seed).counted.value(0.1, 0.0) < 0.5
    rest = np.setdiff1d(np.arange(SAMPLES), set_apart(SAMPLES, 0.5, seed))
    weights, _ = retrained.train(network, torch.from_numpy(x), torch.from_numpy(y), seed)
    hidden = np.maximum(x[rest] @ weights["0"].flatten(1).numpy().T, 0) @ weights["2"].flatten(1).numpy().T
    wrong = int((hidden.argmax(1) != y[rest]).sum())
    return error_bound(wrong, len(rest), 0.1) < 0.5


def test_the_promise_is_kept_and_a_ticket_of_the_whole_sample_breaks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrained, "PASSES", 150)
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(INPUTS, 16, bias=False), nn.ReLU(), nn.Linear(16, 2, bias=False))
    network = captured(plain, (INPUTS,))
    assert sum(fails(network, seed, peek=False) for seed in range(60)) <= 0.1 * 60
    assert sum(fails(network, seed, peek=True) for seed in range(20)) > 0.5 * 20


def test_its_row_speaks_of_another_network_and_the_best_of_several_shares_is_paid() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1200, INPUTS)).astype(np.float32)
    data = (x, (x[:, 0] > 0).astype(np.int64))
    given = {"data": (data, data), "only": ("bounds",), "passes": 0}
    tree = boundcalc.analyze(module(), prior_fraction=(0.3, 0.6), **given).to_dict()
    row = tree["bounds"]["holdout_retrained"]
    assert (row["status"], row["subject"], row["prior"]) == ("theorem", "retrained", "data-dependent")
    terms = row["terms"]
    assert terms["choice_bits"] == 1.0 and terms["samples"] == 1200 - round(terms["fraction"] * 1200)
    assert row["value"] == pytest.approx(error_bound(terms["errors"], terms["samples"], 0.05, 1.0), rel=1e-9)
    assert row["value"] < 0.4
    assert "not used as its reference" in row["reason"]
    for entry in ("network", "compression"):
        assert tree["verdict"][entry]["bound"] != "holdout_retrained"
    one = boundcalc.analyze(module(), prior_fraction=0.5, **given).to_dict()["bounds"]["holdout_retrained"]
    assert one["terms"]["choice_bits"] == 0.0
    none = boundcalc.analyze(module(), **given).to_dict()["bounds"]["holdout_retrained"]
    assert none["status"] == "not_covered" and "--prior-fraction" in none["needs"]


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_a_share_that_leaves_nothing_is_not_covered(fraction: float) -> None:
    with pytest.raises(NotCovered, match="leaves no example"):
        retrained.retrain(captured(module(), (INPUTS,)), opened(coins(0)), SAMPLES, fraction, 0)


@pytest.mark.parametrize("words", ["2", "0", "0.5,0.5", "half", "nan"])
def test_what_is_no_share_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data/tickets/lenet300_density02.pt", "--data", "sample", "--prior-fraction", words]) == 2
    assert "--prior-fraction" in capsys.readouterr().err


def test_a_network_too_large_to_train_is_not_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrained, "WORK", 1000)
    with pytest.raises(NotCovered, match="multiplications"):
        retrained.retrain(captured(module(), (INPUTS,)), opened(coins(0)), SAMPLES, 0.5, 0)

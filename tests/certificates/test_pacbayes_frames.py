"""What is kept of an architecture: its price is a code, and its row in the report."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import boundcalc
from boundcalc.certificates.compressed import decoded, of_drawn
from boundcalc.certificates.file import Certificate, digest_of_split
from boundcalc.certificates.pacbayes import search as searching
from boundcalc.certificates.pacbayes.claim import frame_of
from boundcalc.checkpoint import from_state_dict
from boundcalc.empirical import behind_stage
from boundcalc.empirical.datasets import open_data
from boundcalc.errors import NotCovered
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network
from boundcalc.tickets.samples import Samples


def network_of(module: nn.Module, inputs: int) -> Network:
    return from_checkpoint(from_state_dict(module.state_dict(), "test"), module, (inputs,))


def test_prices_of_what_is_kept_are_a_code() -> None:
    """Kraft by enumeration: every set of pixels and every number of hidden units, shares 2^-bits sum to at most 1."""
    network = network_of(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), 4)
    pixels = [list(some) for size in range(1, 4) for some in itertools.combinations(range(4), size)]
    total = 0.0
    for kept, hidden in itertools.product([None, *pixels], range(1, 4)):
        frame = frame_of(network, [kept, hidden, None])
        assert frame.tree == [kept, hidden, None]
        assert [layer.weight.shape[:2] for layer in frame.layers] == [
            (hidden, 4 if kept is None else len(kept)), (2, hidden)
        ]  # fmt: skip
        total += 2.0**-frame.bits
    assert 0.5 < total <= 1


@pytest.mark.parametrize("bad", [[None, 0, None], [None, 4, None], [[1, 1], 2, None], [[2, 1], 2, None], [[7], 2, None],
                                 [None, 2], ["x", 2, None], [None, True, None], [None, 2, 1], [[], 2, None]])  # fmt: skip
def test_what_keeps_no_part_is_refused(bad: list[object]) -> None:
    network = network_of(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), 4)
    with pytest.raises(ValueError, match="kept|keeps"):
        frame_of(network, bad)


def test_the_whole_network_computes_what_the_small_one_does() -> None:
    network = network_of(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), 6)
    frame = frame_of(network, [[0, 2, 5], 2, None])
    rng = np.random.default_rng(0)
    small, whole = frame.filled([rng.normal(size=size) for size in frame.sizes()])
    x = torch.from_numpy(rng.normal(size=(7, 6)))
    due = small.nodes  # by hand: two layers
    first, second = (node for node in due if hasattr(node, "weight"))
    hidden = (x[:, [0, 2, 5]] @ first.weight.flatten(1).T + first.bias).clamp(min=0)
    outputs = hidden @ second.weight.flatten(1).T + second.bias
    first, second = (node for node in whole.nodes if hasattr(node, "weight"))
    hidden = (x @ first.weight.flatten(1).T + first.bias).clamp(min=0)
    assert torch.allclose(hidden @ second.weight.flatten(1).T + second.bias, outputs)


def test_a_network_with_a_sum_is_no_chain() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(torch.relu(self.a(x)) + x)

    with pytest.raises(NotCovered, match="chain"):
        frame_of(network_of(Residual(), 4))


def test_its_row_is_searched_when_passes_are_given_and_the_better_compression_is_paid(
    blobs: Samples, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 6), nn.ReLU(), nn.Linear(6, 3))
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(blobs.x), blobs.y).backward()
        optimizer.step()
    data = (blobs.x.repeat(4, 1, 1, 1).numpy(), blobs.y.repeat(4).numpy())
    report = boundcalc.analyze(module, data=(data, data), only=("bounds",), passes=6)
    tree = report.to_dict()
    row, other = tree["bounds"]["pacbayes"], tree["bounds"]["occam"]
    assert (row["status"], row["subject"], row["prior"]) == ("theorem", "compression", "data-free")
    assert 0 < row["value"] <= 1
    assert row["terms"]["surviving"] > 0
    told = tree["verdict"]["compression"]
    assert told["bound"] in {"pacbayes", "occam"}
    least = min(row["value"], other["value"])
    assert told["value"] is None or least < told["value"] < least + 0.05
    quick = boundcalc.analyze(module, data=(data, data), only=("bounds",), passes=0).to_dict()
    assert quick["bounds"]["pacbayes"]["status"] == "not_covered"
    assert "--passes" in quick["bounds"]["pacbayes"]["reason"]


def test_the_whole_search_keeps_its_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of two noisy classes: train, draw, count; the error on 20,000 fresh examples stays below the bound."""
    monkeypatch.setattr(searching, "DRAWS", 2)
    monkeypatch.setattr(searching, "LAST_DRAWS", 20)
    rng = np.random.default_rng(8)

    def draw(samples: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=(samples, 2))
        return x, (x.sum(1) > 0).astype(np.int64) ^ (rng.random(samples) < 0.2)

    bounds, errors = [], []
    for seed in range(8):
        split = open_data((draw(1500), draw(10)), None).train
        network = network_of(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)), 2)
        task = searching.DrawTask(network, split, digest_of_split(split), 1500, None, 0.05, 6, seed, 5.0)
        found = searching.search_draw(task)
        certificate = Certificate(
            "pacbayes", "compression", "data-free", "", task.data_sha256, 1500, None, 0.05, 1.0, (), 0, (), "", {"plan": {}},
            of_drawn(found.frame.tree, found.stages),
        )  # fmt: skip
        told = decoded(certificate, network, split)
        fresh = open_data((draw(20_000), draw(10)), None).train
        bounds.append(told.bound(0.05))
        errors.append(
            behind_stage.errors_of(told.network, behind_stage.batches(None, told.network, fresh)) / 20_000
        )
    assert sum(error > bound for error, bound in zip(errors, bounds, strict=True)) <= 1
    assert np.mean(np.array(bounds) < 0.6) > 0.5, "bounds that say nothing cannot fail"

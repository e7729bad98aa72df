"""`--save-quantised`: the certified network as a file that is read again as what was certified."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from boundcalc.api import load
from boundcalc.bounds import decode, describe, encode, lengths
from boundcalc.cli.main import main


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """Two blobs that a small network tells apart."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 4200)
    x = generator.normal(size=(4200, 6)) + 2 * labels[:, None]
    path = tmp_path_factory.mktemp("data") / "arrays.npz"
    np.savez(path, x_train=x[:4000], y_train=labels[:4000], x_test=x[4000:], y_test=labels[4000:])
    return f"npz:{path}"


@pytest.fixture
def ticket(tmp_path):
    generator = torch.Generator().manual_seed(0)
    weights = {
        "fc1.weight": torch.randn(5, 6, generator=generator), "fc1.bias": torch.randn(5, generator=generator),
        "fc2.weight": torch.tensor([[-1.0], [1.0]]) * torch.rand(2, 5, generator=generator),
        "fc2.bias": torch.tensor([6.0, -6.0]),
    }  # fmt: skip
    weights["fc1.weight"] = weights["fc1.weight"].abs()
    weights["fc1.weight"][0] = 0
    torch.save(weights, tmp_path / "ticket.pt")
    return str(tmp_path / "ticket.pt")


def report(capsys, *words):
    assert main([*words, "--only", "bounds,empirical", "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, status, *words):
    assert main(list(words)) == status
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and captured.err.startswith("boundcalc: ")
    return captured


@pytest.mark.parametrize("ending", ["pt", "pth", "safetensors"])
@pytest.mark.parametrize("passes", ["0", "4"])
def test_the_saved_network_is_the_certified_one(capsys, ticket, arrays, tmp_path, ending, passes):
    place = str(tmp_path / f"certified.{ending}")
    first = report(capsys, ticket, "--data", arrays, "--passes", passes, "--save-quantised", place)
    terms = first["bounds"]["occam"]["terms"]
    again = report(capsys, place, "--data", arrays, "--passes", "0")
    assert again["empirical"]["train_error"] == terms["train_error"]
    assert again["checkpoint"]["surviving"] == terms["surviving"]
    plan, word = describe(load(place))
    data = encode(plan, word)
    own = math.fsum(lengths(plan, word).values())
    assert len(data) <= own / 8 + 1
    assert own <= 1.1 * terms["bits"]
    assert encode(plan, decode(plan, data)) == data


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet300_density02", "conv_density10"])
def test_demo_tickets(capsys, tickets, tmp_path, name):
    place = str(tmp_path / "certified.pt")
    words = ["--data", "sample", "--passes", "3"]
    first = report(capsys, str(tickets / f"{name}.pt"), *words, "--save-quantised", place)
    terms = first["bounds"]["occam"]["terms"]
    assert (
        report(capsys, place, "--data", "sample", "--passes", "0")["empirical"]["train_error"]
        == terms["train_error"]
    )
    plan, word = describe(load(place, input_shape=(1, 28, 28)))
    assert math.fsum(lengths(plan, word).values()) <= 1.05 * terms["bits"]


@pytest.mark.parametrize("name", ["out.txt", "out", "out.pt.gz", ".pt"])
def test_wrong_endings(capsys, ticket, arrays, tmp_path, name):
    captured = refused(capsys, 2, ticket, "--data", arrays, "--save-quantised", str(tmp_path / name))
    assert "ends in .pt, .pth, .safetensors" in captured.err
    assert captured.out == ""


def test_no_data(capsys, ticket, tmp_path):
    place = str(tmp_path / "out.pt")
    assert "give --data" in refused(capsys, 2, ticket, "--save-quantised", place).err
    words = [ticket, "--samples", "100", "--input-bound", "1", "--save-quantised", place]
    assert "give --data" in refused(capsys, 2, *words).err
    assert list(tmp_path.glob("out*")) == []


def test_no_bounds(capsys, ticket, arrays, tmp_path):
    words = [ticket, "--data", arrays, "--only", "topology", "--save-quantised", str(tmp_path / "out.pt")]
    assert "add bounds to --only" in refused(capsys, 2, *words).err


def test_no_such_folder(capsys, ticket, arrays, tmp_path):
    words = [ticket, "--data", arrays, "--save-quantised", str(tmp_path / "missing" / "out.pt")]
    captured = refused(capsys, 2, *words)
    assert "no such folder" in captured.err and captured.out == ""


def test_a_folder_in_the_way(capsys, ticket, arrays, tmp_path):
    (tmp_path / "out.pt").mkdir()
    words = [ticket, "--data", arrays, "--save-quantised", str(tmp_path / "out.pt")]
    assert "is a folder" in refused(capsys, 2, *words).err


def test_nothing_half_written(capsys, ticket, arrays, tmp_path, monkeypatch):
    from boundcalc.cli import output

    def full(handle, *rest):
        import os

        os.close(handle)
        raise OSError(28, "No space left on device")

    place = tmp_path / "out.pt"
    place.write_bytes(b"before")
    monkeypatch.setattr(output.os, "fdopen", full)
    words = [ticket, "--data", arrays, "--passes", "0", "--save-quantised", str(place)]
    assert "No space left" in refused(capsys, 2, *words).err
    assert place.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out.pt"]


def test_a_network_that_is_not_covered(capsys, arrays, tmp_path):
    from torch import nn

    module = nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2))
    program = torch.export.export(module.eval(), (torch.zeros(3, 6),))
    torch.export.save(program, tmp_path / "norm.pt2")
    words = [
        str(tmp_path / "norm.pt2"),
        "--quiet",
        "--data",
        arrays,
        "--save-quantised",
        str(tmp_path / "out.pt"),
    ]
    assert main(words) != 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "occam is not covered" in error
    assert not (tmp_path / "out.pt").exists()

"""A checkpoint whose architecture is not known: the sparsity of every layer is told all the same, and nothing else is claimed."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import boundcalc
from boundcalc.cli.main import main
from boundcalc.errors import CheckpointError
from boundcalc.report import FORMATS


class Everything(nn.Module):
    """Layers of many kinds, in no order that shapes could tell."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 8, 3, groups=2, bias=False)
        self.line, self.space = nn.Conv1d(4, 5, 3), nn.Conv3d(2, 3, 2)
        self.words, self.attention = nn.Embedding(10, 6), nn.MultiheadAttention(8, 2)
        self.head = nn.Linear(8, 4)


@pytest.fixture
def pruned():
    generator = torch.Generator().manual_seed(0)
    state = Everything().state_dict()
    for key, tensor in state.items():
        if tensor.ndim > 1:
            state[key] = torch.where(torch.rand(tensor.shape, generator=generator) < 0.4, torch.ones(()), 0.0)
    return state


@pytest.fixture
def cnn(tmp_path):
    torch.save(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).state_dict(),
        tmp_path / "c.pt",
    )
    return str(tmp_path / "c.pt")


def test_every_weight_is_counted_once(pruned, tmp_path):
    pruned["again.weight"] = pruned["head.weight"]
    torch.save({"state_dict": pruned}, tmp_path / "m.pt")
    tree = boundcalc.analyze(tmp_path / "m.pt").to_dict()
    weights = {key: t for key, t in pruned.items() if t.ndim > 1 and key != "again.weight"}
    found = {layer["name"]: layer for layer in tree["network"]["layers"]}
    assert set(found) == {key.removesuffix(".weight") for key in weights}
    for key, tensor in weights.items():
        layer = found[key.removesuffix(".weight")]
        assert layer["shape"] == list(tensor.shape)
        assert (layer["parameters"], layer["surviving"]) == (tensor.numel(), int(tensor.count_nonzero()))
    checkpoint = tree["checkpoint"]
    assert checkpoint["parameters"] == sum(t.numel() for t in weights.values())
    assert checkpoint["surviving"] == sum(int(t.count_nonzero()) for t in weights.values())
    biases = sum(
        t.numel() for key, t in pruned.items() if key.endswith("bias") and not key.startswith("norm")
    )
    assert checkpoint["biases"] == biases
    assert {entry["key"] for entry in checkpoint["tensors"]} == {f"state_dict.{key}" for key in pruned}


def test_nothing_that_needs_a_forward_pass_is_claimed(pruned):
    tree = boundcalc.analyze(pruned).to_dict()
    network = tree["network"]
    assert network["input_shape"] is network["outputs"] is network["depth"] is None
    assert network["unplaced"] and network["uncounted"] == []
    assert {one["part"] for one in tree["skipped"]} == {"bounds", "samples", "gntk", "empirical"}
    assert all("give --model" in one["reason"] for one in tree["skipped"])
    assert tree["bounds"] == {} and tree["samples"] is None
    assert len(tree["topology"]["layers"]) == len(tree["graphon"]["layers"]) == len(network["layers"])


def test_masks_of_layers_are_those_of_the_layers_in_a_network(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 5))
        for layer in (network[0], network[3]):
            prune.random_unstructured(layer, "weight", 0.5)
    alone = boundcalc.analyze(network.state_dict()).to_dict()
    placed = boundcalc.analyze(network, input_shape=(3, 7, 7)).to_dict()
    assert alone["network"]["unplaced"] and not placed["network"]["unplaced"]
    assert alone["topology"] == placed["topology"]
    assert alone["checkpoint"]["density"] == placed["checkpoint"]["density"] == pytest.approx(0.5, abs=0.01)
    assert alone["checkpoint"]["mask"] == placed["checkpoint"]["mask"] == "declared"


def test_a_convolution_without_an_input_size(cnn, capsys):
    assert main([cnn, "--format", "json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["surviving"]) for one in tree["network"]["layers"]] == [("0", 108), ("3", 720)]
    assert "give --input-shape 3,H,W" in tree["skipped"][0]["reason"]
    assert main([cnn, "--only", "bounds"]) == 1, "a part that was asked for did not run"
    assert "bounds did not run: a convolution's input size" in capsys.readouterr().err
    assert main([cnn, "--samples", "9", "--input-bound", "1"]) == 3, "bounds need the network"
    assert "give --" in capsys.readouterr().err
    assert main([cnn, "--reference", cnn]) == 3
    assert "has the checkpoint's own weights" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="input size"):
        boundcalc.load(cnn)


def test_a_model_without_an_input_size(cnn, tmp_path, capsys):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def make(): return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))\n"
    )
    assert main([cnn, "--model", f"{tmp_path}/net.py:make", "--format", "json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["checkpoint"]["parameters"] == 828 and "give --input-shape" in tree["skipped"][0]["reason"]


@pytest.mark.parametrize("view", FORMATS)
def test_every_view_takes_it(pruned, view):
    text = boundcalc.analyze(pruned, only=("graphon",)).to(view)
    assert "grouped" in text and "NaN" not in text


def test_losses_and_prefixes(pruned):
    state = {f"net.{key}": tensor for key, tensor in pruned.items()}
    state["criterion.weight"] = torch.ones(2, 2)
    tree = boundcalc.analyze(state, only=()).to_dict()
    assert [one["key"] for one in tree["network"]["set_aside"]] == ["criterion.weight"]
    tree = boundcalc.analyze(state, only=(), prefix="net").to_dict()
    assert tree["network"]["layers"][0]["name"] == "conv"

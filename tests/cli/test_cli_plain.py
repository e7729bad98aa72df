"""`--save-plain`: any checkpoint as a state dict of weights and masks, which reads back as what it was made of."""

from __future__ import annotations

import json

import conventions
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from boundcalc.checkpoint import read
from boundcalc.cli.main import main

SHAPE = ("--input-shape", "12")


def report(capsys, *words):
    assert main([*map(str, words), "--only", "samples", "--format", "json", "--quiet"]) in {0, 1}
    return json.loads(capsys.readouterr().out)


def refused(capsys, *words):
    assert main(list(map(str, words))) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    network = conventions.seeded(conventions.MLP)
    folder = tmp_path_factory.mktemp("written")
    return conventions.write_all(network, folder, conventions.random_masks(network))


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_every_convention_becomes_a_plain_file_that_reads_the_same(written, tmp_path, capsys, ending):
    for name, path in written.items():
        target = tmp_path / f"{name}.{ending}"
        before = report(capsys, path, *SHAPE, "--save-plain", target)
        after = report(capsys, target, *SHAPE)
        for key in ("parameters", "surviving", "density", "biases", "mask"):
            assert after["checkpoint"][key] == before["checkpoint"][key], (name, key)
        # A plain file has no initialization beside it.
        unlike = {"at_reference": None}
        assert after["network"]["layers"] == [layer | unlike for layer in before["network"]["layers"]]
        first, second = read(path), read(target)
        assert second.ordered and set(second.tensors) == set(first.tensors)
        assert not first.ordered or list(second.tensors) == list(first.tensors), name
        assert all(torch.equal(second.tensors[key], tensor) for key, tensor in first.tensors.items())
        assert first.masks.keys() == second.masks.keys()
        assert all(torch.equal(second.masks[key], mask) for key, mask in first.masks.items())


def test_a_kept_weight_that_is_zero_stays_kept(tmp_path, capsys):
    state = {"fc1.weight": torch.ones(4, 3), "fc2.weight": torch.zeros(2, 4)}
    masks = {"fc1": torch.tensor([[1, 0, 1]]).expand(4, 3).clone(), "fc2": torch.ones(2, 4)}
    masks["fc2"][0, 0] = 0
    torch.save({"state_dict": state, "masks": masks}, tmp_path / "m.pt")
    target = tmp_path / "plain.safetensors"
    before = report(capsys, tmp_path / "m.pt", "--save-plain", target)
    after = report(capsys, target)
    assert before["checkpoint"]["surviving"] == after["checkpoint"]["surviving"] == 8
    kept = read(target).masks
    assert int(kept["fc1.weight"].sum()) == 8 and int(kept["fc2.weight"].sum()) == 7
    assert after["checkpoint"]["mask"] == "declared"


def test_other_tools_read_it(tmp_path, capsys):
    network = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)).eval()
    torch.nn.utils.prune.random_unstructured(network[0], "weight", 0.5)
    torch.save({"model": network.state_dict()}, tmp_path / "m.pt")
    x = torch.randn(5, 12)
    expected = network(x)
    for target in (tmp_path / "plain.pt", tmp_path / "plain.safetensors"):
        assert main([str(tmp_path / "m.pt"), "--only", "graphon", "--save-plain", str(target)]) == 0
        state = torch.load(target, weights_only=True) if target.suffix == ".pt" else load_file(target)
        assert state["0.weight_mask"].dtype is torch.bool
        plain = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)).eval()
        outcome = plain.load_state_dict(state, strict=False)
        assert outcome.unexpected_keys == ["0.weight_mask"] and not outcome.missing_keys
        assert torch.equal(plain(x), expected)
    capsys.readouterr()


def test_masks_given_apart_and_one_of_several_networks(tmp_path, capsys):
    state = {"fc1.weight": torch.ones(4, 3), "fc2.weight": torch.ones(2, 4)}
    torch.save(state, tmp_path / "m.pt")
    np.savez(tmp_path / "given.npz", fc1=np.eye(4, 3), fc2=np.eye(2, 4))
    target = tmp_path / "plain.pt"
    report(capsys, tmp_path / "m.pt", "--mask", tmp_path / "given.npz", "--save-plain", target)
    assert report(capsys, target)["checkpoint"]["surviving"] == 5
    torch.save({"student": {k: v * 0 + 2 for k, v in state.items()}, "teacher": state}, tmp_path / "two.pt")
    report(capsys, tmp_path / "two.pt", "--prefix", "student", "--save-plain", target)
    assert torch.equal(torch.load(target)["fc1.weight"], torch.full((4, 3), 2.0))


def test_a_network_whose_architecture_is_not_known_is_saved_too(tmp_path, capsys):
    network = conventions.seeded(conventions.CNN)
    torch.save(network.state_dict(), tmp_path / "m.pt")
    target = tmp_path / "plain.safetensors"
    before = report(capsys, tmp_path / "m.pt", "--save-plain", target)
    assert before["network"]["unplaced"]
    assert report(capsys, target)["network"]["layers"] == before["network"]["layers"]


def test_what_is_read_is_never_overwritten(tmp_path, capsys):
    state = {"fc1.weight": torch.ones(4, 3), "fc2.weight": torch.ones(2, 4)}
    for name in ("m.pt", "start.pt"):
        torch.save(state, tmp_path / name)
    torch.save({"fc1": torch.ones(4, 3), "fc2": torch.ones(2, 4)}, tmp_path / "given.pt")
    (tmp_path / "link.pt").symlink_to(tmp_path / "m.pt")
    words = (tmp_path / "m.pt", "--mask", tmp_path / "given.pt", "--reference", tmp_path / "start.pt")
    contents = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for name in ("m.pt", "link.pt", "given.pt", "start.pt"):
        assert "which the analysis reads; name another file" in refused(
            capsys, *words, "--save-plain", tmp_path / name
        )
    folder = tmp_path / "folder"
    folder.mkdir()
    torch.save(state, folder / "pytorch_model.pt")
    line = refused(capsys, folder, "--save-plain", folder / "pytorch_model.pt")
    assert "which the analysis reads" in line
    assert all(path.read_bytes() == content for path, content in contents.items())


def test_places_that_cannot_be_written(tmp_path, capsys):
    torch.save({"fc1.weight": torch.ones(4, 3)}, tmp_path / "m.pt")
    assert "ends in .pt, .pth, .safetensors" in refused(
        capsys, tmp_path / "m.pt", "--save-plain", tmp_path / "x.npz"
    )
    assert "no such folder" in refused(capsys, tmp_path / "m.pt", "--save-plain", tmp_path / "no" / "x.pt")
    target = tmp_path / "x.pt"
    torch.save({"fc1.weight": torch.full((4, 3), torch.nan)}, tmp_path / "m.pt")
    assert main([str(tmp_path / "m.pt"), "--save-plain", str(target)]) == 3
    assert not target.exists(), "nothing is written of what is refused"
    capsys.readouterr()


def test_an_order_that_is_not_known_is_not_made_up(tmp_path, capsys):
    save_file({f"{name}.weight": torch.randn(5, 5) for name in "abc"}, tmp_path / "m.safetensors")
    target = tmp_path / "plain.safetensors"
    before = report(capsys, tmp_path / "m.safetensors", "--save-plain", target)
    assert "two readings are possible" in before["network"]["unplaced"]
    assert "two readings are possible" in report(capsys, target)["network"]["unplaced"]
    line = refused(capsys, tmp_path / "m.safetensors", "--save-plain", tmp_path / "plain.pt", "--quiet")
    assert "name a file that ends in .safetensors" in line and not (tmp_path / "plain.pt").exists()

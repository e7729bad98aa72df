"""Masks: in the state dict, beside it, and in a file apart."""

from __future__ import annotations

import conventions
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from boundcalc.checkpoint import read
from boundcalc.errors import CheckpointError

WEIGHT = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
MASK = torch.tensor([[1, 0, 1], [0, 1, 1]])


def refusal(tmp_path, content, mask=None):
    torch.save(content, tmp_path / "model.pt")
    if mask is not None:
        torch.save(mask, tmp_path / "mask.pt")
    with pytest.raises(CheckpointError) as caught:
        read(tmp_path / "model.pt", mask=None if mask is None else tmp_path / "mask.pt")
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "suffixes", [("weight_orig", "weight_mask"), ("weight", "weight_mask"), ("weight", "mask")]
)
def test_masks_that_are_none(tmp_path, suffixes):
    weight, mask = (f"fc1.{suffix}" for suffix in suffixes)
    for wrong, word in (
        (MASK * 0.5, "other than 0 and 1"),
        (MASK * float("nan"), "other than 0 and 1"),
        (MASK[:, :2], "shape (2, 2)"),
        (MASK.T, "shape (3, 2)"),
        (torch.tensor(1), "shape ()"),
    ):
        message = refusal(tmp_path, {weight: WEIGHT, mask: wrong})
        assert "fc1.weight" in message
        assert word in message


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("suffix", ["weight_orig", "weight"])
def test_pruned_infinity_is_refused_as_pytorch_makes_it_nan(tmp_path, suffix, value):
    weight = WEIGHT.clone()
    weight[0, 1] = value
    message = refusal(tmp_path, {f"fc1.{suffix}": weight, "fc1.weight_mask": MASK})
    assert f"fc1.{suffix}" in message
    assert "infinite or NaN" in message


def test_a_mask_without_a_tensor(tmp_path):
    assert "fc2.weight_mask" in refusal(tmp_path, {"fc1.weight": WEIGHT, "fc2.weight_mask": MASK})


def test_both_orig_and_plain(tmp_path):
    content = {"fc1.weight": WEIGHT, "fc1.weight_orig": WEIGHT, "fc1.weight_mask": MASK}
    assert "fc1.weight is in the file, and so are the keys" in refusal(tmp_path, content)


def test_structured_pruning_and_biases(tmp_path):
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1))
    prune.ln_structured(network[0], "weight", 0.5, n=2, dim=0)
    prune.random_unstructured(network[0], "bias", 2)
    torch.save(network.state_dict(), tmp_path / "m.pt")
    checkpoint = read(tmp_path / "m.pt")
    assert torch.equal(checkpoint.tensors["0.weight"], network[0].weight.detach())
    assert torch.equal(checkpoint.tensors["0.bias"], network[0].bias.detach())
    assert int(checkpoint.masks["0.bias"].sum()) == 2
    assert any("2.weight" in sentence and "dense" in sentence for sentence in checkpoint.evidence)


def test_masks_of_other_kinds_stay_tensors(tmp_path):
    torch.save({"fc.weight": WEIGHT, "attn.causal_mask": torch.ones(3, 3)}, tmp_path / "m.pt")
    assert "attn.causal_mask" in read(tmp_path / "m.pt").tensors


NAMES = ["fc1.weight", "fc1", "fc1.weight_mask", "fc1.mask", "module.fc1.weight", "_orig_mod.fc1.weight_mask"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shell", [None, "mask", "state_dict"])
def test_mask_file_under_any_name(tmp_path, name, shell):
    torch.save({"fc1.weight": WEIGHT, "fc1.bias": torch.ones(2)}, tmp_path / "m.pt")
    torch.save({name: MASK} if shell is None else {shell: {name: MASK}}, tmp_path / "mask.pt")
    checkpoint = read(tmp_path / "m.pt", mask=tmp_path / "mask.pt")
    assert torch.equal(checkpoint.tensors["fc1.weight"], WEIGHT * MASK)
    assert torch.equal(checkpoint.raw["fc1.weight"], WEIGHT * MASK)
    assert torch.equal(checkpoint.masks["fc1.weight"], MASK.bool())
    assert checkpoint.format == "mask-file"
    assert any("mask.pt" in sentence for sentence in checkpoint.evidence)


@pytest.mark.parametrize(
    "name", ["prune-live", "synaptic-flow", "ramanujan-on-pai", "safetensors", "parametrizations"]
)
def test_a_whole_state_dict_gives_its_masks(name, mlp, written_mlp, tmp_path):
    torch.save(mlp[0].state_dict(), tmp_path / "dense.pt")
    checkpoint = read(tmp_path / "dense.pt", mask=written_mlp[name])
    for key, tensor in conventions.truth(*mlp).items():
        assert torch.equal(checkpoint.tensors[key], tensor)


def test_mask_file_on_wrapped_and_pruned_weights(mlp, tmp_path):
    network, masks = mlp
    further = conventions.random_masks(network, seed=7)
    torch.save(
        nn.DataParallel(conventions.pruned(conventions.seeded(conventions.MLP), masks)).state_dict(),
        tmp_path / "m.pt",
    )
    torch.save({f"module.{key}": mask for key, mask in further.items()}, tmp_path / "mask.pt")
    checkpoint = read(tmp_path / "m.pt", mask=tmp_path / "mask.pt")
    both = {key: mask & further[key] for key, mask in masks.items()}
    assert all(torch.equal(checkpoint.masks[key], mask) for key, mask in both.items())
    assert torch.equal(checkpoint.tensors["fc2.weight"], conventions.truth(network, both)["fc2.weight"])


def test_mask_files_that_do_not_fit(tmp_path):
    content = {"fc1.weight": WEIGHT}
    assert "fc9 belongs to no layer" in refusal(tmp_path, content, {"fc9": MASK})
    assert "fc1, for fc1.weight, has shape (3, 2)" in refusal(tmp_path, content, {"fc1": MASK.T})
    assert "other than 0 and 1" in refusal(tmp_path, content, {"fc1.weight": WEIGHT})
    assert "one of two masks for fc1.weight" in refusal(
        tmp_path, content, {"fc1.weight_mask": MASK, "fc1.weight.mask": MASK}
    )
    assert "no masks" in refusal(tmp_path, content, {"steps": torch.tensor(1)})
    assert "no tensors" in refusal(tmp_path, content, {})


def test_missing_mask_file(tmp_path):
    torch.save({"fc1.weight": WEIGHT}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"nowhere\.pt: no such file"):
        read(tmp_path / "m.pt", mask=tmp_path / "nowhere.pt")


def test_mask_file_with_code(tmp_path, touch):
    torch.save({"fc1.weight": WEIGHT}, tmp_path / "m.pt")
    torch.save({"fc1.weight": touch}, tmp_path / "mask.pt")
    with pytest.raises(CheckpointError, match="to be executed"):
        read(tmp_path / "m.pt", mask=tmp_path / "mask.pt")

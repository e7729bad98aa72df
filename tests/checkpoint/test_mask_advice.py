"""What refusals say about masks, done to the letter by somebody who trusts the file: the right network comes out."""

from __future__ import annotations

import pickle

import mask_files
import pytest
import torch
from mask_files import RIGHT, Plain, by_weight, dense, masks
from torch import nn

from boundcalc.checkpoint import read
from boundcalc.errors import CheckpointError


def kept(checkpoint):
    return {key: int(mask.sum()) for key, mask in checkpoint.masks.items() if mask.dim() > 1}


def refusal(path, mask=None):
    with pytest.raises(CheckpointError) as caught:
        read(path, mask=mask)
    return str(caught.value)


@pytest.fixture
def folders(tmp_path):
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    return tmp_path / "before", tmp_path / "after"


def network() -> Plain:
    model = Plain()
    model.load_state_dict(dense())
    return model


def test_distiller_with_its_optimizers_class(folders):
    before, after = folders
    content = mask_files.CHECKPOINTS["distiller without optimizer"]() | {"optimizer_type": torch.optim.SGD}
    torch.save(content, before / "full.pth.tar")
    message = refusal(before / "full.pth.tar")
    assert "torch.optim.sgd.SGD" in message
    assert "`compression_sched.masks_dict`" in message
    assert 'torch.save({name of the weight: mask}, "mask.pt") for --mask' in message
    trusted = torch.load(before / "full.pth.tar", weights_only=False)
    torch.save(trusted["state_dict"], after / "model.pt")
    torch.save(trusted["compression_sched"]["masks_dict"], before / "mask.pt")
    assert kept(read(after / "model.pt", mask=before / "mask.pt")) == RIGHT
    torch.save(trusted["compression_sched"]["masks_dict"], after / "mask.pt")
    assert kept(read(after / "model.pt")) == RIGHT, "the name that the advice gives is found beside it"


def test_whole_module_with_masks_by_module(folders):
    before, after = folders
    model = network()
    found = {module: masks()[name] for name, module in model.named_modules() if name in masks()}
    torch.save({"net": model, "mask": found, "ratio": 0.63}, before / "prune.pth.tar")
    message = refusal(before / "prune.pth.tar")
    assert "a whole module" in message
    assert "`mask`" in message
    trusted = torch.load(before / "prune.pth.tar", weights_only=False)
    torch.save(trusted["net"].state_dict(), after / "model.pt")
    names = {module: name for name, module in trusted["net"].named_modules()}
    torch.save({names[module]: mask for module, mask in trusted["mask"].items()}, after / "mask.pt")
    assert kept(read(after / "model.pt")) == RIGHT


def test_whole_module_whose_state_dict_holds_the_masks(folders):
    from torch.nn.utils import prune

    before, after = folders
    model = network()
    for name, mask in masks().items():
        prune.custom_from_mask(model.get_submodule(name), "weight", mask)
    torch.save(model, before / "model.pt")
    message = refusal(before / "model.pt")
    assert 're-save with torch.save(model.state_dict(), "model.pt")' in message
    torch.save(torch.load(before / "model.pt", weights_only=False).state_dict(), after / "model.pt")
    assert kept(read(after / "model.pt")) == RIGHT


def test_pickled_arrays_in_layer_order(folders):
    before, after = folders
    torch.save(dense(), after / "model.pt")
    with (before / "lt_mask_36.5.pkl").open("wb") as file:
        pickle.dump([mask.numpy() for mask in masks().values()], file)
    message = refusal(after / "model.pt", before / "lt_mask_36.5.pkl")
    assert "torch.save(pickle.load(open(FILE" in message
    assert "ndarray.dtype" not in message
    with (before / "lt_mask_36.5.pkl").open("rb") as file:
        torch.save(pickle.load(file), before / "converted.pt")
    assert kept(read(after / "model.pt", mask=before / "converted.pt")) == RIGHT


def test_a_pickle_protocol_that_is_not_read(folders):
    before, after = folders
    content = {"state_dict": dense(), "mask": {layer: mask.numpy() for layer, mask in masks().items()}}
    torch.save(content, before / "model.pt", pickle_protocol=4)
    message = refusal(before / "model.pt")
    assert "pickle protocol 4" in message
    assert "truncated" not in message
    torch.save(torch.load(before / "model.pt", weights_only=False), after / "model.pt")
    assert kept(read(after / "model.pt")) == RIGHT


def test_what_torch_ao_leaves_out_of_the_state_dict(folders):
    before, after = folders
    live = {f"{layer}.parametrizations.weight.original": dense()[f"{layer}.weight"] for layer in masks()}
    live |= {key: value for key, value in dense().items() if key.endswith("bias")}
    torch.save(live, after / "live.pt")
    assert "give the mask with --mask" in refusal(after / "live.pt")
    torch.save(mask_files.MASK_FILES["torch.ao's sparsifier"](), before / "sparsifier.pt")
    assert kept(read(after / "live.pt", mask=before / "sparsifier.pt")) == RIGHT
    rows = {"fc1": torch.arange(16) % 2 == 0, "fc2": torch.arange(10) % 2 == 0}
    structured = {key.replace(".bias", "._bias"): value for key, value in live.items()}
    torch.save(structured, after / "live.pt")
    checkpoint = read(after / "live.pt", mask={**rows, "fc3": torch.ones(4)})
    assert kept(checkpoint) == {"fc1.weight": 160, "fc2.weight": 80, "fc3.weight": 40}
    assert torch.equal(checkpoint.tensors["fc1.bias"] == 0, ~rows["fc1"])


def test_ones_that_are_pruned_are_turned_round(folders):
    before, after = folders
    torch.save(
        {"state_dict": dense(), "prune_mask": {k: 1 - m for k, m in masks().items()}}, after / "model.pt"
    )
    message = refusal(after / "model.pt")
    assert "save it as {name of the weight: tensor}, 1 where a weight is kept" in message
    trusted = torch.load(after / "model.pt")
    torch.save({name: 1 - mask for name, mask in trusted["prune_mask"].items()}, before / "mask.pt")
    checkpoint = read(after / "model.pt", mask=before / "mask.pt")
    assert kept(checkpoint) == RIGHT
    assert any("prune_mask is not applied" in sentence for sentence in checkpoint.evidence)
    trusted.pop("prune_mask")
    torch.save(trusted, after / "model.pt")
    assert not read(after / "model.pt").masks, "without it, it is no mask"


def test_modules_that_know_no_masks_are_told_as_before(tmp_path):
    torch.save(nn.Linear(3, 2), tmp_path / "model.pt")
    assert "for --mask" not in refusal(tmp_path / "model.pt")


def test_by_weight_is_what_every_way_on_asks_for(folders):
    before, after = folders
    torch.save(dense(), after / "model.pt")
    torch.save(by_weight(), before / "given.pt")
    assert kept(read(after / "model.pt", mask=before / "given.pt")) == RIGHT

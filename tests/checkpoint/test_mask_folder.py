"""A file of masks beside a checkpoint: used where it can be for that one only, named otherwise, and never a ticket."""

from __future__ import annotations

import mask_files
import numpy as np
import pytest
import torch
from mask_files import RIGHT, dense, inside, masks

from boundcalc.batch.discover import discover
from boundcalc.batch.keys import key_of, settings_of
from boundcalc.checkpoint import read
from boundcalc.checkpoint.masks.folder import is_mask_file
from boundcalc.errors import CheckpointError
from boundcalc.options import Options


def save(folder, **files):
    for name, content in files.items():
        torch.save(content, folder / f"{name}.pt")
    return folder


def kept(checkpoint):
    return {key: int(mask.sum()) for key, mask in checkpoint.masks.items()}


@pytest.mark.parametrize(
    "name", ["mask", "masks", "model_mask", "model_masks", "model.mask", "pruning_mask", "best-mask", "MASKS"]
)
@pytest.mark.parametrize("place", ["", "model.pt"])
def test_the_masks_beside_are_used(tmp_path, name, place):
    save(tmp_path, model=dense(), **{name: masks()})
    checkpoint = read(tmp_path / place)
    assert kept(checkpoint) == RIGHT
    assert any(f"{name}.pt beside it" in sentence for sentence in checkpoint.evidence)


def test_other_kinds_of_files(tmp_path):
    save(tmp_path, model=dense())
    np.savez(tmp_path / "mask.npz", **{layer: mask.numpy() for layer, mask in masks().items()})
    assert kept(read(tmp_path)) == RIGHT


def test_masks_that_fit_nothing_are_named(tmp_path):
    save(tmp_path, model=dense(), mask={"fc9": masks()["fc1"]})
    with pytest.raises(
        CheckpointError, match=r"mask\.pt: the mask fc9 belongs to no layer.*it is in the folder of .*--mask"
    ):
        read(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    save(elsewhere, given=masks())
    assert kept(read(tmp_path, mask=elsewhere / "given.pt")) == RIGHT


def test_several_files_of_masks_are_named(tmp_path):
    save(tmp_path, model=dense(), mask=masks(), other_mask=masks())
    with pytest.raises(
        CheckpointError, match=r"mask\.pt, other_mask\.pt are in the same folder: say with --mask"
    ):
        read(tmp_path)
    assert kept(read(tmp_path / "model.pt", mask=tmp_path / "mask.pt")) == RIGHT


def test_each_of_several_checkpoints_has_its_own(tmp_path):
    ones = {layer: torch.ones_like(mask) for layer, mask in masks().items()}
    save(tmp_path, a=dense(), a_mask=masks(), b=dense(), b_mask=ones)
    assert kept(read(tmp_path / "a.pt")) == RIGHT
    assert sum(kept(read(tmp_path / "b.pt")).values()) == 520
    assert [path.name for path in discover([tmp_path])] == ["a.pt", "b.pt"]


def test_of_several_checkpoints_one_mask(tmp_path):
    save(tmp_path, epoch1=dense(), epoch2=dense(1), mask=masks())
    assert all(kept(read(tmp_path / name)) == RIGHT for name in ("epoch1.pt", "epoch2.pt"))
    (tmp_path / "mask.pt").rename(tmp_path / "foreign_mask.pt")
    checkpoint = read(tmp_path / "epoch1.pt")
    assert not checkpoint.masks
    assert any("foreign_mask.pt beside it: not used" in sentence for sentence in checkpoint.evidence)


def test_masks_that_contradict_those_of_the_file(tmp_path):
    save(tmp_path, model=inside("weight_mask"), mask={k: 1 - m for k, m in masks().items()})
    with pytest.raises(CheckpointError, match=r"mask\.pt"):
        read(tmp_path / "model.pt")
    save(tmp_path, mask=masks())
    assert kept(read(tmp_path / "model.pt")) == RIGHT


def test_a_checkpoint_that_is_called_like_masks(tmp_path):
    save(tmp_path, pruner_masks=mask_files.CHECKPOINTS["pruner with masks"](), model=dense())
    assert kept(read(tmp_path / "pruner_masks.pt")) == RIGHT
    assert not read(tmp_path / "model.pt").masks
    assert {path.name for path in discover([tmp_path])} == {"pruner_masks.pt", "model.pt"}


@pytest.mark.parametrize(
    "content", [masks, lambda: {k: m.bool() for k, m in masks().items()}, lambda: {"mask": masks()}]
)
def test_masks_alone_are_no_checkpoint(tmp_path, content):
    save(tmp_path, mask=content())
    with pytest.raises(CheckpointError, match=r"mask\.pt: holds masks but no weights: give it with --mask"):
        read(tmp_path / "mask.pt")
    assert [path.name for path in discover([tmp_path])] == ["mask.pt"], "so that it is told, not left out"


def test_results_are_filed_by_the_masks_beside(tmp_path):
    save(tmp_path, model=dense(), mask=masks())
    settings = settings_of(Options())
    first = key_of(tmp_path / "model.pt", settings)
    save(tmp_path, mask={layer: torch.ones_like(mask) for layer, mask in masks().items()})
    second = key_of(tmp_path / "model.pt", settings)
    assert first.sha256 == second.sha256
    assert first.options != second.options


def test_a_folder_of_masks_can_be_given(tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    save(given, any_mask=masks())
    save(tmp_path, model=dense())
    assert kept(read(tmp_path / "model.pt", mask=given)) == RIGHT
    save(given, another_mask=masks())
    with pytest.raises(CheckpointError, match="another_mask.pt, any_mask.pt: name one"):
        read(tmp_path / "model.pt", mask=given)


def test_names(tmp_path):
    yes = ["mask.pt", "masks.npz", "a_mask.pth", "a.mask.pth.tar", "a-masks.safetensors", "Mask.pt"]
    no = [
        "model.pt",
        "masked.pt",
        "mask_rcnn.pt",
        "unmask.pt",
        "mask.txt",
        ".mask.pt",
        "bitmask.pt",
        "mask_1.pt",
    ]
    assert all(is_mask_file(tmp_path / name) for name in yes)
    assert not any(is_mask_file(tmp_path / name) for name in no)

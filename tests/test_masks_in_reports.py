"""Masks in Python and in reports: honoured for paths, modules and tables; what is kept and what is nonzero both told."""

from __future__ import annotations

import json

import mask_files
import numpy as np
import pytest
import torch
from mask_files import RIGHT, Plain, dense, masks
from torch import nn
from torch.nn.utils import prune

import boundcalc
from boundcalc.cli.main import main
from boundcalc.errors import CheckpointError

SMALL = (
    {"only": ("topology",)} if "only" in boundcalc.analyze.__code__.co_varnames else {"only": ("topology",)}
)


def module() -> Plain:
    model = Plain()
    model.load_state_dict(dense())
    return model


def surviving(report):
    return {f"{layer['name']}.weight": layer["surviving"] for layer in report.to_dict()["network"]["layers"]}


SUBJECTS = {
    "path": lambda folder: folder / "dense.pt",
    "module": lambda folder: module(),
    "state dict": lambda folder: dense(),
    "table": lambda folder: {"model": dense(), "epoch": 3},
}
GIVEN = {
    "path": lambda folder: folder / "given.pt",
    "text": lambda folder: str(folder / "given.pt"),
    "table": lambda folder: masks(),
    "arrays": lambda folder: {layer: mask.numpy().astype(np.uint8) for layer, mask in masks().items()},
    "list": lambda folder: list(masks().values()),
}


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("given", GIVEN)
def test_masks_are_honoured(tmp_path, subject, given):
    torch.save(dense(), tmp_path / "dense.pt")
    torch.save(masks(), tmp_path / "given.pt")
    report = boundcalc.analyze(
        SUBJECTS[subject](tmp_path), mask=GIVEN[given](tmp_path), input_shape=(20,), **SMALL
    )
    assert surviving(report) == RIGHT
    network = boundcalc.load(SUBJECTS[subject](tmp_path), mask=GIVEN[given](tmp_path), input_shape=(20,))
    assert {f"{layer.name}.weight": layer.kept for layer in network.layers()} == RIGHT


def test_masks_that_fit_nothing_are_refused_in_python():
    with pytest.raises(CheckpointError, match=r"mask=: the mask fc9 belongs to no layer"):
        boundcalc.analyze(module(), mask={"fc9": torch.ones(2, 2)}, input_shape=(20,), **SMALL)


def test_further_masks_of_a_module_that_is_pruned_live():
    model = module()
    for name, mask in masks().items():
        prune.custom_from_mask(model.get_submodule(name), "weight", mask)
    first_rows = {name: torch.zeros_like(mask) for name, mask in masks().items()}
    for mask in first_rows.values():
        mask[0] = 1
    network = boundcalc.load(model, mask=first_rows, input_shape=(20,))
    for layer in network.layers():
        both = (masks()[layer.name] * first_rows[layer.name]).bool().reshape(layer.weight.shape)
        assert torch.equal(layer.weight != 0, both)


def test_a_model_whose_own_buffers_are_the_masks(tmp_path):
    class Masked(nn.Linear):
        def __init__(self, width, out):
            super().__init__(width, out)
            self.register_buffer("_weight_mask", torch.ones(out, width).bool())

        def forward(self, x):
            return nn.functional.linear(x, self.weight * self._weight_mask, self.bias)

    model = Plain()
    for name, (out, width) in mask_files.LAYERS.items():
        setattr(model, name, Masked(width, out))
    torch.save(mask_files.inside("_weight_mask", torch.bool), tmp_path / "model.pt")
    network = boundcalc.load(tmp_path / "model.pt", model, (20,))
    assert {f"{layer.name}.weight": layer.kept for layer in network.layers()} == RIGHT
    assert all(layer.declared is not None for layer in network.layers())


def test_a_layer_that_starts_at_zero_is_not_collapsed(tmp_path, capsys):
    model = module()
    model.fc3.weight.data.zero_()
    for name, mask in masks().items():
        prune.custom_from_mask(model.get_submodule(name), "weight", mask)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    words = [str(tmp_path / "model.pt"), "--input-shape", "20", "--only", "topology,samples,graphon"]
    assert main([*words, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["checkpoint"]["kept"] == 190
    assert report["checkpoint"]["surviving"] == 160
    assert [(layer["kept"], layer["surviving"]) for layer in report["network"]["layers"]] == [
        (96, 96),
        (64, 64),
        (30, 0),
    ]
    assert not report["topology"]["layers"][2]["collapsed"]
    assert report["topology"]["layers"][2]["delta_r"] is not None
    assert report["graphon"]["layers"][2]["density"] == pytest.approx(30 / 40)
    assert main(words) == 0
    printed = capsys.readouterr()
    assert "190, of which 160 are not 0" in printed.out
    assert "kept" in printed.out
    assert "keeps no weight" not in printed.err


def test_kept_is_told_only_where_it_differs(tmp_path, capsys):
    torch.save(mask_files.zeroed(), tmp_path / "model.pt")
    assert main([str(tmp_path / "model.pt"), "--input-shape", "20", "--only", "topology"]) == 0
    assert "kept by the masks" not in capsys.readouterr().out

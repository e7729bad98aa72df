"""The Python door: names of the command line, what people hold, and errors that name the nearest word."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import boundcalc
from boundcalc.errors import CheckpointError, UsageError
from boundcalc.options import Options


@pytest.fixture(scope="module")
def state():
    generator = torch.Generator().manual_seed(0)
    found = {
        "fc1.weight": torch.randn(6, 12, generator=generator),
        "fc2.weight": torch.randn(3, 6, generator=generator),
    }
    found["fc1.weight"][:, ::2] = 0
    return found


@pytest.fixture(scope="module")
def start(state):
    generator = torch.Generator().manual_seed(1)
    return {key: torch.randn(tensor.shape, generator=generator) for key, tensor in state.items()}


@pytest.fixture(scope="module")
def held():
    random = np.random.default_rng(0)
    x, y = random.random((60, 12)), random.integers(0, 3, 60)
    return TensorDataset(torch.from_numpy(x), torch.from_numpy(y))


def mlp(state):
    module = nn.Sequential()
    module.add_module("fc1", nn.Linear(12, 6, bias=False))
    module.add_module("relu", nn.ReLU())
    module.add_module("fc2", nn.Linear(6, 3, bias=False))
    module.load_state_dict(state)
    return module.eval()


def test_the_signature_has_every_option_with_its_default():
    named = inspect.signature(boundcalc.analyze).parameters
    for option in fields(Options):
        if option.name != "further":
            assert named[option.name].default == option.default, option.name
            assert f"        {option.name}: " in boundcalc.analyze.__doc__, option.name


def test_help_tells_all_of_it():
    done = subprocess.run(
        [sys.executable, "-c", "import boundcalc; help(boundcalc.analyze)"],
        capture_output=True,
        text=True,
        check=True,
    )
    for word in ("DataLoader", "reference:", "state dict", "only:", "Returns:", "Raises:", "-> 'Report'"):
        assert word in done.stdout


@pytest.mark.parametrize("function", [boundcalc.analyze, boundcalc.compare])
def test_an_unknown_keyword_names_the_nearest(function, state):
    with pytest.raises(TypeError, match="unexpected keyword argument 'refrence'; did you mean reference"):
        function(state, state, refrence="x")
    with pytest.raises(TypeError, match="help"):
        function(state, state, qqqq=1)


def test_the_former_name_of_only_is_taken_with_a_warning(state):
    with pytest.warns(DeprecationWarning, match="the keyword parts= was renamed: use only="):
        report = boundcalc.analyze(state, parts=("samples",))
    assert report.to_dict()["topology"] is None
    with pytest.raises(UsageError, match=r"unknown part 'bound'; did you mean bounds\?"):
        boundcalc.analyze(state, only="bound")


def test_a_loader_counts_every_sample(state, held):
    options = {"only": ("bounds", "empirical"), "passes": 0}
    plain = boundcalc.analyze(state, data=held, **options).to_dict()
    loader = DataLoader(held, batch_size=7, shuffle=True, drop_last=True)
    report = boundcalc.analyze(mlp(state), data=(loader, held), **options).to_dict()
    assert report["data"]["m"] == plain["data"]["m"] == 60
    assert report["data"]["m_test"] == 60 and report["data"]["name"] == "TensorDataset of a DataLoader"
    assert report["empirical"]["train_error"] == plain["empirical"]["train_error"]
    assert report["bounds"]["peeling"]["value"] == pytest.approx(plain["bounds"]["peeling"]["value"])


def test_a_reference_is_a_path_a_module_or_a_state_dict(state, start, tmp_path):
    torch.save(start, tmp_path / "start.pt")
    found = [
        boundcalc.analyze(state, reference=given, only="bounds", samples=100, input_bound=1.0).to_dict()
        for given in (tmp_path / "start.pt", mlp(start), start)
    ]
    assert len({report["bounds"]["gouk2021_fro"]["value"] for report in found}) == 1
    assert [report["checkpoint"]["reference"]["path"] for report in found[1:]] == [
        "Sequential",
        "reference state dict",
    ]


def test_rewinding_is_told_by_the_share_of_survivors_at_the_start(state, start):
    mask = {key: tensor != 0 for key, tensor in state.items()}
    rewound = {key: start[key] * mask[key] for key in state}
    report = boundcalc.analyze(rewound, reference=start, only="samples").to_dict()
    assert report["checkpoint"]["at_reference"] == 1
    half = {**rewound, "fc2.weight": state["fc2.weight"]}
    report = boundcalc.analyze(half, reference=start, only="samples").to_dict()
    assert [layer["at_reference"] for layer in report["network"]["layers"]] == [1, 0]
    assert report["checkpoint"]["at_reference"] == pytest.approx(36 / 54)
    with pytest.raises(CheckpointError, match="the checkpoint's own weights"):
        boundcalc.analyze(rewound, reference=start, samples=10, input_bound=1.0)


def test_masks_are_a_dict_or_a_file(start, tmp_path):
    masks = {"fc1": torch.rand(6, 12, generator=torch.Generator().manual_seed(2)) < 0.3}
    torch.save(masks, tmp_path / "masks.pt")
    for mask in (masks, tmp_path / "masks.pt"):
        (layer, _) = boundcalc.analyze(start, mask=mask, only="samples").to_dict()["network"]["layers"]
        assert layer["kept"] == int(masks["fc1"].sum())


def test_a_dense_network_has_no_mask(start):
    assert (
        boundcalc.analyze(start, only=()).to_dict()["checkpoint"]["mask"]
        == "no mask found: the network is dense"
    )

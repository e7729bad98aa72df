"""Wrappers, nesting and the choice between several state dicts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from boundcalc.checkpoint import formats, read
from boundcalc.errors import CheckpointError
from boundcalc.network.load import from_checkpoint


def keys(tmp_path, content):
    torch.save(content, tmp_path / "m.pt")
    return set(read(tmp_path / "m.pt").tensors)


def with_prefix(prefix, names=("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")):
    return {prefix + name: torch.ones(2, 2) if "weight" in name else torch.ones(2) for name in names}


PLAIN = {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "module.module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "_fsdp_wrapped_module.",
        "_forward_module.",
        "_forward_module.module.",
        "_forward_module._orig_mod.",
    ],
)
def test_prefixes_are_cut(tmp_path, prefix):
    assert keys(tmp_path, with_prefix(prefix)) == PLAIN


def test_inner_compiled_module(tmp_path):
    assert keys(
        tmp_path, {"body._orig_mod.fc1.weight": torch.ones(2, 2), "head.weight": torch.ones(2, 2)}
    ) == {
        "body.fc1.weight",
        "head.weight",
    }


def test_a_layer_that_is_called_module(tmp_path):
    assert keys(tmp_path, with_prefix("module.", ("weight", "bias"))) == {"module.weight", "module.bias"}
    mixed = with_prefix("module.", ("weight", "bias")) | with_prefix("", ("fc.weight",))
    assert keys(tmp_path, mixed) == {"module.weight", "module.bias", "fc.weight"}
    pruned = {"module.weight_orig": torch.ones(2, 2), "module.weight_mask": torch.ones(2, 2)}
    assert keys(tmp_path, pruned) == {"module.weight"}
    parametrized = {
        "module.parametrizations.weight.original": torch.ones(2, 2),
        "module.parametrizations.weight.0.mask": torch.ones(2, 2),
    }
    assert keys(tmp_path, parametrized) == {"module.weight"}


def test_one_bare_layer(tmp_path):
    assert keys(tmp_path, nn.Linear(3, 2).state_dict()) == {"weight", "bias"}


def test_average_of_a_wrapped_network(tmp_path):
    averaged = torch.optim.swa_utils.AveragedModel(
        nn.DataParallel(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)))
    )
    assert keys(tmp_path, averaged.state_dict()) == {"0.weight", "0.bias", "1.weight", "1.bias"}


@pytest.mark.parametrize(
    "name", ["state_dict", "model_state_dict", "model", "net", "weights", "ema", "generator"]
)
def test_nested(tmp_path, name):
    assert (
        keys(
            tmp_path,
            {name: with_prefix("module."), "epoch": 3, "loss": torch.tensor(0.1)}
            if name != "generator"
            else {name: with_prefix("")},
        )
        == PLAIN
    )


def test_nested_twice(tmp_path):
    assert keys(tmp_path, {"model": {"state_dict": with_prefix("")}, "epoch": 1}) == PLAIN


def test_of_several_candidates_the_evidence_tells_which(tmp_path):
    torch.save(
        {"ema": with_prefix("", ("a.weight",)), "state_dict": with_prefix(""), "epoch": 1}, tmp_path / "m.pt"
    )
    checkpoint = read(tmp_path / "m.pt")
    assert set(checkpoint.tensors) == PLAIN
    assert checkpoint.evidence[0] == "state dict under the key state_dict; ema not read"


def test_of_several_unknown_candidates_one_has_to_be_chosen(tmp_path):
    torch.save({"generator": with_prefix(""), "critic": with_prefix(""), "epoch": 1}, tmp_path / "m.pt")
    checkpoint = read(tmp_path / "m.pt")
    assert set(checkpoint.tensors) == set(with_prefix("generator.") | with_prefix("critic."))
    with pytest.raises(CheckpointError, match="generator, critic: choose one with --prefix"):
        from_checkpoint(checkpoint)


def test_lightning_prefix_is_only_cut_when_common(tmp_path):
    shell = {"pytorch-lightning_version": "2.0", "state_dict": {}}
    assert keys(tmp_path, shell | {"state_dict": with_prefix("model.net.")}) == PLAIN
    two = with_prefix("encoder.") | with_prefix("head.", ("weight",))
    assert keys(tmp_path, shell | {"state_dict": two}) == set(two)
    assert keys(tmp_path, shell | {"state_dict": with_prefix("fc.", ("weight", "bias"))}) == {
        "fc.weight",
        "fc.bias",
    }
    assert keys(tmp_path, {"state_dict": with_prefix("model.")}) == set(with_prefix("model."))


def test_lightning_with_reparametrised_weights(tmp_path):
    state = {
        "model.fc1.weight_g": torch.tensor(2.0),
        "model.fc1.weight_v": torch.eye(2),
        "model.fc2.weight": torch.eye(2),
    }
    assert keys(tmp_path, {"hyper_parameters": {}, "state_dict": state}) == {"fc1.weight", "fc2.weight"}


def test_formats_needs_no_torch():
    import subprocess
    import sys

    code = "import sys, boundcalc.checkpoint as c; c.formats(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(len(row) == 4 and all(row) for row in formats())

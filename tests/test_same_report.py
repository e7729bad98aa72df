"""One network written in every convention gives one report."""

from __future__ import annotations

import conventions
import pytest
import torch

import boundcalc

NOT_THE_NETWORK = ("path", "sha256", "format", "evidence", "mask", "ignored", "tensors", "reference")


def stripped(report):
    tree = report.to_dict()
    for key in NOT_THE_NETWORK:
        del tree["checkpoint"][key]
    del (
        tree["seconds"],
        tree["network"]["source"],
        tree["network"]["inferred"],
        tree["network"]["assumptions"],
        tree["network"]["input_shape"],
    )
    return tree


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    network = conventions.seeded(conventions.MLP)
    masks = conventions.random_masks(network)
    return conventions.write_all(network, tmp_path_factory.mktemp("mlp"), masks, torch.ones(2, 12))


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    network = conventions.seeded(conventions.CNN)
    masks = conventions.random_masks(network)
    return conventions.write_all(network, tmp_path_factory.mktemp("cnn"), masks, torch.ones(2, 1, 8, 8))


CNN_OPTIONS = {"samples": 500, "input_bound": 1.0, "input_shape": (1, 8, 8)}


@pytest.fixture(scope="module")
def exported(cnn):
    """The report of the archive of torch.export."""
    return stripped(boundcalc.analyze(cnn["pt2"], **CNN_OPTIONS))


def same(one, other, close, logarithm=False):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key], close, key.startswith("log10"))
    elif isinstance(one, list):
        for left, right in zip(one, other, strict=True):
            same(left, right, close, logarithm)
    elif isinstance(one, float) and close:
        # A logarithm of a number near 1 is near 0: what is close is the number, so its logarithm to within 1e-4 in all.
        assert one == pytest.approx(other, rel=1e-4, abs=1e-4 if logarithm else None)
    else:
        assert one == other


def test_inferred_networks(mlp):
    options, expected = {"samples": 500, "input_bound": 1.0}, {}
    for name, path in mlp.items():
        report = boundcalc.analyze(path, **options)
        reference = report.to_dict()["checkpoint"]["reference"]
        given = None if reference is None else reference["path"]
        if given not in expected:
            expected[given] = stripped(boundcalc.analyze(mlp["prune-live"], reference=given, **options))
        same(stripped(report), expected[given], name.startswith("approx-"))


@pytest.mark.parametrize(
    "name",
    [
        "prune-live",
        "dense-zeros-inferred",
        "synaptic-flow",
        "approx-weight-norm-pruned",
        "safetensors",
        "pt2-old",
    ],
)
def test_captured_networks(cnn, exported, name):
    assert exported["bounds"]["golowich2018_fro"]["status"] == "theorem"
    model = None if name.startswith("pt2") else conventions.seeded(conventions.CNN)
    report = boundcalc.analyze(cnn[name], model=model, **CNN_OPTIONS)
    same(stripped(report), exported, name.startswith("approx-"))


def test_a_live_module_is_its_own_checkpoint(exported):
    network = conventions.seeded(conventions.CNN)
    masked = conventions.pruned(network, conventions.random_masks(network))
    masked.train()
    before = {key: tensor.clone() for key, tensor in masked.state_dict().items()}
    report = boundcalc.analyze(masked, **CNN_OPTIONS)
    assert masked.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in masked.state_dict().items())
    same(stripped(report), exported, False)
    assert report.to_dict()["checkpoint"]["mask"] == "declared"

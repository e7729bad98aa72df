"""One network, every convention: the same tensors and masks."""

from __future__ import annotations

import conventions
import pytest
import torch

from boundcalc.checkpoint import formats, read

NAMES = [*conventions._SAVERS, "pt2", "pt2-inferred", "pt2-old"]
FORMATS = {
    "prune-live-legacy": "prune-live",
    "dense-zeros-inferred": "dense-zeros",
    "ramanujan-on-pai": "prune-live",
    "data-parallel": "prune-live",
    "averaged-inferred": "dense-zeros",
    "compiled": "prune-live",
    "lightning-inferred": "lightning",
    "approx-galanti-inferred": "galanti",
    "approx-weight-norm-inferred": "weight-norm",
    "approx-weight-norm-pruned": "prune-live",
    "approx-parametrized-weight-norm": "parametrizations",
    "approx-spectral-norm-inferred": "spectral-norm",
    "approx-parametrized-spectral-inferred": "parametrizations",
    "safetensors": "prune-live",
    "safetensors-shards": "prune-live",
    "pt2-inferred": "pt2",
    "pt2-old": "pt2",
}


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("name", NAMES)
def test_every_convention_reads_the_same(kind, name, request):
    network, masks = request.getfixturevalue(kind)
    checkpoint = read(request.getfixturevalue(f"written_{kind}")[name])
    expected = conventions.truth(network, masks)
    assert set(checkpoint.tensors) == set(expected)
    for key, tensor in expected.items():
        if name.startswith("approx-"):
            torch.testing.assert_close(checkpoint.tensors[key], tensor, rtol=1e-6, atol=1e-6)
            assert torch.equal(checkpoint.tensors[key] != 0, tensor != 0)
        else:
            assert torch.equal(checkpoint.tensors[key], tensor), key
    assert_masks(checkpoint, masks, name.endswith("-inferred"))
    assert checkpoint.format == FORMATS.get(name, name)
    assert checkpoint.format in {row[0] for row in formats()}


def assert_masks(checkpoint, masks, inferred):
    if inferred:
        assert not checkpoint.masks
        assert any("mask inferred from exact zeros of" in sentence for sentence in checkpoint.evidence)
        return
    for key, mask in masks.items():
        assert checkpoint.masks[key].dtype is torch.bool
        assert torch.equal(checkpoint.masks[key], mask)
    assert not any("inferred" in sentence for sentence in checkpoint.evidence)


@pytest.mark.parametrize("name", NAMES)
def test_order_is_that_of_the_layers_or_said_not_to_be(name, mlp, written_mlp):
    checkpoint = read(written_mlp[name])
    assert checkpoint.ordered == ("safetensors" not in name)
    if checkpoint.ordered and checkpoint.program is None:
        layers = list(dict.fromkeys(key.rpartition(".")[0] for key in checkpoint.tensors))
        assert layers == ["fc1", "fc2", "fc3"]


@pytest.mark.parametrize(
    "name", ["prune-live", "data-parallel", "compiled", "ramanujan-on-pai", "safetensors"]
)
def test_raw_loads_into_the_model_that_was_saved(name, cnn, written_cnn):
    model = conventions.pruned(conventions.seeded(conventions.CNN, seed=5), cnn[1])
    model.load_state_dict(read(written_cnn[name]).raw, strict=True)
    expected = conventions.zeroed(conventions.seeded(conventions.CNN), cnn[1])
    image = torch.ones(1, 1, 8, 8)
    torch.testing.assert_close(model.eval()(image), expected(image))


def test_raw_of_lightning_has_the_names_of_the_network(written_cnn):
    conventions.CNN().load_state_dict(read(written_cnn["lightning-inferred"]).raw, strict=True)


def test_counters_and_metrics_are_ignored_by_name(written_cnn):
    assert "bn1.num_batches_tracked" in read(written_cnn["prune-live"]).ignored
    ignored = read(written_cnn["lightning-inferred"]).ignored
    assert {"hyper_parameters", "epoch", "train_acc.correct", "val_acc.tp", "loss.mean"} <= set(ignored)
    assert "n_averaged" in read(written_cnn["averaged-inferred"]).ignored

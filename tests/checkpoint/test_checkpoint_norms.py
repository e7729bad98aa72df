"""weight_norm, spectral_norm and parametrizations against what the live modules compute in eval mode."""

from __future__ import annotations

import warnings

import pytest
import torch
from conventions import Masking
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from boundcalc.checkpoint import read
from boundcalc.errors import CheckpointError

LAYERS = {
    "linear": lambda: nn.Linear(7, 5),
    "square": lambda: nn.Linear(6, 6),
    "conv": lambda: nn.Conv2d(3, 4, 3),
    "conv1d": lambda: nn.Conv1d(4, 4, 3),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3),
    "transposed square": lambda: nn.ConvTranspose2d(5, 5, 2),
    "one filter": lambda: nn.Linear(7, 1),
}


def quietly(wrap, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wrap(*args, **kwargs)


def live(layer, inputs=None):
    """The weight that the layer uses in eval mode, after some training steps that move u and v."""
    layer.train()
    inputs = torch.randn(
        2, *(layer.in_features,) if isinstance(layer, nn.Linear) else (layer.in_channels, 5, 5)
    )
    inputs = inputs[..., 0] if isinstance(layer, nn.Conv1d) else inputs
    for _ in range(3):
        layer(inputs)
    layer.eval()(inputs)
    return layer.weight.detach().clone()


def stored(layer, tmp_path):
    torch.save({f"net.0.{key}": value for key, value in layer.state_dict().items()}, tmp_path / "m.pt")
    return tmp_path / "m.pt"


def refusal(path, **options):
    with pytest.raises(CheckpointError) as caught:
        read(path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dim", [0, None, 1])
@pytest.mark.parametrize("wrap", [nn.utils.weight_norm, parametrizations.weight_norm])
def test_weight_norm_to_the_last_bit(name, dim, wrap, tmp_path):
    layer = quietly(wrap, LAYERS[name](), dim=dim)
    for key, parameter in layer.named_parameters():
        if key.endswith(("_g", "original0")):
            nn.init.uniform_(parameter, 0.5, 2)
    assert torch.equal(read(stored(layer, tmp_path)).tensors["net.0.weight"], live(layer))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("wrap", [nn.utils.spectral_norm, parametrizations.spectral_norm])
def test_spectral_norm_to_the_last_bit(name, wrap, tmp_path):
    layer = quietly(wrap, LAYERS[name]())
    expected = live(layer)
    checkpoint = read(stored(layer, tmp_path))
    assert torch.equal(checkpoint.tensors["net.0.weight"], expected)
    assert set(checkpoint.tensors) == {"net.0.weight", "net.0.bias"}


def test_masks_pass_through_norms(tmp_path):
    mask = (torch.rand(5, 7) < 0.5).float()
    mask[2] = 0
    mask[:2, 0] = 1
    mask[3:, 0] = 1
    layer = quietly(nn.utils.spectral_norm, nn.Linear(7, 5))
    prune.custom_from_mask(layer, "weight_orig", mask)
    checkpoint = read(stored(layer, tmp_path))
    assert torch.equal(checkpoint.masks["net.0.weight"], mask.bool())
    assert bool((checkpoint.tensors["net.0.weight"][mask == 0] == 0).all())
    layer = parametrizations.weight_norm(nn.Linear(7, 5))
    prune.custom_from_mask(layer.parametrizations.weight, "original1", mask)
    checkpoint = read(stored(layer, tmp_path))
    assert torch.equal(checkpoint.masks["net.0.weight"], mask.bool())
    expected = torch._weight_norm(
        layer.parametrizations.weight.original1, layer.parametrizations.weight.original0, 0
    )
    assert torch.equal(checkpoint.tensors["net.0.weight"], torch.where(mask.bool(), expected, 0))


def test_filter_of_zeros_has_no_direction(tmp_path):
    layer = quietly(nn.utils.weight_norm, nn.Linear(7, 5))
    layer.weight_v.data[3] = 0
    path = stored(layer, tmp_path)
    assert "net.0.weight_v" in refusal(path)
    assert "(3, 0)" in refusal(path)
    mask = torch.ones(5, 7)
    mask[3, 0] = 0
    torch.save({"net.0": mask}, tmp_path / "mask.pt")
    assert "all zeros" in refusal(path, mask=tmp_path / "mask.pt")
    mask[3] = 0
    torch.save({"net.0": mask}, tmp_path / "mask.pt")
    checkpoint = read(path, mask=tmp_path / "mask.pt")
    assert bool((checkpoint.tensors["net.0.weight"][3] == 0).all())
    assert torch.equal(checkpoint.masks["net.0.weight"], mask.bool())


def test_spectral_norm_of_zeros(tmp_path):
    layer = quietly(nn.utils.spectral_norm, nn.Linear(7, 5))
    layer.weight_orig.data.zero_()
    assert "spectral norm of net.0.weight_orig is 0" in refusal(stored(layer, tmp_path))


def test_parametrizations_one_after_the_other(tmp_path):
    mask = (torch.rand(5, 7) < 0.5).float()
    layer = parametrizations.spectral_norm(nn.Linear(7, 5))
    parametrize.register_parametrization(layer, "weight", Masking(mask))
    expected = live(layer)
    checkpoint = read(stored(layer, tmp_path))
    assert torch.equal(checkpoint.tensors["net.0.weight"], expected)
    assert torch.equal(checkpoint.masks["net.0.weight"], mask.bool())
    layer = nn.Linear(7, 5)
    parametrize.register_parametrization(layer, "weight", Masking(mask))
    parametrize.register_parametrization(layer, "bias", Masking(torch.tensor([1.0, 0, 1, 1, 0])))
    checkpoint = read(stored(layer, tmp_path))
    assert torch.equal(checkpoint.tensors["net.0.bias"], layer.bias.detach())
    assert checkpoint.masks["net.0.bias"].tolist() == [True, False, True, True, False]


def test_unknown_parametrizations_are_named(tmp_path):
    class Stateless(nn.Module):
        def forward(self, weight):
            return weight.abs()

    layer = nn.Linear(7, 5)
    parametrize.register_parametrization(layer, "weight", Stateless())
    path = stored(layer, tmp_path)
    assert "parametrizations.weight.original" in refusal(path)
    assert "--mask" in refusal(path)
    parametrize.register_parametrization(layer, "weight", Masking(torch.ones(5, 7)))
    assert "gaps" in refusal(stored(layer, tmp_path))
    layer = parametrizations.orthogonal(nn.Linear(7, 5))
    assert "net.0.parametrizations.weight.0" in refusal(stored(layer, tmp_path))


def test_masks_that_torch_ao_keeps_out_of_the_file(tmp_path):
    from torch.ao.pruning import WeightNormSparsifier

    network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    sparsifier = WeightNormSparsifier(sparsity_level=0.5, sparse_block_shape=(1, 1), zeros_per_block=1)
    sparsifier.prepare(network, [{"tensor_fqn": "0.weight"}, {"tensor_fqn": "2.weight"}])
    sparsifier.step()
    torch.save(network.state_dict(), tmp_path / "m.pt")
    assert "torch.ao.pruning" in refusal(tmp_path / "m.pt")
    torch.save(
        {name: network[int(name)].parametrizations.weight[0].mask for name in "02"}, tmp_path / "mask.pt"
    )
    checkpoint = read(tmp_path / "m.pt", mask=tmp_path / "mask.pt")
    assert torch.equal(checkpoint.tensors["0.weight"], network[0].weight.detach())
    assert torch.equal(checkpoint.tensors["2.weight"], network[2].weight.detach())


def test_halves_that_do_not_fit(tmp_path):
    torch.save({"a.weight_g": torch.ones(4, 1), "a.weight_v": torch.ones(5, 7)}, tmp_path / "m.pt")
    assert "a.weight_g of shape (4, 1) fits no axis" in refusal(tmp_path / "m.pt")
    content = {"a.weight_orig": torch.ones(5, 7), "a.weight_u": torch.ones(3), "a.weight_v": torch.ones(7)}
    torch.save(content, tmp_path / "m.pt")
    assert "fit no axis" in refusal(tmp_path / "m.pt")
    torch.save({"a.weight_g": torch.ones(5, 1).half(), "a.weight_v": torch.ones(5, 7)}, tmp_path / "m.pt")
    assert "float16" in refusal(tmp_path / "m.pt")
    torch.save(
        {"a.weight_g": torch.ones(5, 1), "a.weight_v": torch.ones(5, 7), "a.weight": torch.ones(5, 7)},
        tmp_path / "m.pt",
    )
    assert "a.weight is in the file, and so are the keys" in refusal(tmp_path / "m.pt")

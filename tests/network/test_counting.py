"""Every parameter that a module has is counted once, as a weight, a bias, or a normalisation's; none vanishes with its operation."""

from __future__ import annotations

import modules
import pytest
import random_modules
import torch
import torch.nn.functional as F
from torch import nn

import boundcalc
from boundcalc.checkpoint import from_state_dict
from boundcalc.errors import CheckpointError
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network


def network_of(module: nn.Module, shape: tuple[int, ...]) -> Network:
    return from_checkpoint(from_state_dict(module.state_dict(), "net"), module, shape)


def check(seed: int) -> None:
    module, shape = random_modules.draw(seed)
    network, own = network_of(module, shape), random_modules.counts(module)
    assert [network.parameters, network.surviving] == own["weight"]
    assert network.parameters == sum(layer.parameters for layer in network.counted())
    roles = dict(network.roles)
    for name, _ in module.named_parameters():
        assert roles[name] == random_modules.kind_of(module, name), name
    assert network.set_aside == ()


@pytest.mark.parametrize("seeds", [range(start, start + 10) for start in range(0, 120, 10)], ids=str)
def test_parameters_are_the_modules_own(seeds):
    for seed in seeds:
        check(seed)


@pytest.mark.slow
def test_parameters_of_five_hundred_modules_are_the_modules_own():
    for seed in range(500):
        check(seed)


class Block(nn.Module):
    """ConvNeXt's: depthwise convolution, linear layers over channels, layer scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(width, width, 7, padding=3, groups=width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.rand(width, 1, 1))

    def forward(self, x):
        y = self.down(F.gelu(self.up(self.norm(self.depthwise(x).permute(0, 2, 3, 1)))))
        return x + self.scale * y.permute(0, 3, 1, 2)


def convnext() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 4), nn.GroupNorm(1, 8), Block(8), Block(8), nn.Conv2d(8, 16, 2, 2), Block(16),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip


class Text(nn.Module):
    """Tokens, positions, two layers of a transformer encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(11, 8), nn.Parameter(torch.rand(1, 5, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(self.tokens(x) + self.positions).mean(1))


class Sequence(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True), nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def conv1d() -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 8, 5, padding=2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))


def volume() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(1, 4, 2), nn.ReLU(), nn.Conv3d(4, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)
    )


class Attention(nn.Module):
    """No layer that a bound covers."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)

    def forward(self, x):
        return self.attention(x)


REAL = {
    "ConvNeXt": (convnext, (3, 16, 16)),
    "transformer": (Text, (5,)),
    "LSTM": (Sequence, (7, 4)),
    "Conv1d": (conv1d, (2, 4)),
    "Conv3d": (volume, (1, 4, 4, 4)),
    "pure transformer": (Attention, (3, 4)),
}


@pytest.mark.parametrize("name", REAL)
def test_reports_of_real_networks_count_everything(name):
    make, shape = REAL[name]
    module = modules.ready(make, shape, dtype=torch.int64 if name == "transformer" else torch.float32)
    tree = boundcalc.analyze(module, input_shape=shape, samples=100, input_bound=1.0).to_dict()
    weights = [p for key, p in module.named_parameters() if random_modules.kind_of(module, key) == "weight"]
    found = tree["checkpoint"]
    assert found["parameters"] == sum(p.numel() for p in weights)
    assert found["surviving"] == sum(int(torch.count_nonzero(p)) for p in weights)
    assert found["density"] == found["surviving"] / found["parameters"]
    listed = [*tree["network"]["layers"], *tree["network"]["uncounted"]]
    assert sum(layer["parameters"] for layer in listed) == found["parameters"]
    for bound in tree["bounds"].values():
        if bound["status"] == "not_covered" and bound["kind"] != "certificate":
            for weight in tree["network"]["uncounted"]:
                assert weight["operation"] == "mul" or weight["operation"] in bound["reason"], (
                    "a scale is a diagonal layer"
                )


def test_the_report_lists_weights_that_no_bound_covers():
    module = modules.ready(volume, (1, 4, 4, 4))
    report = boundcalc.analyze(module, input_shape=(1, 4, 4, 4), samples=100, input_bound=1.0)
    expected = [
        {
            "operation": "conv3d",
            "layer": name,
            "parameters": w.numel(),
            "surviving": int(torch.count_nonzero(w)),
        }
        for name, w in (("0", module[0].weight), ("2", module[2].weight))
    ]
    assert report.to_dict()["network"]["uncounted"] == expected
    assert report.to_dict()["network"]["depth"] == 3
    assert "Weights that no bound covers" in report.to("table")
    assert "conv3d at 0, 2 (160 weights)" in report.to_dict()["bounds"]["peeling"]["reason"]


def test_masks_of_three_dimensional_kernels_are_unrolled():
    """Topology, samples and graphon see (channels x taps) inputs, as they do for two dimensions."""
    module = modules.ready(volume, (1, 4, 4, 4))
    tree = boundcalc.analyze(module, input_shape=(1, 4, 4, 4)).to_dict()
    flat = nn.Sequential(nn.Linear(32, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        flat[0].weight.copy_(module[2].weight.flatten(1))
    same = boundcalc.analyze(flat).to_dict()
    assert [layer["name"] for layer in tree["topology"]["layers"]] == ["0", "2", "5"]
    assert [layer["name"] for layer in tree["graphon"]["layers"]] == ["0", "2", "5"]
    assert [layer["name"] for layer in tree["samples"]["layers"]] == ["0", "2"]
    for score in ("delta_r", "sigma1", "sigma2"):
        assert tree["topology"]["layers"][1][score] == same["topology"]["layers"][0][score]
    assert tree["samples"]["layers"][1]["r_tilde"] == same["samples"]["layers"][0]["r_tilde"]
    assert tree["graphon"]["layers"][1]["density"] == same["graphon"]["layers"][0]["density"]


def test_a_one_dimensional_convolution_is_one_of_height_1():
    """The same numbers as those of a 1 x k kernel, which bounds know."""
    row = modules.ready(conv1d, (2, 4))
    image = nn.Sequential(nn.Conv2d(2, 8, (1, 5), padding=(0, 2)), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    image.load_state_dict({k: t.reshape(image.state_dict()[k].shape) for k, t in row.state_dict().items()})
    options = {"samples": 100, "input_bound": 1.0}
    ours = boundcalc.analyze(row, input_shape=(2, 4), **options).to_dict()
    theirs = boundcalc.analyze(image, input_shape=(2, 1, 4), **options).to_dict()
    assert ours["checkpoint"]["parameters"] == 144
    own = {"kind": "conv1d", "shape": [8, 2, 5], "stride": [1], "padding": [2], "dilation": [1]}
    assert ours["network"]["layers"][0] == theirs["network"]["layers"][0] | own
    for part in ("bounds", "samples", "topology", "graphon"):
        assert ours[part] == theirs[part], part


def test_zeros_under_a_declared_mask_are_counted_by_both():
    module = modules.ready(volume, (1, 4, 4, 4))
    state = module.state_dict()
    mask = torch.rand(state["2.weight"].shape) > 0.5
    checkpoint = from_state_dict(state, "net")
    checkpoint.masks["2.weight"] = mask
    checkpoint.tensors["2.weight"] = state["2.weight"] * mask
    network = from_checkpoint(checkpoint, module, (1, 4, 4, 4))
    weight = list(network.masked())[1]
    assert weight.surviving == int(((state["2.weight"] != 0) & mask).sum())
    assert torch.equal(weight.declared, mask.reshape(weight.declared.shape))


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose1d(2, 3, 2)
        self.normed = nn.utils.parametrizations.weight_norm(nn.ConvTranspose1d(3, 3, 2))
        self.head = nn.Linear(18, 2)

    def forward(self, x):
        return self.head(self.normed(self.up(x)).flatten(1))


def test_a_weight_made_of_several_tensors_is_the_one_that_they_make():
    module = modules.ready(Normed, (2, 4))
    network = network_of(module, (2, 4))
    assert network.parameters == 12 + 18 + 36
    assert [weight.layer for weight in network.uncounted] == ["up", "normed"]


def test_a_weight_that_a_layer_and_another_operation_share_counts_once():
    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.code = nn.Linear(6, 3)

        def forward(self, x):
            return F.bilinear(self.code(x), x, self.code.weight[None])

    module = Autoencoder()
    network = network_of(module, (6,))
    assert (network.parameters, network.uncounted) == (18, ())


class Recurrent(nn.Module):
    """Not one mask that is a matrix or a kernel of a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0][:, -1]


@pytest.mark.parametrize("make,shape", [(Recurrent, (5, 4)), (Attention, (3, 4))])
def test_networks_that_nothing_covers_have_every_report(make, shape):
    module = modules.ready(make, shape)
    report = boundcalc.analyze(module, input_shape=shape, samples=100, input_bound=1.0)
    for view in ("table", "json", "csv", "markdown", "latex", "html"):
        text = report.to(view, full=True)
        assert "uncounted" in text or "Weights that no bound covers" in text
    compared = boundcalc.compare(module, module, input_shape=shape)
    assert compared.to("table") and compared.to("html")
    compared = compared.to_dict()
    assert compared["checkpoints"][0]["parameters"] == report.to_dict()["checkpoint"]["parameters"]


def test_no_weights_at_all_are_refused():
    module = nn.Sequential(nn.LayerNorm((2, 3)))
    with pytest.raises(
        CheckpointError, match="at least one linear or convolution layer, or another operation"
    ):
        network_of(module, (2, 3))


def test_what_a_forward_pass_returns_is_said():
    class Many(nn.LSTM):
        pass

    with pytest.raises(
        CheckpointError, match="returns a tuple of 2 values, not one tensor of scores: give --model a module"
    ):
        network_of(Many(4, 3, batch_first=True), (5, 4))

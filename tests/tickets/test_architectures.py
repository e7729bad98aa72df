import pytest
import torch
from torch import nn

from boundcalc.tickets import architectures

COUNTS = {  # name: input shape, weights of linear and convolution layers, their number
    "lenet300": ((1, 28, 28), 266_200, 3),
    "lenet5": ((1, 28, 28), 61_470, 5),
    "conv": ((1, 28, 28), 4 * 50 + 2 * 4 * 50 * 50 + 25 * 25 * 50 * 10, 4),
    "conv_3_7": ((1, 28, 28), 4 * 7 + 4 * 7 * 7 + 26 * 26 * 7 * 10, 3),
    "vgg16": ((3, 32, 32), 14_715_584, 14),
    "resnet20": ((3, 32, 32), 270_896, 22),
    "resnet20_option_a": ((3, 32, 32), 268_336, 20),
    "resnet18": ((3, 32, 32), 11_164_352, 21),
}
LITERATURE = {"vgg16": 14.7e6, "resnet20": 0.27e6, "resnet20_option_a": 0.27e6, "resnet18": 11.2e6}


def weights(network):
    return [layer.weight for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]


@pytest.fixture(params=COUNTS)
def name(request):
    return request.param


def test_counts(name):
    network = getattr(architectures, name)()
    _, count, layers = COUNTS[name]
    assert sum(weight.numel() for weight in weights(network)) == count
    assert len(weights(network)) == layers
    if name in LITERATURE:
        total = sum(parameter.numel() for parameter in network.parameters())
        assert total == pytest.approx(LITERATURE[name], rel=0.02)


def test_logits(name):
    torch.manual_seed(0)
    network = getattr(architectures, name)().eval()
    x = torch.rand(2, *COUNTS[name][0])
    with torch.no_grad():
        logits = network(x)
        assert logits.shape == (2, 10)
        assert torch.allclose(logits[1:], network(x[1:]), atol=1e-5)


def test_every_parameter_is_used(name):
    network = getattr(architectures, name)()
    network(torch.rand(2, *COUNTS[name][0])).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_initialisation_is_seeded(name):
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(getattr(architectures, name)().state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_lenet300_is_three_affine_maps():
    network = architectures.lenet300()
    x = torch.rand(5, 784)
    w = network.state_dict()
    h = torch.relu(x @ w["fc1.weight"].T + w["fc1.bias"])
    h = torch.relu(h @ w["fc2.weight"].T + w["fc2.bias"])
    expected = h @ w["fc3.weight"].T + w["fc3.bias"]
    assert torch.allclose(network(x.view(5, 1, 28, 28)), expected, atol=1e-6)
    assert sum(p.numel() for p in network.parameters()) == 266_610
    assert sum(p.numel() for p in architectures.lenet300(bias=False).parameters()) == 266_200


@pytest.mark.parametrize(("stride", "side"), [(1, 25), (2, 3), (3, 1)])
def test_conv_sizes(stride, side):
    network = architectures.conv(4, 5, stride)
    assert network.fc.in_features == 5 * side * side
    assert network(torch.rand(1, 1, 28, 28)).shape == (1, 10)
    assert list(network.state_dict()) == ["conv1.weight", "conv2.weight", "conv3.weight", "fc.weight"]


def test_conv_is_homogeneous():
    """Without biases, f(a x) = a f(x) for a >= 0."""
    network = architectures.conv_by_name("conv-3-4", stride=2)
    x = torch.rand(2, 1, 28, 28)
    assert torch.allclose(network(3 * x), 3 * network(x), atol=1e-5)


def test_conv_by_name():
    for name in ("conv-4-50", "CONV-4-50", "conv_4_50"):
        assert architectures.conv_by_name(name).fc.in_features == 50 * 25 * 25
    for name in ("conv-4", "conv-4-0", "conv", "vgg-4-50", "conv--4-50"):
        with pytest.raises(ValueError, match="conv-L-H"):
            architectures.conv_by_name(name)
    with pytest.raises(ValueError, match="depth 1"):
        architectures.conv_by_name("conv-1-50")
    with pytest.raises(ValueError, match="conv5: kernels of width 2 on an image of width 1"):
        architectures.conv(6, 4, stride=2)
    with pytest.raises(AttributeError, match="conv_4"):
        _ = architectures.conv_4


def test_option_a_slices_and_pads():
    x = torch.rand(1, 16, 8, 8)
    y = architectures.PadShortcut(16, 32)(x)
    assert y.shape == (1, 32, 4, 4)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2])
    assert not y[:, :8].any() and not y[:, 24:].any()

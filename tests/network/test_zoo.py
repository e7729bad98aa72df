"""The architectures that people prune: captures compute what the modules compute, and every weight counts once."""

from __future__ import annotations

import copy

import pytest
import torch
from zoo import ZOO, pruned, weights

from boundcalc.checkpoint import from_state_dict
from boundcalc.network.coverage import KNOWN_NODES, blockers
from boundcalc.network.forward import run
from boundcalc.network.load import from_checkpoint


@pytest.mark.parametrize("name", ZOO)
def test_captures_compute_what_the_modules_compute(name):
    architecture = ZOO[name]
    module = pruned(architecture.small)
    network = from_checkpoint(from_state_dict(module.state_dict(), name), module, architecture.shape)
    counted = weights(module)
    assert network.parameters == sum(weight.numel() for weight in counted)
    assert network.surviving == sum(int(weight.count_nonzero()) for weight in counted)
    assert network.set_aside == ()
    x = torch.randn(2, *architecture.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = {one.operation for one in blockers(network, KNOWN_NODES)}
    assert found == set(architecture.outside)
    with torch.no_grad():
        expected = copy.deepcopy(module).double()(x)
    assert (run(network, x) - expected).abs().max() <= 1e-10 * expected.abs().max()


def test_the_zoo_is_as_published_at_full_width():
    """Parameters, biases and scales included, as in the papers and in torchvision."""
    published = {
        "AlexNet": 61_100_840, "VGG-16": 138_365_992, "VGG-19": 143_678_248, "ResNet-18": 11_689_512, "ResNet-50": 25_557_032,
        "ResNeXt": 25_028_904, "SqueezeNet": 1_235_496, "MobileNetV2": 3_504_872, "ShuffleNetV2": 2_278_604,
        "EfficientNet-B0": 5_288_548, "ConvNeXt": 28_589_128,
    }  # fmt: skip
    for name, count in published.items():
        with torch.device("meta"):
            module = ZOO[name].full()
        assert sum(parameter.numel() for parameter in module.parameters()) == count, name


def test_rows_of_data_are_given_to_the_model_as_it_takes_them():
    module = pruned(ZOO["Conv1d"].small)
    network = from_checkpoint(from_state_dict(module.state_dict(), "rows"), module, (1, 3, 64))
    assert network.input_shape == (3, 64)

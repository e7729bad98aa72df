"""Architectures read from shapes and keys alone: the one reading, or a refusal in one line."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from boundcalc.checkpoint.types import Checkpoint
from boundcalc.errors import CheckpointError
from boundcalc.network.forward import run
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network


def checkpoint(tensors: dict[str, torch.Tensor], ordered: bool = True, masks=None) -> Checkpoint:
    return Checkpoint("net.pt", "0", "dense-zeros", (), tensors, masks or {}, dict(tensors), ordered)


def linear(out: int, width: int) -> torch.Tensor:
    return torch.randn(out, width, generator=torch.Generator().manual_seed(out + width))


def read(tensors, shape=None, ordered: bool = True, masks=None) -> Network:
    return from_checkpoint(checkpoint(tensors, ordered, masks), None, shape)


def refusal(tensors, shape=None, ordered: bool = True) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(tensors, shape, ordered)
    message = str(caught.value)
    assert message.startswith("net.pt: ") and "\n" not in message
    return message


def names(network: Network) -> list[str]:
    return [layer.name for layer in network.layers()]


MLP = {
    "fc1.weight": linear(8, 12),
    "fc1.bias": torch.randn(8),
    "fc2.weight": linear(6, 8),
    "fc3.weight": linear(4, 6),
}


@pytest.mark.parametrize("seed", range(6))
def test_unordered_chains_are_put_in_order(seed):
    keys = list(MLP)
    random.Random(seed).shuffle(keys)
    network = read({key: MLP[key] for key in keys}, ordered=False)
    assert names(network) == ["fc1", "fc2", "fc3"]
    x = torch.randn(3, 12).double()
    hidden = torch.relu(x @ MLP["fc1.weight"].T.double() + MLP["fc1.bias"].double())
    expected = torch.relu(hidden @ MLP["fc2.weight"].T.double()) @ MLP["fc3.weight"].T.double()
    assert torch.allclose(run(network, x), expected, rtol=1e-12)
    assert (network.depth, network.outputs, network.inputs, network.biases) == (3, 4, 12, 8)
    assert network.parameters == 12 * 8 + 48 + 24


def test_names_without_numbers_are_ordered_by_shape():
    tensors = {"head.weight": linear(3, 5), "stem.weight": linear(7, 9), "body.weight": linear(5, 7)}
    assert names(read(tensors, ordered=False)) == ["stem", "body", "head"]
    assert names(read(tensors)) == ["stem", "body", "head"]


def test_numbers_are_read_as_numbers():
    tensors = {f"layers.{i}.weight": linear(5, 5) for i in (10, 9, 2, 0, 11)}
    network = read(tensors, ordered=False)
    assert names(network) == [f"layers.{i}" for i in (0, 2, 9, 10, 11)]


def test_key_order_counts_where_it_is_layer_order():
    tensors = {"b.weight": linear(5, 5), "a.weight": linear(5, 5)}
    assert names(read(tensors)) == ["b", "a"]
    message = refusal(tensors, ordered=False)
    assert "two readings are possible (a -> b; or b -> a): give --model" in message


def test_no_assumption_is_hidden():
    assumptions = " ".join(read(MLP).assumptions)
    assert "order of the keys" in assumptions and "ReLU" in assumptions and "no pooling" in assumptions


def test_forty_equal_layers_without_numbers_are_refused():
    """An order is looked for, not every one of the 40!: trying all would not end."""
    tensors = {f"{chr(97 + i // 26)}{chr(97 + i % 26)}.weight": linear(5, 5) for i in range(40)}
    assert "two readings" in refusal(tensors, ordered=False)


def test_a_search_that_is_given_up_is_no_reading():
    """Nearly every order of forty equal layers fails only at the last one."""
    tensors = {f"{chr(97 + i // 26)}{chr(97 + i % 26)}.weight": linear(5, 5) for i in range(40)}
    tensors["zz.weight"] = linear(9, 3)
    message = refusal(tensors, ordered=False)
    assert "too many orders" in message or "do not form a chain" in message or "cannot follow" in message


def test_one_order_found_before_the_search_is_given_up_is_no_reading():
    tensors = {f"{chr(97 + i)}x.weight": linear(5, 5) for i in range(14)}
    tensors |= {"first.weight": linear(5, 3), "y.weight": linear(4, 5)}
    assert "too many orders" in refusal(tensors, ordered=False)


def test_shapes_that_do_not_chain():
    message = refusal({"a.weight": linear(5, 4), "b.weight": linear(3, 6)})
    assert "b.weight (3, 6) cannot follow a.weight (5, 4)" in message


def test_wrong_input_shape():
    assert "takes 12 inputs, not 13" in refusal(MLP, (13,))
    assert read(MLP, (3, 4)).input_shape == (3, 4)
    assert read(MLP, (3, 2, 2)).input_shape == (3, 2, 2)


@pytest.mark.parametrize(
    "key,shape", [("emb.table", (4, 4)), ("norm.weight", (4,)), ("conv.weight", (4, 3, 2)), ("scale", ())]
)
def test_unexplained_keys_are_named(key, shape):
    assert key in refusal(MLP | {key: torch.ones(shape)})


def test_batch_norm_is_refused_by_name():
    tensors = MLP | {f"bn1.{k}": torch.ones(8) for k in ("weight", "bias", "running_mean", "running_var")}
    assert "bn1 is a BatchNorm" in refusal(tensors)


def test_nothing_to_read():
    assert "no weight" in refusal({})


def test_a_bias_that_does_not_fit():
    assert "fc2.bias is (5,), but fc2.weight has 6 outputs" in refusal(MLP | {"fc2.bias": torch.ones(5)})


def test_a_bias_without_its_layer():
    assert "fc9.bias" in refusal(MLP | {"fc9.bias": torch.ones(5)})


def test_declared_masks():
    mask = torch.rand(6, 8) > 0.5
    tensors = MLP | {"fc2.weight": MLP["fc2.weight"] * mask}
    network = read(tensors, masks={"fc2.weight": mask})
    layer = list(network.layers())[1]
    assert layer.surviving == int(mask.sum())
    assert torch.equal(layer.declared.reshape(6, 8), mask)


def state_of(*layers: nn.Module) -> dict[str, torch.Tensor]:
    return dict(nn.Sequential(*layers).state_dict())


def test_convolutions_with_one_uniform_reading():
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 36, 3)
    )
    network = read(dict(module.state_dict()), (2, 10, 10))
    x = torch.randn(2, 2, 10, 10).double()
    with torch.no_grad():
        assert torch.allclose(run(network, x), module.double()(x), rtol=1e-12)
    assert any("stride 1, padding 0" in note for note in network.assumptions)


def test_convolutions_need_the_input_shape():
    tensors = state_of(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(4 * 64, 3))
    assert "--input-shape 2,H,W" in refusal(tensors)
    assert "takes 2 channels" in refusal(tensors, (3, 10, 10))
    assert "takes 2 channels" in refusal(tensors, (200,))
    assert "no uniform stride" in refusal(tensors, (2, 40, 40))


def test_ambiguous_pooling_is_refused():
    tensors = state_of(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 16, 3))
    message = refusal(tensors, (1, 8, 8))
    assert "several readings are possible" in message and "stride 2" in message


def test_pooling_of_an_unknown_kind_is_refused():
    tensors = state_of(
        nn.Conv2d(1, 4, 5),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 6, 5),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(96, 3),
    )
    assert "pooling" in refusal(tensors, (1, 28, 28))


def test_one_position_left_may_be_a_global_pooling():
    tensors = state_of(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    )
    for size in range(4, 12):
        refusal(tensors, (1, size, size))


@pytest.mark.parametrize("size", range(2, 20))
def test_no_reading_is_ever_a_wrong_one(size):
    """Whatever is read from LeNet-like shapes has the one stride and padding of the network that made them."""
    for stride, padding in ((1, 0), (2, 1), (1, 1), (3, 0)):
        convolution = nn.Conv2d(1, 3, 3, stride, padding)
        if size + 2 * padding < 3:
            continue
        x = torch.randn(1, 1, size, size)
        flat = convolution(x).flatten(1)
        tensors = state_of(convolution, nn.Flatten(), nn.Linear(flat.shape[1], 2))
        try:
            network = read(tensors, (1, size, size))
        except CheckpointError:
            continue
        first = next(network.layers())
        assert (first.window.height.stride, first.window.height.before) == (stride, padding)


@pytest.mark.parametrize("groups,out", [(2, 4), (4, 4)])
def test_grouped_convolutions(groups, out):
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, out, 3, groups=groups),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(out * 36, 3),
    )
    network = read(dict(module.state_dict()), (2, 10, 10))
    x = torch.randn(2, 2, 10, 10).double()
    with torch.no_grad():
        assert torch.allclose(run(network, x), module.double()(x), rtol=1e-12)


def test_a_grouped_first_layer_is_refused():
    tensors = state_of(nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(4 * 36, 3))
    assert "may be grouped" in refusal(tensors, (4, 8, 8))


def test_a_convolution_at_the_end_is_refused():
    assert "is a convolution, so the architecture is unknown" in refusal(
        state_of(nn.Conv2d(1, 2, 3)), (1, 8, 8)
    )

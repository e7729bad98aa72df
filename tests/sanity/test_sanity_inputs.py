"""Inputs and normalizations in other units: recognised, and named what to try."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

MNIST = (0.1307, 0.3081)


def scaled(arrays, change):
    return tuple(
        change(arrays[key]) if key.startswith("x") else arrays[key]
        for key in ("x_train", "y_train", "x_test", "y_test")
    )


def some(lines, *words):
    return any(all(word in line for word in words) for line in lines)


@pytest.mark.parametrize("name", ["lenet300_density02", "conv_density10"])
def test_float_images_of_0_to_255(warned, tickets, arrays, name):
    data = (arrays["x_train"][:400] * 255, arrays["y_train"][:400])
    lines = warned(tickets / f"{name}.pt", data)
    assert some(lines, "the inputs reach 255", "pixels of 0 to 255", "--normalize 0,255")


def test_a_network_of_0_to_255_on_its_own_images(warned, sample, ticket, arrays):
    """Dividing by 255 makes such a network err more: that it was trained so needs no warning."""
    state = torch.load(ticket, weights_only=True)
    state["fc1.weight"] = state["fc1.weight"] / 255
    assert warned(state, scaled(arrays, lambda x: x * 255), input_shape=(1, 28, 28)) == ()
    lines = warned(state, sample, input_shape=(1, 28, 28))
    assert some(lines, "with --normalize 0,0.0039216")


def test_images_divided_twice(warned, ticket, arrays):
    assert some(warned(ticket, scaled(arrays, lambda x: x / 255)), "divided by 255 twice")


@pytest.mark.parametrize(
    ("given", "advice"), [((33, 78), "try 0.1307,0.3081, of MNIST"), ((120, 40), "try 0.470588,0.156863")]
)
def test_normalisation_in_units_of_0_to_255(warned, sample, ticket, given, advice):
    lines = warned(ticket, sample, normalize=given)
    assert some(lines, "--normalize", "0..255 units", advice)


def test_normalisation_for_0_to_1_of_images_of_0_to_255(warned, ticket, arrays):
    lines = warned(ticket, scaled(arrays, lambda x: x * 255), normalize=MNIST)
    assert some(lines, "--normalize 0.1307,0.3081", "meant for [0, 1]", "try 33.3285,78.5655")


def test_normalised_twice(warned, ticket, arrays):
    lines = warned(ticket, scaled(arrays, lambda x: (x - MNIST[0]) / MNIST[1]), normalize=MNIST)
    assert some(lines, "normalized already", "applied twice")


def test_normalised_where_the_network_was_trained_on_plain_images(warned, sample, ticket, arrays):
    lines = warned(ticket, sample, normalize=MNIST)
    assert some(lines, "without --normalize", "was the network trained so")
    lines = warned(ticket, scaled(arrays, lambda x: (x - MNIST[0]) / MNIST[1]))
    assert some(lines, "MNIST undone")


def normalized(ticket, mean, deviation):
    """The ticket as it would be, had it been trained on images normalized so: the same function of them."""
    state = {key: tensor.double() for key, tensor in torch.load(ticket, weights_only=True).items()}
    weight = state["fc1.weight"]
    state["fc1.bias"] = state["fc1.bias"] + mean * weight.flatten(1).sum(1)
    state["fc1.weight"] = weight * deviation
    return state


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        (MNIST, "mnist (MNIST)"),
        ((0.286, 0.353), "fashion (Fashion-MNIST)"),
        ((0.5, 0.5), "0.5,0.5 ([-1, 1])"),
    ],
)
def test_the_normalisation_that_mends_most_is_named(warned, sample, ticket, numbers, name):
    state = normalized(ticket, *numbers)
    assert warned(state, sample, normalize=numbers, input_shape=(1, 28, 28)) == ()
    lines = warned(state, sample, input_shape=(1, 28, 28))
    assert some(lines, f"with --normalize {name}")


@pytest.mark.parametrize("given", [(0.0, 1.0), (0.1, 0.3), (0.5, 0.5)])
def test_plausible_normalisations_are_no_units(warned, sample, ticket, given):
    assert not some(
        warned(normalized(ticket, *given), sample, normalize=given, input_shape=(1, 28, 28)), "range from"
    )


# --------------------------------------------------------------------------------- BatchNorm's statistics


def with_batchnorm(arrays, mean=0.0, deviation=1.0, first=False):
    """An untrained network whose BatchNorm has seen normalized images."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 26 * 26, 10)]
    if first:
        layers = [nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(784, 10)]
    network = nn.Sequential(*layers)
    norm = next(layer for layer in layers if isinstance(layer, nn.BatchNorm2d))
    norm.momentum = None
    nn.init.uniform_(norm.weight, 0.5, 2.0)
    nn.init.normal_(norm.bias)
    with torch.no_grad():
        network((torch.from_numpy(arrays["x_train"][:2000]).float() - mean) / deviation)
    return network.eval()


@pytest.mark.parametrize("first", [False, True])
def test_batchnorm_knows_its_inputs(warned, arrays, first):
    data = (arrays["x_train"][:1000], arrays["y_train"][:1000])
    network = with_batchnorm(arrays, *MNIST, first=first)
    assert some(warned(network, data), "BatchNorm", "with --normalize mnist (MNIST) they agree")
    assert not some(warned(network, data, normalize=MNIST), "BatchNorm")
    assert not some(warned(with_batchnorm(arrays, first=first), data), "BatchNorm")


def test_batchnorm_of_other_data(warned, arrays):
    random = np.random.default_rng(0)
    data = (random.normal(40, 0.01, (300, 1, 28, 28)), random.integers(0, 10, 300))
    assert some(warned(with_batchnorm(arrays), data), "are these the data and the normalization")

"""What nodes say of themselves: Lipschitz constants, copies, whole channels; and the pass with absolute weights."""

from __future__ import annotations

import math

import modules
import pytest
import torch
from torch import nn

from boundcalc.checkpoint import from_state_dict
from boundcalc.network.coverage import KNOWN_NODES, blockers
from boundcalc.network.forward import entrywise, run
from boundcalc.network.load import from_checkpoint
from boundcalc.network.ops import Activation, Affine, ChannelAffine, Concat, Input, LeakyReLU, Rearrange
from boundcalc.norms.pass_error import pass_error
from boundcalc.norms.path import log_absolute_pass

ACTIVATIONS = [
    nn.GELU(), nn.GELU("tanh"), nn.ReLU6(), nn.Hardtanh(-2, 0.5), nn.Tanh(), nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.ELU(0.7),
    nn.ELU(1.6), nn.SELU(), nn.CELU(0.5), nn.LeakyReLU(0.1), nn.LeakyReLU(-1.4),
]  # fmt: skip


def captured(module, shape):
    return from_checkpoint(from_state_dict(module.state_dict(), "net"), module, shape)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_lipschitz_constants_are_the_steepest_slopes(activation):
    network = captured(modules.ready(lambda: modules.mlp(activation), (5,)), (5,))
    (node,) = (node for node in network.nodes if isinstance(node, Activation | LeakyReLU))
    grid = (
        torch.linspace(-30, 30, 600_001, dtype=torch.float64)
        .reshape(1, 1, 1, -1)
        .expand(1, node.shape[0], 1, -1)
    )
    values = entrywise(node, grid)
    steepest = float((values.diff(dim=-1) / grid.diff(dim=-1)).abs().max())
    assert steepest <= node.lipschitz * (1 + 1e-9) <= steepest * 1.001
    assert float(entrywise(node, torch.zeros(1, node.shape[0], 1, 1).double()).abs().max()) == 0.0


@pytest.mark.parametrize("name", modules.NODES)
def test_the_pass_with_absolute_weights_is_above_every_output(name):
    make, shape = modules.NODES[name]
    network = captured(modules.ready(make, shape), shape)
    assert blockers(network, KNOWN_NODES) == []
    x = 2 * torch.rand(20, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    largest = float(run(network, x).abs().sum(1).max())
    assert math.log(largest) <= log_absolute_pass(network)
    assert 0 < pass_error(network, 1.0) < 1e-6 * math.exp(log_absolute_pass(network))


def test_moves_know_copies_and_whole_channels():
    before = Input("x", (), (3, 2, 2))
    places = torch.arange(12).reshape(3, 2, 2)

    def move(source):
        return Rearrange("move", (0,), tuple(source.shape), source)

    assert move(places[[2, 0, 1]]).channels(before).tolist() == [2, 0, 1]
    assert move(torch.cat([places[1:2], torch.full((1, 2, 2), -1)])).channels(before).tolist() == [1, -1]
    assert move(places.transpose(1, 2)).channels(before) is None
    assert move(places[:, :1]).channels(before) is None
    assert move(places[[0, 0, 1]]).copies == 2
    reflected = torch.nn.functional.pad(places.double(), (1, 1, 1, 1), "reflect").long()
    matrix = torch.zeros(reflected.numel(), 12, dtype=torch.float64)
    matrix[torch.arange(reflected.numel()), reflected.flatten()] = 1
    assert math.sqrt(move(reflected).copies) == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)))


def kinds(network):
    return [type(node).__name__ for node in network.nodes[1:]]


def test_diagonal_layers_fold_where_zero_padding_does_not_stand_between():
    def net(padding, mode="zeros"):
        layers = [
            nn.Conv2d(2, 3, 2),
            nn.ReLU(),
            nn.BatchNorm2d(3),
            nn.Conv2d(3, 4, 3, padding=padding, padding_mode=mode),
        ]
        return captured(
            modules.ready(lambda: nn.Sequential(*layers, nn.Flatten()), modules.IMAGE), modules.IMAGE
        )

    assert kinds(net(0)) == ["Affine", "ReLU", "Affine"]
    assert kinds(net(1, "circular")) == ["Affine", "ReLU", "Affine"]
    assert kinds(net(1)) == ["Affine", "ReLU", "ChannelAffine", "Affine"]
    assert next(node for node in net(0).nodes[2:] if isinstance(node, Affine)).norms_before == (("2", 1e-5),)


def test_a_factor_alone_folds_through_zero_padding_and_adds_no_bias():
    parts = {"a": nn.Conv2d(2, 3, 2), "b": nn.Conv2d(3, 4, 3, padding=1, bias=False)}
    make = modules.does(lambda m, x: m.b(3 * m.a(x).relu()).flatten(1), **parts)
    network = captured(modules.ready(make, modules.IMAGE), modules.IMAGE)
    assert kinds(network) == ["Affine", "ReLU", "Affine"]
    assert network.nodes[-1].bias is None


def test_what_the_architecture_fixes_is_not_trained():
    def of(forward, **parts):
        network = captured(modules.ready(modules.does(forward, **parts), (5,)), (5,))
        return next(node for node in network.nodes if isinstance(node, ChannelAffine))

    two = {"a": nn.Linear(5, 4), "b": nn.Linear(4, 3)}
    assert not of(lambda m, x: m.b(2 * m.a(x).relu().tanh() - 1).relu() * 3, **two).trained
    scaled = of(lambda m, x: m.b(m.a(x).relu()).relu() * m.g, g=nn.Parameter(torch.rand(3)), **two)
    assert scaled.trained and [weight.key for weight in scaled.weights] == ["g"]


def test_concatenation_keeps_the_order_of_its_inputs():
    make = modules.does(lambda m, x: torch.cat([m.b(x), m.a(x)], 1), a=nn.Linear(5, 2), b=nn.Linear(5, 3))
    network = captured(modules.ready(make, (5,)), (5,))
    (node,) = (node for node in network.nodes if isinstance(node, Concat))
    assert [network.nodes[i].name for i in node.inputs] == ["b", "a"]

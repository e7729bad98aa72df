"""Networks with less in them compute the same."""

from __future__ import annotations

import pytest
import torch
from spelt import COVERED, captured, inputs, ready
from torch import nn

from boundcalc.network.forward import run
from boundcalc.occam.skeleton import compacted, flattened, simplified


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-10, atol=1e-10 * float(other.abs().max() + 1e-300))


def compact_outputs(network, x):
    small, kept = compacted(network)
    places = kept[0] if small.nodes[0].shape != network.nodes[0].shape else torch.arange(x.shape[1])
    return small, run(small, x.reshape(x.shape[0], *network.nodes[0].shape)[:, places])


def thinned(network, share: float, seed: int):
    """Prune units, rows and columns at random, so that some die, some are constants and some are read by nobody."""
    from boundcalc.occam.skeleton import with_weights

    generator = torch.Generator().manual_seed(seed)
    weights, biases = {}, {}
    for layer in network.stored():
        rows = torch.rand(layer.weight.shape[0], generator=generator) > share
        columns = torch.rand(layer.weight.shape[1], generator=generator) > share
        weights[layer.name] = layer.weight * rows[:, None, None, None] * columns[:, None, None]
        if layer.bias is not None:
            biases[layer.name] = layer.bias * (torch.rand(layer.bias.shape, generator=generator) > share)
    return with_weights(network, weights, biases)


@pytest.mark.parametrize("name", COVERED)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_the_function_stays(name, share):
    _, network = ready(name)
    x = inputs(network)
    for seed in range(3):
        thin = thinned(network, share, seed)
        before = run(thin, x)
        flat = flattened(thin)
        assert same(run(flat, x), before)
        simple = simplified(flat)
        assert same(run(simple, x), before)
        _, outputs = compact_outputs(simple, x)
        assert same(outputs, before)
        _, outputs = compact_outputs(flat, x)
        assert same(outputs, before)


@pytest.mark.parametrize("name", COVERED)
def test_nothing_that_lives_is_cut(name):
    """Every weight that is not 0 is still there, and every unit that a layer may lose has one."""
    _, network = ready(name)
    simple = simplified(flattened(thinned(network, 0.4, 1)))
    small, kept = compacted(simple)
    before = sum(int((layer.weight != 0).sum()) for layer in simple.stored())
    assert sum(int((layer.weight != 0).sum()) for layer in small.stored()) == before
    assert all(
        node.shape[1:] == other.shape[1:] for node, other in zip(small.nodes, simple.nodes, strict=True)
    )
    assert all(torch.equal(units, units.sort().values) for units in kept)


def mlp(*weights: list[list[float]], biases=None):
    module = nn.Sequential()
    for index, rows in enumerate(weights):
        layer = nn.Linear(len(rows[0]), len(rows))
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(rows))
            layer.bias.copy_(torch.zeros(len(rows)) if biases is None else torch.tensor(biases[index]))
        module.append(layer)
        if index < len(weights) - 1:
            module.append(nn.ReLU())
    return captured(module, (len(weights[0][0]),))


def test_constants_move_into_the_next_bias():
    network = mlp([[0.0, 0.0], [1.0, 0.0]], [[3.0, 1.0]], biases=[[2.0, 0.5], [1.0]])
    first, second = simplified(network).stored()
    assert first.bias.tolist() == [0.0, 0.5]
    assert second.bias.tolist() == [7.0]
    assert second.weight.flatten().tolist() == [0.0, 1.0]


def test_a_negative_constant_is_nothing_after_the_relu():
    network = mlp([[0.0], [1.0]], [[3.0, 1.0]], biases=[[-2.0, 0.5], [1.0]])
    assert list(simplified(network).stored())[1].bias.tolist() == [1.0]


def test_constants_run_through_several_layers():
    network = mlp([[0.0]], [[2.0]], [[5.0]], biases=[[1.0], [1.0], [0.0]])
    layers = list(simplified(network).stored())
    assert [layer.weight.item() for layer in layers] == [0.0, 0.0, 0.0]
    assert [layer.bias.item() for layer in layers] == [0.0, 0.0, 15.0]


def test_units_nobody_reads_disappear():
    network = mlp([[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0]], biases=[[5.0, 6.0], [7.0]])
    small, kept = compacted(simplified(network))
    assert [layer.weight.shape[0] for layer in small.stored()] == [1, 1]
    assert [units.tolist() for units in kept] == [[0, 1], [1], [0]]


def test_pixels_nobody_reads_disappear():
    network = mlp([[1.0, 0.0, 0.0, 2.0]], [[1.0]], biases=[[0.5], [0.0]])
    small, kept = compacted(network)
    assert kept[0].tolist() == [0, 3]
    assert small.inputs == 2 and small.input_shape == (2, 1, 1)


def test_zero_networks_keep_a_unit_of_each_axis():
    network = mlp([[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0]])
    small, kept = compacted(simplified(network))
    assert [units.tolist() for units in kept] == [[0], [0], [0]]
    assert run(small, torch.ones(2, 1, dtype=torch.float64)).tolist() == [[0.0], [0.0]]


def test_an_image_that_a_convolution_slides_over_stays_an_image():
    _, network = ready("non-square")
    assert flattened(network) is network
    _, network = ready("linear on an image")
    assert flattened(network).nodes[0].shape == (84, 1, 1)
    _, network = ready("residual on the input")
    assert flattened(network) is network

"""The peeling walk against a twin on explicit units: same scales, fan-ins, energies, path counts and value."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from peeling_networks import (
    MIXES,
    ONE,
    TIED,
    conv_chain,
    input_in_several_places,
    shortcut_without_weights,
    uniform,
    walk,
)
from peeling_twin import PeelingTwin
from twins import Sketch, energies_of, mlp, sample

from boundcalc.bounds.peeling.kernels import group_sizes
from boundcalc.empirical.energies import Energies, declared
from boundcalc.errors import NotCovered
from boundcalc.network.nodes import GeneralPosition
from boundcalc.network.ops import ReLU


def splits(network, tied):
    layers = list(network.layers())
    if tied:
        sizes = [1, 2, 3, layers[0].shape[0]]
        return [uniform(network, size, mix) for size, mix in zip(sizes, MIXES, strict=True)]
    found = [uniform(network, 1), uniform(network, 0), uniform(network, 1, ("l1",))]
    random = torch.Generator().manual_seed(len(layers))
    for mix in MIXES[1:]:
        pick = uniform(network, 1, mix)
        for layer in layers:
            size = int(torch.randint(1, layer.shape[0] + 1, (1,), generator=random))
            pick[layer.name] = (size, pick[layer.name][1])
        found.append(pick)
    return found


def same(network, energies, split, t=1.0, masked=True):
    fast = walk(network, energies, split, t, masked)
    slow = PeelingTwin(network, energies, split, t, masked).run()
    close = {"rel": 1e-6, "abs": 0}
    if slow.value == 0:
        assert fast.log_complexity(energies.m) == -math.inf
        return slow
    assert math.exp(fast.log_rho) == pytest.approx(slow.rho, **close)
    assert math.exp(fast.log_output_pairs) == pytest.approx(slow.pairs, **close)
    assert math.exp(fast.log_energy) == pytest.approx(slow.energy, **close)
    if not fast.single_layer:
        assert math.exp(fast.log_paths) == pytest.approx(slow.paths, **close)
        assert fast.log_factor >= slow.factor - 1e-12
    value = math.exp(fast.log_complexity(energies.m))
    assert value >= slow.value * (1 - 1e-13)
    if fast.single_layer or fast.log_factor <= slow.factor + 1e-12:
        assert value == pytest.approx(slow.value, **close)
    else:
        relus = sum(isinstance(node, ReLU) for node in network.nodes)
        assert slow.factor < relus * math.log(2) - 1e-9, "only ReLUs of dead nodes may be counted in vain"
    return slow


@pytest.mark.parametrize("make", ONE + TIED, ids=lambda make: make.__name__)
@pytest.mark.parametrize("seed", [0, 1])
def test_equal_on_every_split(make, seed):
    network = make(seed)
    energies = energies_of(sample(network, seed=seed) * (1.0, 1e-3)[seed])
    values = {
        same(network, energies, split, t, masked).value
        for split in splits(network, make in TIED)
        for t, masked in ((1.0, True), (0.25, False))
    }
    assert len(values) > 3


@pytest.mark.parametrize("make", [input_in_several_places, shortcut_without_weights])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equal_where_the_input_or_a_copy_joins(make, seed):
    network = make(seed)
    energies = energies_of(sample(network, seed=seed))
    sizes = (1,) if make is shortcut_without_weights else (1, 2, 3, 4)
    for size in sizes:
        for mix in MIXES:
            same(network, energies, uniform(network, size, mix), 0.5, seed != 1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bias", [False, True])
def test_equal_on_multilayer_perceptrons(seed, bias):
    network = mlp((6, 5, 7, 4, 1 + seed % 4), seed, 0.35, bias)
    energies = energies_of(sample(network, seed=seed))
    for sizes in ((1, 1, 1), (2, 3, 3), (5, 7, 4), (4, 1, 2)):
        for mix in MIXES:
            split = uniform(network, 1, mix)
            split |= {f"layer{i}": (size, split[f"layer{i}"][1]) for i, size in enumerate(sizes)}
            same(network, energies, split, 2.0)
            same(network, energies, split, 2.0, masked=False)


@pytest.mark.parametrize("bias", [False, True])
def test_one_layer(bias):
    network = mlp((6, 3), 3, 0.4, bias)
    energies = energies_of(sample(network))
    split = {"layer0": (1, "l2")}
    found = walk(network, energies, split, 0.5)
    assert found.single_layer
    same(network, energies, split, 0.5)
    same(network, energies, {"layer0": (1, "l1")}, 0.5)
    layer = next(network.layers())
    used = (layer.weight != 0).any(0).flatten()
    energy = float(energies.coordinate.flatten()[used].sum()) + bias * energies.m * 0.25
    squares = float(layer.weight.square().sum() + (layer.bias.square().sum() * 4 if bias else 0.0))
    expected = math.sqrt(squares * 3 * energy) / energies.m
    assert math.exp(found.log_complexity(energies.m)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_two_layers_that_both_read_the_input_and_are_added(norm):
    s = Sketch((3, 1, 1))
    one, two = (torch.zeros(1, 3, 1, 1, dtype=torch.float64) for _ in range(2))
    one[0, 0], two[0, 1:] = 1.0, 1.0
    s.add(s.affine(0, one), s.affine(0, two))
    network = s.network()
    energies = energies_of(torch.ones(4, 3, 1, 1, dtype=torch.float64))
    found = same(network, energies, uniform(network, 1, (norm,)))
    attained = math.sqrt(3) * math.sqrt(3) * 6 / 4 / 4
    assert found.value > attained


def test_energies_that_are_zero():
    network = conv_chain(0)
    nothing = Energies(4, torch.zeros(network.nodes[0].shape, dtype=torch.float64), 0.0)
    for mix in MIXES:
        split = uniform(network, 2, mix)
        same(network, nothing, split, 0.5)
        same(network, nothing, split, 0.5, masked=False)
    unbiased = mlp((4, 3, 2), 0)
    nothing = Energies(4, torch.zeros(4, 1, 1, dtype=torch.float64), 0.0)
    for mix in MIXES:
        assert walk(unbiased, nothing, uniform(unbiased, 1, mix)).log_complexity(4) == -math.inf


@pytest.mark.parametrize("density", [0.0, 0.05])
@pytest.mark.parametrize("bias", [False, True])
def test_networks_that_are_dead_or_nearly(density, bias):
    for seed in range(8):
        network = mlp((4, 5, 5, 2), seed, density, bias)
        energies = energies_of(sample(network))
        for size in (1, 2, 5):
            for mix in MIXES:
                same(network, energies, uniform(network, size, mix), 0.5)


def test_biases_alone_are_a_network_of_constants():
    network = mlp((4, 5, 5, 2), 3, 0.0, True)
    energies = energies_of(sample(network))
    found = same(network, energies, uniform(network, 1), 0.5)
    last = list(network.layers())[-1].bias
    assert found.rho == pytest.approx(2 * float(last.norm()))
    assert found.energy == pytest.approx(energies.m * 0.25)
    assert found.paths == found.pairs == int((last != 0).sum())


@pytest.mark.parametrize(
    "make", (*ONE, *TIED, shortcut_without_weights, input_in_several_places), ids=lambda make: make.__name__
)
def test_one_general_position_is_never_below(make):
    network = make(3)
    measured = energies_of(sample(network, seed=3))
    unit = [uniform(network, 1, mix) for mix in MIXES]
    for split in unit if make is shortcut_without_weights else splits(network, make in TIED):
        for masked in (True, False):
            exact = walk(network, measured, split, 0.5, masked)
            general = walk(network, measured, split, 0.5, masked, GeneralPosition())
            for name in ("log_rho", "log_output_pairs", "log_energy", "log_paths", "log_factor", "log_b"):
                assert getattr(general, name) >= getattr(exact, name) - 1e-12, name


def unpadded(seed):
    s = Sketch((2, 7, 7), seed)
    at = s.avg(s.relu(s.conv(0, 3, 2, bias=True)), 2)
    at = s.relu(s.conv(at, 4, 3, padding=1, circular=True))
    at = s.max(s.relu(s.conv(at, 4, 2, groups=2)), 2)
    s.linear(at, 3, bias=True)
    return s.network()


@pytest.mark.parametrize("masked", [True, False])
def test_one_general_position_is_exact_without_padding(masked):
    """Equal when no tap falls on padding and each channel of the input has one energy at all positions."""
    network = unpadded(0)
    flat = declared(5, 2.0, network.nodes[0].shape)
    measured = energies_of(sample(network))
    for size in (1, 2, 3, 4):
        split = uniform(network, size, MIXES[size - 1])
        pairs = [
            (walk(network, e, split, 0.5, masked), walk(network, e, split, 0.5, masked, GeneralPosition()))
            for e in (flat, measured)
        ]
        for exact, general in pairs:
            for name in ("log_rho", "log_output_pairs", "log_paths", "log_factor"):
                assert getattr(general, name) == pytest.approx(getattr(exact, name), abs=1e-9), name
        assert pairs[0][1].log_energy == pytest.approx(pairs[0][0].log_energy, abs=1e-9)


def test_the_search_is_no_worse_than_each_uniform_split_nearby():
    network = mlp((6, 8, 8, 3), 0, 0.4)
    energies = energies_of(sample(network))
    best = walk(network, energies, None).log_complexity(5)
    every = [
        walk(network, energies, {"layer0": (a, p), "layer1": (b, q), "layer2": (1, r)}).log_complexity(5)
        for a in group_sizes(8)
        for b in group_sizes(8)
        for p, q, r in itertools.product(("l2", "l1"), repeat=3)
    ]
    assert best >= min(every) - 1e-12
    assert best <= min(every) + math.log(1.05)


def _skip_to_output(s):
    at = s.relu(s.linear(0, 3))
    return s.add(s.linear(at, 3), at)


def _linear_skip(s):
    at = s.linear(0, 3)
    return s.linear(s.relu(s.add(s.linear(at, 3), s.avg(at, 1))), 2)


REFUSED = {
    "residual sum with the input": lambda s: s.linear(s.relu(s.add(0, s.linear(0, 3))), 2),
    "max pooling of a value that is not a ReLU's": lambda s: s.linear(s.max(s.linear(0, 3), 1), 2),
    "residual sum on the outputs": _skip_to_output,
    "residual sum without ReLU": lambda s: s.linear(_skip_to_output(s), 2),
    "ReLU after average pooling": lambda s: s.linear(s.relu(s.avg(s.linear(0, 3), 1)), 2),
    "an output that is not a layer's": lambda s: s.relu(s.linear(0, 3)),
    "ReLU of the input": lambda s: s.linear(s.relu(0), 3),
    "AvgPool of the input": lambda s: s.linear(s.avg(0, 1), 3),
    "residual sum of a value that is not a ReLU's": _linear_skip,
    "scale or shift of every channel": lambda s: s.linear(s.batchnorm(s.relu(s.linear(0, 3))), 2),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusals(message):
    s = Sketch((3, 1, 1))
    REFUSED[message](s)
    network = s.network()
    with pytest.raises(NotCovered, match=message):
        walk(network, energies_of(sample(network)), None)

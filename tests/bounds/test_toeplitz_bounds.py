"""Golowich, Neyshabur and Bartlett against their papers' formulas on dense Toeplitz matrices."""

from __future__ import annotations

import math

import pytest
import torch
from peeling_networks import grouped, max_pooled, projection_skips
from twins import Sketch, energies_of, mlp, problem_for, sample, toeplitz_matrices

from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.code_lengths import CONSTANTS


def conv_chain(seed, bias):
    s = Sketch((2, 5, 4), seed)
    at = s.relu(s.conv(0, 3, 3, padding=1, bias=bias))
    at = s.relu(s.conv(at, 4, (3, 2), stride=2, padding=1, dilation=1))
    s.linear(at, 3, bias=bias)
    return s.network()


def pooled(seed, bias):
    s = Sketch((1, 6, 6), seed)
    at = s.avg(s.relu(s.conv(0, 2, 3, padding=1)), 2)
    at = s.avg(s.relu(s.conv(at, 3, 2, bias=bias)), 2)
    s.linear(at, 2)
    return s.network()


def circular(seed, bias):
    s = Sketch((2, 4, 4), seed)
    at = s.relu(s.conv(0, 3, 3, padding=1, circular=True, bias=bias))
    s.linear(s.relu(s.conv(at, 2, 2, dilation=2)), 4)
    return s.network()


def linear_chain(seed, bias):
    s = Sketch((3, 1, 1), seed, 0.8)
    s.linear(s.linear(s.relu(s.linear(0, 5, bias)), 4), 3, bias)
    return s.network()


MAKERS = (
    conv_chain, pooled, circular, linear_chain, lambda seed, bias: grouped(seed),
    lambda seed, bias: mlp((6, 5, 7, 4, 3), seed, 0.5, bias), lambda seed, bias: mlp((6, 3), seed, 0.5, bias),
)  # fmt: skip


class Twin:
    """The papers' formulas with matrices; t None without biases."""

    def __init__(self, network, x):
        self.network, self.energies = network, energies_of(x)
        self.biased = any(layer.bias is not None for layer in network.layers())
        self.constants = CONSTANTS if self.biased else (None,)
        self.m, self.inputs = x.shape[0], network.inputs + self.biased
        self.depth, self.classes = len(list(network.layers())), network.outputs

    def product(self, size, t):
        return math.prod(size(matrix) for matrix in toeplitz_matrices(self.network, t))

    def fro(self, factor):
        def at(t):
            energy = float(self.energies.coordinate.sum()) + (self.m * t**2 if t else 0.0)
            return self.product(lambda a: float(a.square().sum().sqrt()), t) * math.sqrt(energy)

        return min(map(at, self.constants)) * factor / self.m

    def one_inf(self, factor):
        def at(t):
            energy = max(float(self.energies.coordinate.max()), self.m * t**2 if t else 0.0)
            return self.product(lambda a: float(a.abs().sum(1).max()), t) * math.sqrt(energy)

        return min(map(at, self.constants)) * factor / self.m

    def value(self, name):
        c, depth = self.classes, self.depth
        return {
            "golowich2018_fro": lambda: self.fro(c * (1 + math.sqrt(2 * depth * math.log(2)))),
            "golowich2018_1inf": lambda: self.one_inf(2 * c * math.sqrt(depth + 1 + math.log(self.inputs))),
            "neyshabur2015_fro": lambda: self.fro(2 ** (depth - 1) * c),
            "neyshabur2015_1inf": lambda: self.one_inf(
                2 ** (depth - 1) * c * math.sqrt(2 * math.log(2 * self.inputs))
            ),
        }[name]()


@pytest.mark.parametrize(
    "name", ["golowich2018_fro", "golowich2018_1inf", "neyshabur2015_fro", "neyshabur2015_1inf"]
)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("make", range(len(MAKERS)))
def test_products_of_norms(name, bias, make):
    network = MAKERS[make](make, bias)
    x = sample(network, 7)
    outcome = registry[name].compute(problem_for(network, x)).published
    found, expected = math.exp(outcome.log_rho + outcome.log_unit), Twin(network, x).value(name)
    assert found == pytest.approx(expected, rel=1e-6)
    assert found >= expected * (1 - 1e-14)


def bartlett(matrices, references, spectral, energy, m, gamma):
    """The paper's formula with given spectral norms s~ and matrices A~."""
    whole = math.prod(spectral)
    total = 0.0
    for matrix, reference, norm in zip(matrices, references, spectral, strict=True):
        distance = float((matrix - reference).square().sum(1).sqrt().sum())
        total += (4 / gamma * math.sqrt(energy / m) * whole * distance / norm) ** (2 / 3)
    width = max(matrix.numel() for matrix in matrices)
    return 4 / m + 12 * math.log(m) / math.sqrt(m) * math.sqrt(math.log(2 * width)) * total**1.5


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("make", range(len(MAKERS)))
@pytest.mark.parametrize("referred", [False, True])
def test_bartlett(bias, make, referred):
    network = MAKERS[make](make, bias)
    x = sample(network, 9)
    random = torch.Generator().manual_seed(1)
    reference = {}
    if referred:
        for layer in network.layers():
            start = torch.randn(layer.weight.shape, generator=random, dtype=torch.float64)
            reference[f"{layer.name}.weight"] = start
    problem = problem_for(network, x, spectral=True, reference=reference)
    outcome = registry["bartlett2017"].compute(problem).published
    t = outcome.terms["constant"]
    biased = any(layer.bias is not None for layer in network.layers())
    assert (t is not None) == biased
    matrices = toeplitz_matrices(network, t)
    zeros = [
        handed_on(matrix, layer, biased) for matrix, layer in zip(matrices, network.layers(), strict=True)
    ]
    if referred:
        zeros = referred_matrices(network, reference, zeros, biased)
    dense_norms = [float(torch.linalg.matrix_norm(matrix, 2)) for matrix in matrices]
    names = [layer.name for layer in network.layers()]
    certified = [math.exp(outcome.numbers[f"spectral.{name}"]) for name in names]
    assert all(above >= below * (1 - 1e-13) for above, below in zip(certified, dense_norms, strict=True))
    energy = float(x.square().sum()) + (9 * t**2 if biased else 0.0)
    found = math.exp(outcome.log_complexity(outcome.numbers, math.log(0.5)))
    expected = bartlett(matrices, zeros, certified, energy, 9, 0.5)
    exact_width = max(m.numel() for m in matrices) == outcome.terms["largest_matrix"]
    assert found >= expected * (1 - 1e-13)
    assert found <= expected * (1 + 1e-6) * (1.0 if exact_width else 1.1)
    lowest = bartlett(matrices, zeros, dense_norms, energy, 9, 0.5)
    assert found >= lowest * (1 - 1e-13)


def handed_on(matrix, layer, biased):
    """Reference zero but for the entry that hands the constant on."""
    start = torch.zeros_like(matrix)
    if biased and matrix.shape[0] == math.prod(layer.shape) + 1:
        start[-1, -1] = 1.0
    return start


def referred_matrices(network, reference, starts, biased):
    from dataclasses import replace

    from boundcalc.network.network import Network
    from boundcalc.network.ops import Affine

    nodes = tuple(
        replace(node, weight=reference[f"{node.name}.weight"], bias=None)
        if isinstance(node, Affine)
        else node
        for node in network.nodes
    )
    plain = toeplitz_matrices(Network(nodes, "reference", network.input_shape))
    for start, matrix in zip(starts, plain, strict=True):
        start[: matrix.shape[0], : matrix.shape[1]] += matrix
    return starts


def test_bartlett_rises_with_every_number_and_falls_with_the_margin():
    network = conv_chain(0, True)
    outcome = registry["bartlett2017"].compute(problem_for(network, sample(network, 9), spectral=True))
    for one in (outcome, outcome.published):
        base = one.log_complexity(one.numbers, 0.0)
        for name, number in one.numbers.items():
            raised = one.log_complexity({**one.numbers, name: number + 0.5}, 0.0)
            assert raised > base or (raised == base and ".layer2" in name), name
        assert one.log_complexity(one.numbers, 0.1) < base


def test_a_module_used_twice_keeps_both_spectral_norms():
    s = Sketch((1, 6, 6))
    weight = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    from boundcalc.network.geometry import Window

    first = s.affine(0, weight, window=Window.of((6, 6), (3, 3)), kind="conv2d", name="conv")
    second = s.affine(
        s.relu(first), weight, window=Window.of((4, 4), (3, 3), (4, 4)), kind="conv2d", name="conv"
    )
    s.linear(s.relu(second), 2)
    network = s.network()
    outcome = registry["bartlett2017"].compute(problem_for(network, sample(network, 9), spectral=True))
    assert len(outcome.numbers) == 6
    norms = sorted(v for k, v in outcome.numbers.items() if k.startswith("spectral.conv"))
    assert math.exp(norms[0]) == pytest.approx(3, rel=2e-3)
    assert math.exp(norms[1]) > 5


@pytest.mark.parametrize("make", [max_pooled, projection_skips])
def test_a_graph_has_a_value_and_no_published_one(make):
    network = make(0)
    problem = problem_for(network, sample(network), spectral=True)
    for bound in registry.values():
        if bound.toeplitz:
            outcome = bound.compute(problem)
            assert getattr(outcome, "published", None) is None, bound.name
            assert bound.status == "theorem" or "extended here, not proved: " in outcome.terms["extended"]


@pytest.mark.parametrize("make", MAKERS[:4])
def test_the_report_shows_both_ends_of_spectral_norms(make):
    network = make(1, False)
    terms = registry["bartlett2017"].compute(problem_for(network, sample(network, 5), spectral=True)).terms
    norms = [float(torch.linalg.matrix_norm(matrix, 2)) for matrix in toeplitz_matrices(network, None)]
    assert list(terms["spectral_upper"]) == list(terms["spectral_lower"])
    for norm, (name, upper) in zip(norms, terms["spectral_upper"].items(), strict=True):
        assert norm <= upper
        assert 0 < terms["spectral_lower"][name] <= upper


def test_both_ends_are_close_to_a_matrix():
    network = mlp((6, 5, 7, 3), 2, 0.5, bias=True)
    terms = registry["bartlett2017"].compute(problem_for(network, sample(network, 5), spectral=True)).terms
    for layer in network.layers():
        norm = float(torch.linalg.matrix_norm(layer.weight[:, :, 0, 0], 2))
        assert (
            terms["spectral_lower"][layer.name] * (1 - 1e-12) <= norm <= terms["spectral_upper"][layer.name]
        )
        assert terms["spectral_upper"][layer.name] <= 1.01 * terms["spectral_lower"][layer.name]

"""Activations that are not positively homogeneous in the bounds of kind F by l1 norms of rows."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from graph_twins import second_moment
from torch.nn import functional as F
from twins import Sketch, problem_for

from boundcalc.bounds.catalogue import registry
from boundcalc.network.entrywise import LIPSCHITZ
from boundcalc.network.ops import Activation
from boundcalc.rademacher.relu_cost import contraction_log_cost

FUNCTIONS = {
    "gelu": F.gelu, "silu": F.silu, "hardswish": F.hardswish, "tanh": torch.tanh, "softsign": F.softsign, "mish": F.mish,
    "celu": F.celu, "selu": F.selu,
}  # fmt: skip
ROWS = ("golowich2018_1inf", "neyshabur2015_1inf", "gouk2021_1inf")


def node(name, source=0, shape=(1, 1, 1)):
    return Activation(name, (source,), shape, f"{name}.default", {}, LIPSCHITZ[name])


def all_signs(m):
    return torch.tensor(list(itertools.product((-1.0, 1.0), repeat=m)), dtype=torch.float64)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parts_are_as_steep_as_they_are_said_to_be(name):
    """The steepest slope of phi on a fine grid, and those of its odd and even parts, where these are said to be smaller."""
    t = torch.linspace(-12, 12, 480_001, dtype=torch.float64)
    up, down, own = FUNCTIONS[name](t), FUNCTIONS[name](-t), node(name)

    def slope(values):
        return float((values[1:] - values[:-1]).abs().max() / (t[1] - t[0]))

    assert float(FUNCTIONS[name](torch.zeros(1))) == 0
    assert slope(up) <= own.lipschitz + 1e-9
    assert own.lipschitz <= slope(up) * (1 + 3e-4)
    if own.even < own.lipschitz:
        assert slope((up - down) / 2) <= own.lipschitz - own.even + 1e-9
        assert slope((up + down) / 2) <= own.even + 1e-9


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("power", [1, 2])
def test_contraction_over_all_signs(name, power):
    """E sup |sum xi phi(a)|^p <= (1 + even / lipschitz) E (lipschitz sup |sum xi a|)^p over random sets of vectors."""
    own, worst = node(name), 0.0
    factor = math.exp(contraction_log_cost(own.even, own.lipschitz)) * own.lipschitz**power
    for seed in range(200):
        random = torch.Generator().manual_seed(seed)
        members, m = 1 + seed % 5, 2 + seed % 4
        a = torch.randn(members, m, generator=random, dtype=torch.float64) * 10.0 ** (seed % 3 - 1)
        signs = all_signs(m)
        above = (signs @ FUNCTIONS[name](a).T).abs().amax(1).pow(power).mean()
        below = (signs @ a.T).abs().amax(1).pow(power).mean()
        worst = max(worst, float(above / (factor * below)))
    assert 0.2 < worst <= 1 + 1e-12


def network(name, weights, biases):
    s = Sketch((weights[0].shape[1], 1, 1))
    at = s.affine(0, weights[0][:, :, None, None], biases[0])
    at = s._append(node(name, at, s.nodes[at].shape))
    s.affine(at, weights[1][:, :, None, None], biases[1])
    return s.network()


def drawn(seed=0, classes=1):
    random = torch.Generator().manual_seed(seed)
    weights = [torch.randn(out, width, generator=random).double() for out, width in ((3, 2), (classes, 3))]
    biases = [torch.rand(len(weight), generator=random).double() for weight in weights]
    return weights, biases, torch.randn(6, 2, 1, 1, generator=random).double()


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", ["gelu", "silu", "hardswish", "tanh", "mish"])
def test_formula_of_two_layers(name, classes):
    """Size B_2 beta (B_1 + c_1 / t) + c_2 / t; the constant enters at both layers and leaves at two heights."""
    weights, biases, x = drawn(classes=classes)
    outcome = registry["golowich2018_1inf"].compute(problem_for(network(name, weights, biases), x))
    rows, shifts = (
        [float(w.abs().sum(1).max()) for w in weights],
        [float(b.abs().max()) for b in biases],
    )
    beta, cost = LIPSCHITZ[name], 1 + node(name).even / LIPSCHITZ[name]
    energies = x.square().sum(0).flatten().tolist()
    expected = min(
        (rows[1] * beta * (rows[0] + shifts[0] / t) + shifts[1] / t)
        * classes * second_moment([*energies, len(x) * t**2], cost + 1) / len(x)
        for t in (2.0**k for k in range(-12, 13))
    )  # fmt: skip
    assert math.exp(outcome.log_complexity(outcome.numbers)) == pytest.approx(expected, rel=1e-3)
    assert outcome.terms["contractions"] == 1


def attained(name, rows, shifts, x):
    """The mean over all signs of the supremum over two layers: the last one picks the best hidden unit, found on a grid."""
    angles = torch.linspace(-1, 1, 81, dtype=torch.float64)
    one = torch.cat([torch.stack([angles, s * (1 - angles.abs())], 1) for s in (-1, 1)])
    grid = torch.cat([one * scale for scale in (0.25, 0.5, 0.75, 1.0)]) * rows[0]
    levels = torch.linspace(-1, 1, 21, dtype=torch.float64) * shifts[0]
    units = FUNCTIONS[name]((grid @ x.flatten(1).T)[:, None] + levels[None, :, None]).flatten(0, 1)
    signs = all_signs(len(x))
    return float((rows[1] * (signs @ units.T).abs().amax(1) + shifts[1] * signs.sum(1).abs()).mean() / len(x))


@pytest.mark.parametrize("name", ["gelu", "silu", "hardswish", "tanh", "mish"])
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_no_class_passes_it(name, scale):
    weights, biases, x = drawn(1)
    weights, biases = [scale * w for w in weights], [0.3 * b for b in biases]
    rows = [float(w.abs().sum(1).max()) for w in weights]
    shifts = [float(b.abs().max()) for b in biases]
    found = attained(name, rows, shifts, x)
    problem = problem_for(network(name, weights, biases), x)
    for bound in ROWS:
        outcome = registry[bound].compute(problem)
        claimed = math.exp(outcome.log_complexity(outcome.numbers))
        assert 0.02 * claimed < found <= claimed


@pytest.mark.parametrize("bound", ROWS)
def test_every_norm_is_paid_for_on_its_own_grid(bound):
    weights, biases, x = drawn(2)
    outcome = registry[bound].compute(problem_for(network("gelu", weights, biases), x))
    wanted = {"norm.layer0", "bias.layer0"} | (
        {"distance.layer1", "shift.layer1"} if "gouk" in bound else {"norm.layer1", "bias.layer1"}
    )
    assert set(outcome.numbers) == wanted
    whole = outcome.log_complexity(outcome.numbers)
    for key in wanted:
        assert outcome.log_complexity({**outcome.numbers, key: outcome.numbers[key] + 1}) > whole


def test_relus_beside_them_cost_what_they_always_do():
    """A network of ReLUs alone is bounded by one number; with one smooth activation every norm is a number of its own."""
    s = Sketch((2, 1, 1))
    at = s.relu(s.linear(0, 3))
    at = s._append(node("tanh", s.linear(at, 3), (3, 1, 1)))
    s.linear(at, 1)
    x = torch.randn(5, 2, 1, 1, generator=torch.Generator().manual_seed(0)).double()
    outcome = registry["golowich2018_1inf"].compute(problem_for(s.network(), x))
    assert math.exp(outcome.terms["log_factor"]) == pytest.approx(1.5)
    assert outcome.terms["contractions"] == 2

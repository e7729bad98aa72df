"""Graf et al. 2022 and Lin & Zhang 2019 against loops over kernels, and the steps of the derivation."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from distance_twins import (
    CHAINS,
    conv_chain,
    entries,
    feeding_norms,
    filter_norms,
    graf,
    kernel_two_one,
    lin,
    overlapping,
    reference_for,
    spectral_norms,
    wrapped,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import mlp, problem_for, sample

from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.code_lengths import LOWEST, absent_bits, log2_weight
from boundcalc.bounds.distances import log_kernel_norm
from boundcalc.bounds.graf2022 import PSI, distance_norm, harmonic, log_by_norms, log_by_parameters, log_ceil
from boundcalc.network.chain import toeplitz_layers
from boundcalc.network.forward import affine
from boundcalc.norms.kernels import filters, frobenius, two_one


def parts(network, problem, reference, measure):
    """Dense spectral norms, certified ones, sizes of kernels, weights."""
    feeding = feeding_norms(network)
    kernels = [
        layer.weight - reference.get(f"{layer.name}.weight", torch.zeros_like(layer.weight))
        for layer in network.layers()
    ]
    return (
        (spectral_norms(network), problem.chain.spectral),
        [
            (filter_norms if measure is kernel_two_one and layer.kind == "linear" else measure)(kernel) * feed
            for layer, kernel, feed in zip(network.layers(), kernels, feeding, strict=True)
        ],
        [layer.weight.numel() for layer in network.layers()],
    )


def assert_between(lowest, found, highest, make):
    """At least the formula at dense norms, and the formula at certified norms; pooling over overlaps is bounded."""
    assert lowest * (1 - 1e-12) <= highest * (1 - 1e-12) <= found
    assert found <= highest * (1.2 if make in {overlapping, wrapped} else 1 + 1e-9)


@pytest.mark.parametrize("make", CHAINS)
@pytest.mark.parametrize("refer", [False, True])
@pytest.mark.parametrize("kind", ["norms", "params"])
def test_graf(make, refer, kind):
    network = make(3)
    x = 3 * sample(network, 12)
    reference = reference_for(network) if refer else {}
    problem = problem_for(network, x, spectral=True, reference=reference)
    whole = registry[f"graf2022_{kind}"].compute(problem)
    outcome = whole.published
    norms, sizes, weights = parts(network, problem, reference, kernel_two_one)
    energy = float(x.square().sum().sqrt())
    for gamma in (0.01, 1.0):
        lowest, highest = (graf(kind, norm, sizes, weights, energy, 12, gamma) for norm in norms)
        found = math.exp(outcome.log_complexity(outcome.numbers, math.log(gamma)))
        assert_between(lowest, found, highest, make)
    assert whole.terms["distance_from"] == ("initialisation" if refer else "zero")


@pytest.mark.parametrize("make", CHAINS)
def test_lin(make):
    network = make(3)
    x = 3 * sample(network, 12)
    problem = problem_for(network, x, spectral=True, reference=reference_for(network))
    outcome = registry["lin2019"].compute(problem)
    norms, sizes, weights = parts(network, problem, {}, entries)
    steps = [
        1.0
        if tuple(layer.shape[1:]) == (1, 1)
        else max(
            layer.window.height.size / layer.window.height.stride,
            layer.window.width.size / layer.window.width.stride,
        )
        for layer in network.layers()
    ]
    energy = float(x.square().sum().sqrt())
    lowest, highest = (lin(norm, sizes, weights, steps, energy, 12, 0.5) for norm in norms)
    found = math.exp(outcome.log_complexity(outcome.numbers, math.log(0.5)))
    assert_between(lowest, found, highest, make)
    assert registry["lin2019"].status == "published" and outcome.terms["distance_from"] == "zero"


@pytest.mark.parametrize("name", ["graf2022_norms", "graf2022_params", "lin2019", "ledent2021"])
def test_they_rise_with_spectral_norms_and_distances_and_fall_with_the_margin(name):
    network = conv_chain(0)
    outcome = registry[name].compute(problem_for(network, sample(network, 9), spectral=True))
    base = outcome.log_complexity(outcome.numbers, math.log(1e-3))
    for number in outcome.numbers:
        if not number.startswith("patch"):
            raised = {**outcome.numbers, number: outcome.numbers[number] + 0.5}
            assert outcome.log_complexity(raised, math.log(1e-3)) >= base, number
    assert outcome.log_complexity(outcome.numbers, 0.5) < base
    everything = {number: value + 0.5 for number, value in outcome.numbers.items()}
    assert outcome.log_complexity(everything, math.log(1e-3)) > base


@given(
    st.lists(st.floats(-3, 9), min_size=1, max_size=4),
    st.integers(2, 10**6),
    st.floats(0, 2),
    st.integers(1, 10**6),
)
@settings(max_examples=80, deadline=None)
def test_more_capacity_and_fewer_samples_never_hurt_less(capacity, m, more, weights):
    counts = [weights] * len(capacity)
    for formula in (log_by_norms, log_by_parameters):
        base = formula(capacity, counts, m)
        assert formula([value + more for value in capacity], counts, m) >= base
        assert formula(capacity, [2 * count for count in counts], m) >= base
    assert log_by_parameters(capacity, counts, 2 * m) < log_by_parameters(capacity, counts, m)
    assert log_by_norms(capacity, counts, 400 * m) < log_by_norms(capacity, counts, m)


@given(st.floats(-800, 36))
def test_whole_numbers_from_above(log_value):
    assert math.exp(log_ceil(log_value)) >= math.exp(log_value) * (1 - 1e-12)
    assert math.exp(log_ceil(log_value)) <= math.exp(log_value) + 1 + 1e-9 * math.exp(log_value)


@pytest.mark.parametrize("n", [1, 2, 1000, 1001, 5000, 200_000])
def test_harmonic_numbers_from_above(n):
    exact = math.fsum(1 / k for k in range(1, n + 1))
    assert exact <= harmonic(n) <= exact * (1 + 1e-7)


# ------------------------------------------------------------------------------- steps of the derivation


def test_psi_is_above_its_series_and_integral():
    """Integral over [0, 1] of log ceil(1/eps^2) = sum_k log(1 + 1/k) / sqrt k; the rest of the series is below 2 / sqrt n."""
    head = math.fsum(math.log1p(1 / k) / math.sqrt(k) for k in range(1, 100_000))
    assert head + 2 / math.sqrt(99_999) < PSI
    steps = 200_000
    for n in (1, 7, 10**6):
        integral = math.fsum(
            math.log((1 + n * math.ceil((steps / (i + 0.5)) ** 2)) / (1 + n)) / steps for i in range(steps)
        )
        assert integral < PSI


def test_the_integral_behind_the_harmonic_number():
    """Integral of ceil(1/eps) from 1/m to 1 is H_{m-1}."""
    m, steps = 40, 400_000
    width = (1 - 1 / m) / steps
    integral = math.fsum(math.ceil(1 / (1 / m + (i + 0.5) * width)) for i in range(steps)) * width
    assert integral == pytest.approx(harmonic(m - 1), rel=1e-3)


@given(st.lists(st.floats(0.01, 30), min_size=1, max_size=5), st.floats(0.02, 1))
@settings(max_examples=100, deadline=None)
def test_the_split_of_the_radius(capacity, eps):
    """sum_l ceil(C_l^2 / eps_l^2) <= (sum n)^3 ceil(1/eps)^2 with eps_l = eps n_l / sum n, n_l = ceil(C_l^{2/3})."""
    whole = [math.ceil(c ** (2 / 3)) for c in capacity]
    radii = [eps * n / sum(whole) for n in whole]
    covers = sum(math.ceil(c**2 / r**2 * (1 - 1e-12)) for c, r in zip(capacity, radii, strict=True))
    assert sum(radii) <= eps * (1 + 1e-12)
    assert covers <= sum(whole) ** 3 * math.ceil(1 / eps) ** 2


@given(st.integers(1, 6), st.integers(0, 8))
def test_multisets_of_maurey(kinds, size):
    assert math.comb(kinds + size - 1, size) <= min(kinds**size, (1 + size) ** kinds)


@pytest.mark.parametrize("make", CHAINS)
@pytest.mark.parametrize("seed", range(3))
def test_a_layer_lies_in_the_hull_of_its_elementary_maps(make, seed):
    """||conv_K(P x)|| <= sum over entries of |K| ||elementary map of P x|| <= kernel norm times ||x||."""
    network = make(seed)
    random = torch.Generator().manual_seed(seed)
    for link in toeplitz_layers(network):
        layer = link.layer
        source = network.nodes[link.pools[0].inputs[0] if link.pools else layer.inputs[0]]
        x = torch.randn(4, *source.shape, generator=random, dtype=torch.float64)
        inner = x
        for pool in link.pools:
            inner = pool.rows_h @ inner @ pool.rows_w.T
        total = 0.0
        for place in itertools.product(*map(range, layer.weight.shape)):
            elementary = torch.zeros_like(layer.weight)
            elementary[place] = layer.weight[place]
            total += float(affine(layer, inner, elementary, None).norm())
        whole = float(affine(layer, inner, layer.weight, None).norm())
        assert (
            whole
            <= total * (1 + 1e-12)
            <= math.exp(log_kernel_norm(link, layer.weight, distance_norm(layer)))
            * float(x.norm())
            * (1 + 1e-9)
        )


# ------------------------------------------------------------------------------- kernels, biases


@given(st.integers(0, 10**6), st.sampled_from([1e-300, 1e-160, 1e-8, 1.0, 1e8, 1e160, 1e300]))
@settings(max_examples=40, deadline=None)
def test_kernel_norms_neither_vanish_nor_overflow(seed, scale):
    kernel = torch.randn(3, 2, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    kernel = kernel * (torch.rand(kernel.shape, generator=torch.Generator().manual_seed(seed + 1)) < 0.7)
    for fast, slow in ((two_one, kernel_two_one), (filters, filter_twin), (frobenius, entries)):
        expected = slow(kernel) * scale
        assert expected * (1 - 1e-13) <= fast(kernel * scale).value <= expected * (1 + 1e-12)


def filter_twin(kernel):
    return sum(entries(one) for one in kernel)


def test_a_bias_of_zeros_is_none_but_paid_for_and_any_other_is_beyond_what_was_published():
    network = mlp((6, 5, 3), 0, 0.7, bias=True)
    for layer in network.layers():
        layer.bias.zero_()
    plain = mlp((6, 5, 3), 0, 0.7, bias=True)
    x = sample(network, 9)
    problem = problem_for(network, x, spectral=True)
    for name in (
        "graf2022_norms",
        "graf2022_params",
        "ledent2021",
        "lin2019",
        "gouk2021_1inf",
        "gouk2021_fro",
    ):
        outcome, biased = (registry[name].compute(p) for p in (problem, problem_for(plain, x, spectral=True)))
        moved = [value for number, value in outcome.numbers.items() if number.startswith(("bias.", "shift."))]
        assert set(moved) <= {-math.inf} and (moved or name == "ledent2021")
        if registry[name].status == "theorem":
            assert outcome.published is not None and biased.published is None
        else:
            assert outcome.terms["extended"] is None and "bias at layer0" in biased.terms["extended"]


def test_which_biases_are_zero_is_paid_from_grid_points_that_no_number_takes():
    unused = math.fsum(2.0 ** -log2_weight(k) for k in range(LOWEST - 2_000_000, LOWEST))
    for declared in (1, 3):
        assert 2.0 ** -absent_bits(declared, 1) * 2**declared == pytest.approx(unused, rel=0.06)
    network, x = mlp((6, 5, 3), 0, 0.7, bias=True), sample(mlp((6, 5, 3), 0), 9)
    bits = [registry["golowich2018_fro"].compute(problem_for(network, x)).bits]
    next(network.layers()).bias.zero_()
    bits.append(registry["golowich2018_fro"].compute(problem_for(network, x)).bits)
    assert bits[1] == pytest.approx(bits[0] + absent_bits(2, 1))


def test_a_distance_of_zero_is_free():
    """All layers at the reference: one function, and the class of it has a cover of one element."""
    network = conv_chain(1)
    reference = {f"{layer.name}.weight": layer.weight for layer in network.layers()}
    problem = problem_for(network, sample(network, 9), spectral=True, reference=reference)
    for name in ("graf2022_params", "graf2022_norms"):
        outcome = registry[name].compute(problem)
        assert outcome.log_complexity(outcome.numbers, 0.0) == -math.inf
    published = outcome.published
    assert math.exp(published.log_complexity(published.numbers, 0.0)) == pytest.approx(4 / 9)
    for name in ("gouk2021_1inf", "gouk2021_fro"):
        outcome = registry[name].compute(problem)
        assert outcome.log_complexity(outcome.numbers) == -math.inf

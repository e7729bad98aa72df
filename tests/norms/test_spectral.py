"""Spectral norms: never below the truth, close to the circulant majorant, and always an answer."""

from __future__ import annotations

import math

import pytest
import torch
from dense import adaptive_pool, average_pool, conv_layer, dense_matrix, linear_layer, majorant, masked
from drawn import convolutions
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.network.chain import Link
from boundcalc.norms import spectral
from boundcalc.norms.spectral import certified_norm, pool_norm, spectral_norm


def exact_norm(link: Link) -> float:
    return float(torch.linalg.matrix_norm(dense_matrix(link), 2))


def certified(matrix: torch.Tensor) -> float:
    return certified_norm(iter([matrix[None]]))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def check_convolution(layer):
    norm = spectral_norm(Link(layer, ()))
    assert norm >= exact_norm(Link(layer, ()))
    if layer.window.out != (1, 1) and not layer.circular:
        assert norm <= majorant(layer) * 1.01


@given(convolutions())
@settings(max_examples=250)
def test_never_below_the_matrix_and_near_the_majorant(layer):
    check_convolution(layer)


@given(convolutions(circular=True))
@settings(max_examples=120)
def test_circular_never_below_the_matrix(layer):
    check_convolution(layer)


@pytest.mark.slow
@given(st.one_of(convolutions(most=20_000), convolutions(circular=True, most=20_000)))
@settings(max_examples=10_000)
def test_never_below_the_matrix_ten_thousand_times(layer):
    check_convolution(layer)


def test_circular_is_exact_where_padding_keeps_the_size():
    layer = conv_layer(random(3, 2, 3, 3), (6, 5), padding=((1, 1), (1, 1)), circular=True)
    norm = spectral_norm(Link(layer, ()))
    assert exact_norm(Link(layer, ())) <= norm <= 1.01 * exact_norm(Link(layer, ()))


def test_circular_padding_beyond_the_kernel_repeats_outputs():
    layer = conv_layer(torch.ones(1, 1, 1, 1).double(), (4, 4), padding=((4, 4), (2, 2)), circular=True)
    assert exact_norm(Link(layer, ())) == pytest.approx(math.sqrt(6))
    assert spectral_norm(Link(layer, ())) >= exact_norm(Link(layer, ()))


@given(convolutions(most=20_000), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=60)
def test_pooling_is_a_factor_from_above(layer, kernel, stride):
    sizes = [(axis.size - 1) * stride + kernel for axis in (layer.window.height, layer.window.width)]
    pool = average_pool((layer.weight.shape[1] * layer.groups, *sizes), kernel, stride)
    link = Link(layer, (pool,))
    assert spectral_norm(link) >= exact_norm(link)


def test_norm_of_disjoint_pooling_is_known():
    layer = linear_layer(random(4, 2), (2, 1, 1))
    link = Link(layer, (adaptive_pool((2, 4, 4), (1, 1)),))
    assert pool_norm(link) == pytest.approx(1 / 4, rel=1e-3)
    assert exact_norm(link) <= spectral_norm(link) <= exact_norm(link) * 1.01


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([1.0, 0.3, 0.05]))
@settings(max_examples=150)
def test_linear_layers_within_one_percent(out, width, seed, density):
    weight = masked((out, width), seed, density)
    exact = float(torch.linalg.matrix_norm(weight, 2))
    norm = spectral_norm(Link(linear_layer(weight, (width, 1, 1)), ()))
    assert exact <= norm <= exact * 1.01


ADVERSARIAL = {
    "repeated singular values": torch.linalg.qr(random(60, 60))[0],
    "identity": torch.eye(50, dtype=torch.float64),
    "rank one": torch.outer(random(30), random(70, seed=1)),
    "one entry": torch.zeros(9, 9, dtype=torch.float64).index_put((torch.tensor(3), torch.tensor(4)), torch.tensor(7.0).double()),
    "one row": random(1, 300),
    "one column": random(300, 1),
    "one number": torch.full((1, 1), -3.0, dtype=torch.float64),
    "two close values": torch.diag(torch.linspace(1, 1 + 1e-9, 40, dtype=torch.float64)),
    "graded": torch.diag(torch.logspace(0, -300, 40, dtype=torch.float64)),
    "orthogonal to the start": torch.outer(torch.ones(64), torch.tensor([1.0, -1.0]).repeat(32)).double(),
    "low rank plus noise": random(64, 2) @ random(2, 64, seed=1) + 1e-13 * random(64, 64, seed=2),
    "nearly singular difference": torch.diag(1 - torch.arange(64).double() * 2.0**-52),
}  # fmt: skip


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e-150, 1e-3, 1.0, 1e3, 1e150, 1e160, 1e300])
def test_adversarial_matrices_at_every_size(name, size):
    matrix = ADVERSARIAL[name]
    exact = float(torch.linalg.matrix_norm(matrix, 2))
    norm = certified(matrix * size)
    assert exact * size * (1 - 1e-13) <= norm <= exact * size * 1.01


def test_known_singular_values_are_never_missed_from_below():
    for seed in range(20):
        left, right = (
            torch.linalg.qr(random(24, 24, seed=seed))[0],
            torch.linalg.qr(random(24, 24, seed=seed + 99))[0],
        )
        matrix = (
            left
            @ torch.diag(torch.cat([torch.full((seed + 1,), 3.0), torch.ones(23 - seed)]).double())
            @ right
        )
        assert 3 * (1 - 1e-14) <= certified(matrix) <= 3.003


def test_zero_is_zero():
    assert certified(torch.zeros(4, 7, dtype=torch.float64)) == 0
    layer = conv_layer(torch.zeros(2, 2, 3, 3, dtype=torch.float64), (5, 5), padding=((1, 1), (1, 1)))
    assert spectral_norm(Link(layer, ())) == 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_gives_infinity_and_ends(value):
    matrix = random(5, 5)
    matrix[2, 3] = value
    assert certified(matrix) == math.inf


def test_overflow_gives_infinity_not_a_number_below():
    assert certified(torch.full((40, 40), 1.7e308, dtype=torch.float64)) == math.inf


@pytest.mark.parametrize("size", [1e-250, 1e-150, 1.0, 1e150, 1e250])
def test_kernels_at_every_size(size):
    kernel = random(3, 2, 3, 2)
    layer = conv_layer(kernel * size, (5, 4), padding=((1, 1), (1, 0)))
    unit = conv_layer(kernel, (5, 4), padding=((1, 1), (1, 0)))
    norm = spectral_norm(Link(layer, ()))
    assert exact_norm(Link(unit, ())) * size <= norm <= majorant(unit) * size * 1.01


def test_identity_kernel_has_norm_one():
    kernel = torch.zeros(4, 4, 3, 3, dtype=torch.float64)
    kernel[torch.arange(4), torch.arange(4), 1, 1] = 1
    layer = conv_layer(kernel, (9, 9), padding=((1, 1), (1, 1)))
    assert 1 <= spectral_norm(Link(layer, ())) <= 1.001


def test_one_channel_of_ones():
    layer = conv_layer(torch.ones(1, 1, 3, 3, dtype=torch.float64), (16, 16), padding=((1, 1), (1, 1)))
    assert 8.7 < spectral_norm(Link(layer, ())) <= 9.01


def test_one_huge_frequency_among_many():
    blocks = torch.eye(8, dtype=torch.float64).repeat(200, 1, 1)
    blocks[137] *= 1e6
    assert 1e6 <= certified_norm(iter(blocks.split(50))) <= 1e6 * 1.001


def test_the_largest_block_may_come_in_any_chunk():
    blocks = torch.stack([torch.diag(random(6, seed=i)) * i for i in range(1, 30)])
    exact = float(torch.linalg.matrix_norm(blocks, 2).max())
    for order in (blocks, blocks.flip(0)):
        assert exact <= certified_norm(iter(order.split(1))) <= exact * 1.001


NASTY = {
    "orthogonal": torch.linalg.qr(random(512, 512))[0],
    "identity": torch.eye(512, dtype=torch.float64),
    "all but one equal": torch.diag(torch.cat([torch.full((511,), 1.0), torch.tensor([1 + 1e-12])]).double()),
    "spread": torch.diag(torch.linspace(0.9, 1, 512, dtype=torch.float64)),
    "Gaussian": random(512, 512),
    "rank one plus tiny": torch.ones(512, 512, dtype=torch.float64) + 1e-15 * random(512, 512),
    "Hilbert": 1 / (torch.arange(512)[:, None] + torch.arange(512) + 1).double(),
}


@pytest.mark.parametrize("name", NASTY)
def test_few_factorisations_are_tried(name, monkeypatch):
    tried = []
    fails = spectral._fails
    monkeypatch.setattr(spectral, "_fails", lambda *a: tried.append(1) or fails(*a))
    norm = certified(NASTY[name])
    exact = float(torch.linalg.matrix_norm(NASTY[name], 2))
    assert exact * (1 - 1e-13) <= norm <= exact * 1.002
    assert len(tried) <= 6


def test_ends_by_the_trace_where_every_factorisation_fails(monkeypatch):
    monkeypatch.setattr(spectral, "_fails", lambda gram, tau: torch.ones(len(gram), dtype=torch.bool))
    monkeypatch.setattr(spectral, "_lanczos", lambda gram: 0.0)
    matrix = random(20, 30)
    frobenius = float(torch.linalg.matrix_norm(matrix))
    assert frobenius <= certified(matrix) <= frobenius * 1.002


def test_a_useless_estimate_changes_nothing_but_time(monkeypatch):
    matrix = random(20, 30)
    exact = float(torch.linalg.matrix_norm(matrix, 2))
    monkeypatch.setattr(spectral, "_lanczos", lambda gram: 1e-3)
    assert exact <= certified(matrix) <= exact * 1.002

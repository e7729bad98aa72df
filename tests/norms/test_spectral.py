"""Spectral norms: never below the truth, close to the circulant majorant, and always an answer."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import pytest
import torch
from dense import adaptive_pool, average_pool, conv_layer, dense_matrix, linear_layer, majorant, masked
from drawn import convolutions
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.network.chain import ToeplitzLayer
from boundcalc.network.geometry import Window
from boundcalc.norms.spectral import SpectralNorm, matrix_norm, pool_norm, spectral_interval, spectral_norm


def exact_norm(link: ToeplitzLayer) -> float:
    return float(torch.linalg.matrix_norm(dense_matrix(link), 2))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def check_convolution(layer):
    norm = spectral_interval(ToeplitzLayer(layer, ()))
    assert norm.upper >= exact_norm(ToeplitzLayer(layer, ()))
    assert norm.lower <= norm.upper <= norm.lower * 1.01
    if not layer.circular:
        assert norm.upper <= majorant(layer) * 1.01


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
    norm = spectral_norm(ToeplitzLayer(layer, ()))
    assert exact_norm(ToeplitzLayer(layer, ())) <= norm <= 1.01 * exact_norm(ToeplitzLayer(layer, ()))


def test_circular_padding_beyond_the_kernel_repeats_outputs():
    layer = conv_layer(torch.ones(1, 1, 1, 1).double(), (4, 4), padding=((4, 4), (2, 2)), circular=True)
    assert exact_norm(ToeplitzLayer(layer, ())) == pytest.approx(math.sqrt(6))
    assert spectral_norm(ToeplitzLayer(layer, ())) >= exact_norm(ToeplitzLayer(layer, ()))


@given(convolutions(most=20_000), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=60)
def test_pooling_is_a_factor_from_above(layer, kernel, stride):
    sizes = [(axis.size - 1) * stride + kernel for axis in (layer.window.height, layer.window.width)]
    pool = average_pool((layer.weight.shape[1] * layer.groups, *sizes), kernel, stride)
    link = ToeplitzLayer(layer, (pool,))
    assert spectral_norm(link) >= exact_norm(link)


def test_norm_of_disjoint_pooling_is_known():
    layer = linear_layer(random(4, 2), (2, 1, 1))
    link = ToeplitzLayer(layer, (adaptive_pool((2, 4, 4), (1, 1)),))
    assert pool_norm(link).lower <= 1 / 4 <= pool_norm(link).upper <= 1 / 4 * 1.001
    assert exact_norm(link) <= spectral_norm(link) <= exact_norm(link) * 1.01


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([1.0, 0.3, 0.05]))
@settings(max_examples=150)
def test_linear_layers_within_one_percent(out, width, seed, density):
    weight = masked((out, width), seed, density)
    exact = float(torch.linalg.matrix_norm(weight, 2))
    norm = spectral_norm(ToeplitzLayer(linear_layer(weight, (width, 1, 1)), ()))
    assert exact <= norm <= exact * 1.01


def test_zero_is_zero():
    layer = conv_layer(torch.zeros(2, 2, 3, 3, dtype=torch.float64), (5, 5), padding=((1, 1), (1, 1)))
    assert spectral_interval(ToeplitzLayer(layer, ())) == SpectralNorm(0.0, 0.0)
    assert matrix_norm(torch.zeros(4, 7, dtype=torch.float64)) == SpectralNorm(0.0, 0.0)


@pytest.mark.parametrize("size", [1e-250, 1e-150, 1.0, 1e150, 1e250])
def test_kernels_at_every_size(size):
    kernel = random(3, 2, 3, 2)
    layer = conv_layer(kernel * size, (5, 4), padding=((1, 1), (1, 0)))
    unit = conv_layer(kernel, (5, 4), padding=((1, 1), (1, 0)))
    norm = spectral_norm(ToeplitzLayer(layer, ()))
    assert exact_norm(ToeplitzLayer(unit, ())) * size <= norm <= majorant(unit) * size * 1.01


def test_identity_kernel_has_norm_one():
    kernel = torch.zeros(4, 4, 3, 3, dtype=torch.float64)
    kernel[torch.arange(4), torch.arange(4), 1, 1] = 1
    layer = conv_layer(kernel, (9, 9), padding=((1, 1), (1, 1)))
    assert 1 <= spectral_norm(ToeplitzLayer(layer, ())) <= 1.001


def test_one_channel_of_ones():
    layer = conv_layer(torch.ones(1, 1, 3, 3, dtype=torch.float64), (16, 16), padding=((1, 1), (1, 1)))
    assert 8.7 < spectral_norm(ToeplitzLayer(layer, ())) <= 9.01


def linear_as_matrix(link: ToeplitzLayer) -> float:
    return float(torch.linalg.matrix_norm(link.layer.weight.flatten(1), 2))


def test_stride_of_the_kernel_width_is_one_matrix():
    layer = conv_layer(random(5, 3, 4, 4), (16, 16), stride=(4, 4))
    norm = spectral_interval(ToeplitzLayer(layer, ()))
    assert exact_norm(ToeplitzLayer(layer, ())) == pytest.approx(linear_as_matrix(ToeplitzLayer(layer, ())))
    assert norm.lower <= linear_as_matrix(ToeplitzLayer(layer, ())) <= norm.upper <= norm.lower * 1.0011


@given(convolutions())
@settings(max_examples=60)
def test_stride_never_costs_against_every_position(layer):
    axes = [replace(axis, stride=1) for axis in (layer.window.height, layer.window.width)]
    everywhere = replace(layer, window=Window(*axes))
    assert spectral_norm(ToeplitzLayer(layer, ())) <= 1.0061 * spectral_norm(ToeplitzLayer(everywhere, ()))


def test_strided_circular_is_exact_where_the_stride_divides():
    layer = conv_layer(random(3, 2, 3, 3), (6, 8), stride=(2, 4), padding=((1, 1), (1, 1)), circular=True)
    exact, norm = exact_norm(ToeplitzLayer(layer, ())), spectral_interval(ToeplitzLayer(layer, ()))
    assert norm.lower * (1 - 1e-13) <= exact <= norm.upper <= 1.0011 * exact


def test_circular_stride_that_divides_nothing():
    layer = conv_layer(random(3, 2, 3, 3), (7, 5), stride=(2, 3), padding=((1, 1), (1, 1)), circular=True)
    assert spectral_norm(ToeplitzLayer(layer, ())) >= exact_norm(ToeplitzLayer(layer, ()))


@given(convolutions())
@settings(max_examples=100)
def test_lower_is_below_the_majorant_where_no_row_is_left_out(layer):
    axes = [replace(axis, stride=1) for axis in (layer.window.height, layer.window.width)]
    layer = replace(layer, window=Window(*axes))
    norm = spectral_interval(ToeplitzLayer(layer, ()))
    if layer.window.out != (1, 1):
        assert norm.lower <= majorant(layer) * (1 + 1e-13)


def test_one_output_position_takes_only_taps_on_the_image():
    layer = conv_layer(random(4, 3, 5, 5), (3, 3), padding=((1, 1), (1, 1)))
    exact, norm = exact_norm(ToeplitzLayer(layer, ())), spectral_interval(ToeplitzLayer(layer, ()))
    assert layer.window.out == (1, 1)
    assert norm.lower * (1 - 1e-13) <= exact <= norm.upper <= 1.0011 * exact


def test_depthwise_layers_of_many_groups():
    layer = conv_layer(random(256, 1, 3, 3), (14, 14), padding=((1, 1), (1, 1)), groups=256)
    assert majorant(layer) <= spectral_norm(ToeplitzLayer(layer, ())) <= majorant(layer) * (1 + 1e-9)


def test_the_largest_group_may_come_at_any_place():
    for place in range(3):
        kernel = random(6, 2, 3, 3)
        kernel[2 * place : 2 * place + 2] *= 5
        layer = conv_layer(kernel, (6, 6), padding=((1, 1), (1, 1)), groups=3)
        assert majorant(layer) <= spectral_norm(ToeplitzLayer(layer, ())) <= majorant(layer) * 1.0011


@pytest.mark.parametrize(("size", "stride"), [((130, 4), 1), ((60, 99), 1), ((131, 6), 2)])
def test_large_images_are_sampled_within_one_percent(size, stride):
    layer = conv_layer(random(3, 2, 3, 3), size, (stride, stride), ((1, 1), (1, 1)))
    norm, truth = spectral_interval(ToeplitzLayer(layer, ())), majorant(layer)
    assert norm.upper <= truth * 1.01
    assert norm.lower <= norm.upper <= norm.lower * 1.01
    if stride == 1:
        assert norm.lower <= truth <= norm.upper


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_give_infinity(value):
    kernel = random(2, 2, 3, 3)
    kernel[1, 0, 2, 1] = value
    layer = conv_layer(kernel, (5, 5), padding=((1, 1), (1, 1)))
    assert spectral_norm(ToeplitzLayer(layer, ())) == math.inf


def test_overflow_gives_infinity_not_a_number_below():
    norm = matrix_norm(torch.full((40, 40), 1.7e308, dtype=torch.float64))
    assert (norm.upper, norm.lower) == (math.inf, sys.float_info.max)


def test_denormal_weights():
    norm = matrix_norm(torch.full((9, 16), 5e-324, dtype=torch.float64))
    assert 12 * 5e-324 <= norm.upper <= 14 * 5e-324
    assert norm.lower <= 12 * 5e-324


def test_the_smallest_side_is_used_and_does_not_matter():
    wide = conv_layer(random(2, 7, 3, 3), (8, 8), padding=((1, 1), (1, 1)))
    tall = replace(wide, weight=wide.weight.transpose(0, 1).flip((2, 3)).contiguous())
    norms = [spectral_interval(ToeplitzLayer(layer, ())) for layer in (wide, tall)]
    assert norms[0].lower <= norms[1].upper
    assert norms[1].lower <= norms[0].upper

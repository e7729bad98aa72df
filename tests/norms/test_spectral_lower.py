"""Lower ends of spectral norms: never above the matrix written out entry by entry, and close to it."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from dense import adaptive_pool, average_pool, conv_layer, dense_matrix, linear_layer, majorant, masked
from drawn import convolutions
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.network.chain import ToeplitzLayer
from boundcalc.norms.spectral import spectral_norm
from boundcalc.norms.spectral_lower import norm_floor

ROUNDED = 1e-14
"""Relative error granted to the singular values of numpy, which are no certificate themselves."""


def exact_norm(link):
    return float(torch.linalg.matrix_norm(dense_matrix(link), 2))


def assert_floor(link, share=0.999):
    exact, found = exact_norm(link), norm_floor(link)
    assert share * exact <= found <= exact * (1 + ROUNDED)
    assert found <= spectral_norm(link)


@given(st.one_of(convolutions(), convolutions(circular=True)))
@settings(max_examples=120)
def test_every_geometry(layer):
    assert_floor(ToeplitzLayer(layer, ()))


@pytest.mark.slow
@given(st.one_of(convolutions(most=20_000), convolutions(circular=True, most=20_000)))
@settings(max_examples=10_000)
def test_every_geometry_ten_thousand_times(layer):
    assert_floor(ToeplitzLayer(layer, ()))


@given(convolutions(most=20_000), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=30)
def test_with_average_pooling_before(layer, kernel, stride):
    sizes = [(axis.size - 1) * stride + kernel for axis in (layer.window.height, layer.window.width)]
    pool = average_pool((layer.weight.shape[1] * layer.groups, *sizes), kernel, stride)
    assert_floor(ToeplitzLayer(layer, (pool,)))


def test_a_linear_layer_after_global_pooling():
    assert_floor(
        ToeplitzLayer(linear_layer(masked((4, 2), 0, 1.0), (2, 1, 1)), (adaptive_pool((2, 4, 4), (1, 1)),))
    )


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([1.0, 0.3, 0.05]))
@settings(max_examples=50)
def test_linear_layers(out, width, seed, density):
    assert_floor(ToeplitzLayer(linear_layer(masked((out, width), seed, density), (width, 1, 1)), ()))


@pytest.mark.parametrize("geometry", [(3, 1, 1), (3, 1, 0), (3, 2, 1), (4, 2, 1), (5, 1, 2)])
@pytest.mark.parametrize("size", [4, 8, 16])
def test_small_images_whose_circulant_majorant_is_larger(geometry, size):
    kernel, stride, padding = geometry
    layer = conv_layer(
        masked((2, 1, kernel, kernel), 0, 1.0), (size, size), (stride, stride), ((padding, padding),) * 2
    )
    assert_floor(ToeplitzLayer(layer, ()))


def test_a_majorant_that_no_vector_reaches():
    """Where nearly all of the image is border, the circulant operator is 11 % above the layer."""
    layer = conv_layer(torch.ones(1, 1, 3, 3, dtype=torch.float64), (4, 4), padding=((1, 1), (1, 1)))
    assert majorant(layer) > 1.11 * exact_norm(ToeplitzLayer(layer, ()))
    assert_floor(ToeplitzLayer(layer, ()))


@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_kernels_at_every_size(size):
    kernel = masked((3, 2, 3, 2), 0, 1.0) * size
    layer = conv_layer(kernel, (5, 4), padding=((1, 1), (1, 0)))
    unit = conv_layer(kernel / size, (5, 4), padding=((1, 1), (1, 0)))
    found = norm_floor(ToeplitzLayer(layer, ()))
    assert found <= exact_norm(ToeplitzLayer(unit, ())) * size * (1 + 1e-13 + 1e-322 / size)
    assert found >= 0.99 * exact_norm(ToeplitzLayer(unit, ())) * size * (1 - 1e-323 / size)


@pytest.mark.parametrize("span", [1e-160, 1e-300])
def test_weights_of_very_different_sizes(span):
    weight = torch.diag(torch.logspace(0, math.log10(span), 30, dtype=torch.float64))
    assert_floor(ToeplitzLayer(linear_layer(weight, (30, 1, 1)), ()))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_have_no_floor(value):
    kernel = masked((2, 2, 3, 3), 0, 1.0)
    kernel[1, 0, 2, 1] = value
    assert norm_floor(ToeplitzLayer(conv_layer(kernel, (5, 5)), ())) == 0.0


def test_zero_and_overflow():
    assert (
        norm_floor(ToeplitzLayer(linear_layer(torch.zeros(3, 4, dtype=torch.float64), (4, 1, 1)), ())) == 0.0
    )
    huge = torch.full((40, 40), 1.7e308, dtype=torch.float64)
    assert norm_floor(ToeplitzLayer(linear_layer(huge, (40, 1, 1)), ())) == sys.float_info.max


def test_it_repeats_to_the_bit():
    link = ToeplitzLayer(conv_layer(masked((4, 3, 3, 3), 0, 0.5), (9, 9), padding=((1, 1), (1, 1))), ())
    assert norm_floor(link) == norm_floor(link)


@pytest.mark.parametrize(("size", "looked_for"), [(42, True), (43, False)])
def test_a_large_layer_has_a_floor_as_long_as_that_is_cheap(size, looked_for):
    layer = conv_layer(masked((32, 32, 3, 3), 0, 1.0), (size, size), padding=((1, 1), (1, 1)))
    found, norm = norm_floor(ToeplitzLayer(layer, ())), spectral_norm(ToeplitzLayer(layer, ()))
    assert math.isnan(found) != looked_for
    assert not looked_for or 0.6 * norm <= found <= norm

"""Row norms in closed form against the Toeplitz matrix written out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from dense import (
    adaptive_pool,
    average_pool,
    conv_layer,
    dense_matrix,
    linear_layer,
    masked,
    torch_convolution,
)
from drawn import convolutions
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.errors import NotCovered
from boundcalc.network.chain import ToeplitzLayer
from boundcalc.norms.toeplitz import Rows, rows_of


def naive(link: ToeplitzLayer, extra: torch.Tensor | None = None) -> dict[str, float]:
    matrix = dense_matrix(link)
    added = torch.zeros(len(matrix)) if extra is None else extra.repeat_interleave(
        len(matrix) // len(extra)
    )  # fmt: skip
    l1 = [math.fsum(row) for row in matrix.abs().tolist()]
    squares = [math.fsum(row) for row in matrix.square().tolist()]
    added = added.tolist()
    return {
        "frobenius_squared": math.fsum(squares),
        "l1_inf": max(a + b for a, b in zip(l1, added, strict=True)),
        "two_one": math.fsum(math.sqrt(a + b) for a, b in zip(squares, added, strict=True)),
    }


def assert_from_above(value: float, exact: float) -> None:
    assert exact * (1 - 1e-15) <= value <= exact * (1 + 1e-9) + 1e-140


def assert_rows(link: ToeplitzLayer, extra: torch.Tensor, l1_exact: bool = True) -> Rows:
    rows = rows_of(link, link.layer.weight)
    for added in (None, extra):
        truth = naive(link, added)
        assert_from_above(rows.two_one(None if added is None else added.sqrt()).value, truth["two_one"])
        l1 = rows.l1_inf(added).value
        if l1_exact:
            assert_from_above(l1, truth["l1_inf"])
        assert l1 >= truth["l1_inf"] * (1 - 1e-15)
    assert_from_above(rows.frobenius_squared().value, naive(link)["frobenius_squared"])
    assert rows.positions == math.prod(link.layer.window.out)
    return rows


def extra_of(out: int) -> torch.Tensor:
    return torch.rand(out, generator=torch.Generator().manual_seed(out), dtype=torch.float64)


@given(convolutions())
@settings(max_examples=200)
def test_zero_padded_convolutions(layer):
    assert_rows(ToeplitzLayer(layer, ()), extra_of(layer.shape[0]))


@given(convolutions(circular=True))
@settings(max_examples=100)
def test_circular_convolutions(layer):
    axes = layer.window.height, layer.window.width
    if any(axis.reach > axis.size for axis in axes):
        with pytest.raises(NotCovered, match="wider than its image"):
            rows_of(ToeplitzLayer(layer, ()), layer.weight)
    else:
        assert_rows(ToeplitzLayer(layer, ()), extra_of(layer.shape[0]))


@given(convolutions(most=20_000), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=100)
def test_average_pooling_before_a_layer(layer, kernel, stride):
    axes = layer.window.height, layer.window.width
    shape = (layer.weight.shape[1] * layer.groups, *((axis.size - 1) * stride + kernel for axis in axes))
    pool = average_pool(shape, kernel, stride)
    assert pool.shape[1:] == tuple(axis.size for axis in axes)
    assert_rows(ToeplitzLayer(layer, (pool,)), extra_of(layer.shape[0]), l1_exact=kernel <= stride)


@pytest.mark.parametrize("out", [(1, 1), (2, 3), (3, 2), (7, 5)])
def test_adaptive_pooling_then_linear(out):
    shape = (3, 7, 5)
    layer = linear_layer(masked((4, 3 * out[0] * out[1]), 1, 0.5), (3, *out))
    disjoint = all(n % o == 0 for n, o in zip(shape[1:], out, strict=True))
    assert_rows(ToeplitzLayer(layer, (adaptive_pool(shape, out),)), extra_of(4), l1_exact=disjoint)


def test_two_poolings_in_a_row():
    first = average_pool((2, 12, 12), 2, 2)
    second = average_pool((2, 6, 6), 3, 3)
    layer = conv_layer(masked((3, 2, 2, 2), 5, 0.7), (2, 2))
    assert_rows(ToeplitzLayer(layer, (first, second)), extra_of(3))


def test_overlapping_pooling_bounds_the_l1_norm_from_above_strictly():
    layer = conv_layer(torch.tensor([[[[1.0, -1.0]]]], dtype=torch.float64), (1, 3))
    pool = replace(average_pool((1, 1, 4), 1, 1))
    rows = torch.tensor([[0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0.5, 0.5]], dtype=torch.float64)
    link = ToeplitzLayer(layer, (replace(pool, rows_w=rows, shape=(1, 1, 3)),))
    assert rows_of(link, layer.weight).l1_inf().value >= 2 > naive(link)["l1_inf"] == 1


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 1, 1), (3, 4, 2)])
def test_linear_after_flatten(shape):
    assert_rows(ToeplitzLayer(linear_layer(masked((6, math.prod(shape)), 3, 0.5), shape), ()), extra_of(6))


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_another_kernel_than_the_layers_own(seed):
    layer = conv_layer(masked((4, 3, 3, 2), 0, 1.0), (5, 6), padding=((1, 1), (0, 0)))
    other = masked((4, 3, 3, 2), seed, 0.5)
    rows = rows_of(ToeplitzLayer(layer, ()), other)
    exact = float(dense_matrix(ToeplitzLayer(layer, ()), other).square().sum())
    assert rows.frobenius_squared().value == pytest.approx(exact, rel=1e-9)


def test_zero_weights_give_zero():
    layer = conv_layer(torch.zeros(2, 3, 3, 3, dtype=torch.float64), (4, 4), padding=((1, 1), (1, 1)))
    rows = rows_of(ToeplitzLayer(layer, ()), layer.weight)
    assert (rows.frobenius_squared().value, rows.l1_inf().value, rows.two_one().value) == (0, 0, 0)


def test_padding_beyond_the_kernel_gives_rows_of_zeros():
    layer = conv_layer(masked((2, 1, 1, 2), 4, 1.0), (2, 2), padding=((3, 3), (3, 3)))
    assert_rows(ToeplitzLayer(layer, ()), extra_of(2))


@pytest.mark.parametrize("size", [1e-200, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("dead", [False, True])
def test_extreme_sizes_never_end_below_the_truth(size, dead):
    weight = torch.full((2, 2, 3, 3), size, dtype=torch.float64)
    if dead:
        weight[0] = 0
    layer = conv_layer(weight, (4, 4), padding=((3, 3), (1, 1)))
    rows = rows_of(ToeplitzLayer(layer, ()), weight)
    assert rows.frobenius_squared().value > 0
    assert rows.two_one().value >= size
    assert rows.l1_inf().value >= 18 * size
    assert_from_above(rows.l1_inf().value, 18 * size)


@given(convolutions(), st.floats(1e-3, 1e3))
@settings(max_examples=30)
def test_homogeneous(layer, factor):
    link = ToeplitzLayer(layer, ())
    one, scaled = rows_of(link, layer.weight), rows_of(link, layer.weight * factor)
    assert scaled.frobenius_squared().value == pytest.approx(
        one.frobenius_squared().value * factor**2, rel=1e-12
    )
    assert scaled.l1_inf().value == pytest.approx(one.l1_inf().value * factor, rel=1e-12)
    assert scaled.two_one().value == pytest.approx(one.two_one().value * factor, rel=1e-12)


@given(st.one_of(convolutions(), convolutions(circular=True)), st.integers(0, 1000))
@settings(max_examples=100)
def test_the_matrix_is_pytorchs_convolution(layer, seed):
    size = layer.weight.shape[1] * layer.groups, layer.window.height.size, layer.window.width.size
    x = masked((2, *size), seed, 1.0)
    own = (x.flatten(1) @ dense_matrix(ToeplitzLayer(layer, ())).T).reshape(2, *layer.shape)
    assert torch.allclose(own, torch_convolution(layer, x), rtol=1e-12, atol=1e-12)


def test_a_padded_kernel_as_large_as_its_image_is_no_linear_layer():
    """Kernel 3, padding 1, stride 3 on a 3 x 3 image: one output that reads four entries."""
    layer = conv_layer(torch.ones(1, 1, 3, 3).double(), (3, 3), (3, 3), ((1, 1), (1, 1)))
    assert layer.window.out == (1, 1)
    assert dense_matrix(ToeplitzLayer(layer, ())).sum() == 4
    assert_rows(ToeplitzLayer(layer, ()), extra_of(1))

"""The graphon NTK: identities, twin, hostile inputs."""

from itertools import pairwise

import ntk_twin
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from boundcalc import gntk
from boundcalc.errors import UsageError
from boundcalc.graphon import ntk_numpy, ntk_torch, pham2025
from boundcalc.graphon.ntk import kernels
from boundcalc.graphon.ntk_maps import Maps, from_graphons, merged, overlaps
from boundcalc.graphon.ntk_products import Dense, Grouped, Sparse, best_form
from boundcalc.graphon.step import StepGraphon


def sample(m=12, d=20, seed=0):
    return np.random.default_rng(seed).standard_normal((m, d))


def chain(widths=(7, 5, 6), d=20, seed=1, density=0.6):
    rng = np.random.default_rng(seed)
    sizes = (d, *widths)
    return [rng.random((k, before)) * (rng.random((k, before)) < density) for before, k in pairwise(sizes)]


def equal(graphons):
    return [np.full(len(graphon), 1 / len(graphon)) for graphon in graphons]


def dense_ntk(x, depth, sigma_w2=1.0):
    """Jacot et al. 2018, from scratch: Theta_{l+1} = Sigma_{l+1} + Sigma'_{l+1} Theta_l."""
    sigma = sigma_w2 * x @ x.T / x.shape[1]
    theta = sigma
    for _ in range(depth):
        norm = np.sqrt(np.diag(sigma))
        c = np.clip(sigma / np.outer(norm, norm), -1, 1)
        np.fill_diagonal(c, 1.0)
        angle = np.arccos(c)
        sigma = sigma_w2 * np.outer(norm, norm) * (np.sin(angle) + (np.pi - angle) * c) / (2 * np.pi)
        theta = sigma + sigma_w2 * (np.pi - angle) / (2 * np.pi) * theta
    return theta


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("sigma_w2", [1.0, 2.0])
def test_ones_are_the_dense_kernel(depth, sigma_w2):
    x = sample()
    ones = [np.ones((3, 20)), *[np.ones((k, k - 1)) for k in range(4, 3 + depth)]]
    np.testing.assert_allclose(gntk(ones, x, sigma_w2=sigma_w2), dense_ntk(x, depth, sigma_w2), rtol=1e-12)


def test_neural_tangents_agrees():
    stax = pytest.importorskip("neural_tangents").stax
    x = sample()
    layers = [stax.Dense(1, W_std=1.0, b_std=0.0), stax.Relu()] * 3 + [stax.Dense(1, W_std=1.0, b_std=0.0)]
    _, _, kernel = stax.serial(*layers)
    np.testing.assert_allclose(gntk([np.ones((1, 1))] * 3, x), kernel(x, None, "ntk"), rtol=1e-4)


@pytest.mark.parametrize("c", [0.5, 0.03])
def test_a_constant_scales_by_its_power(c):
    x = sample()
    ones = [np.ones((4, 4))] * 3
    np.testing.assert_allclose(gntk([c * w for w in ones], x), c**3 * gntk(ones, x), rtol=1e-13)


@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0.15, 0.6, 1.0]))
def test_the_twin_agrees(seed, depth, density):
    rng = np.random.default_rng(seed)
    graphons = chain(tuple(rng.integers(1, 9, depth)), 11, seed, density)
    x = sample(9, 11, seed)
    output = rng.random(len(graphons[-1]))
    expected = ntk_twin.theta(graphons, x, equal(graphons), 1.7, output)
    found = gntk(graphons, x, sigma_w2=1.7, output=output[None])
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())
    plain = pham2025.theta(graphons, equal(graphons), x, 1.7, output)
    np.testing.assert_allclose(plain, expected, rtol=1e-7, atol=1e-8 * np.abs(expected).max())


def test_the_recursion_as_it_is_written_has_units_that_an_input_does_not_reach():
    x, graphons = sample(6, 8), chain((5, 4), 8, density=0.2)
    x[0], graphons[0][2] = 0.0, 0.0
    plain = pham2025.theta(graphons, equal(graphons), x)
    np.testing.assert_allclose(plain, gntk(graphons, x), rtol=1e-7, atol=1e-9)
    assert not plain[0].any()


def test_blocks_and_threads_do_not_matter(monkeypatch):
    maps, x = from_graphons(chain(), 20), sample(70)
    whole = ntk_numpy.theta(maps, x, threads=1)
    monkeypatch.setattr(ntk_numpy, "NARROWEST", 16)
    monkeypatch.setattr(ntk_numpy, "CHUNK", 1)
    np.testing.assert_allclose(ntk_numpy.theta(maps, x, threads=2), whole, rtol=1e-13)


def test_both_forms_of_the_root_agree(monkeypatch):
    """Correlations up to 0.9995, where the plain form still is used, in two cells of many inputs."""
    maps, x = from_graphons(chain(density=1.0), 20), sample(70)
    x[1::2] = x[::2] + 0.03 * x[1::2]
    plain = ntk_numpy.theta(maps, x)
    monkeypatch.setattr(ntk_numpy, "APART", 2.0)
    np.testing.assert_allclose(plain, ntk_numpy.theta(maps, x), rtol=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("apart", [1e-3, 1e-5, 1e-7, 1e-9])
def test_nearly_parallel_inputs(apart, sign):
    """The dense kernel of one layer in closed form, with the angle from the cross product."""
    x = np.array([[1.0, 0.0], [sign, apart]])
    angle = np.arctan2(apart, sign)
    c, size = sign, np.hypot(1, apart)
    expected = (size * np.sin(angle) + 2 * (np.pi - angle) * c) / (4 * np.pi)
    assert gntk([np.ones((1, 1))], x)[0, 1] == pytest.approx(expected, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("size", [1e-158, 1e-160, 1e-162])
def test_a_cell_that_underflows_adds_nothing(size):
    graphons, x = chain(density=1.0), sample()
    graphons[0][2] = 0.0
    graphons[0][2, :15] = 1.0
    x[:, :15] *= size
    without = x.copy()
    without[:, :15] = 0.0
    np.testing.assert_allclose(gntk(graphons, x), gntk(graphons, without), rtol=1e-12)


@pytest.mark.parametrize("equal_columns", [(slice(32, 64), slice(0, 32)), (slice(20, 64), slice(0, 1))])
def test_every_form_of_a_product_agrees(equal_columns):
    """Groups of two coordinates; and one of 45 beside 19 of one."""
    graphons = chain((40, 30), 64, density=0.3)
    copies, originals = equal_columns
    graphons[0][:, copies] = graphons[0][:, originals]
    maps, x = from_graphons(graphons, 64), sample(30, 64)
    x[:, 5:60] *= np.random.default_rng(3).random((30, 55)) < 0.2
    expected = ntk_numpy.theta(maps, x, forms=[Dense(h) for h in maps.hidden])
    columns, group = np.unique(maps.hidden[0], axis=1, return_inverse=True)
    sums = (group.reshape(-1) == np.arange(columns.shape[1])[:, None]).astype(float)
    for first in (Sparse.of(maps.hidden[0]), Grouped(Sparse.of(sums), columns), best_form(maps.hidden[0])):
        found = ntk_numpy.theta(maps, x, forms=[first, Sparse.of(maps.hidden[1])])
        np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize(
    "kind", [Dense, Sparse.of, lambda matrix: Grouped(Sparse.of(np.eye(matrix.shape[1])), matrix)]
)
def test_what_products_keep_lies_in_their_room(kind):
    """So that the inputs whose matrices are made at a time, and the memory that is asked for, count all of it."""
    form = kind(np.random.default_rng(0).random((5, 4)) + 1.0)
    room = np.full(3 * form.room, np.nan)
    form.at(np.ones((3, 5)), np.ones((3, 4)), room)
    assert form.room >= 20 and not np.isnan(room).any()


@pytest.mark.parametrize(
    ("matrix", "form"),
    [
        (np.random.default_rng(0).random((50, 60)), Dense),
        (np.eye(60), Sparse),
        (np.repeat(np.random.default_rng(0).random((50, 4)), 20, 1), Grouped),
    ],
)
def test_the_form_with_least_work_is_taken(matrix, form):
    assert isinstance(best_form(matrix), form)


@given(st.integers(0, 10**6))
def test_symmetric_and_positive_semidefinite(seed):
    theta = gntk(chain((6, 5), 8, seed, 0.4), sample(25, 8, seed))
    assert np.array_equal(theta, theta.T)
    assert np.linalg.eigvalsh(theta)[0] >= -1e-13 * np.trace(theta)


def test_units_may_be_renamed():
    graphons, x = chain(), sample()
    rng = np.random.default_rng(5)
    one, two, d = rng.permutation(7), rng.permutation(5), rng.permutation(20)
    renamed = [graphons[0][one][:, d], graphons[1][two][:, one], graphons[2][:, two]]
    np.testing.assert_allclose(gntk(renamed, x[:, d]), gntk(graphons, x), rtol=1e-12)


def test_refining_cells_changes_nothing():
    graphons, x = chain((3, 4, 2), 5), sample(10, 20)
    fine = [
        np.kron(graphon, np.ones((r, c)))
        for graphon, (r, c) in zip(graphons, [(4, 2), (3, 4), (5, 3)], strict=True)
    ]
    np.testing.assert_allclose(gntk(fine, x), gntk(graphons, x), rtol=1e-12)


def test_cells_of_two_partitions_are_intersected():
    x = sample()
    first = StepGraphon(np.array([[0.9], [0.2]]), np.array([0.25, 0.75]), np.ones(1))
    second = StepGraphon(np.array([[0.3, 0.8]]), np.ones(1), np.array([0.5, 0.5]))
    weight = overlaps(second.column_weights, first.row_weights)
    np.testing.assert_allclose(weight, [[0.25, 0.25], [0, 0.5]])
    plain = [np.array([[0.9], [0.2], [0.2], [0.2]]), np.array([[0.3, 0.3, 0.8, 0.8]])]
    np.testing.assert_allclose(gntk([first, second], x), gntk(plain, x), rtol=1e-12)


def test_merging_and_dropping_cells_changes_nothing():
    graphons, x = chain((8, 9), 20), sample()
    graphons[0][3] = graphons[0][5] = graphons[0][1]
    graphons[0][6] = 0
    graphons[1][:, 7] = 0
    graphons[1][2] = graphons[1][4]
    maps = from_graphons(graphons, 20)
    few = merged(maps)
    assert few.cells == (4, 8)
    np.testing.assert_allclose(ntk_numpy.theta(few, x), ntk_numpy.theta(maps, x), rtol=1e-12)


def test_merged_cells_make_later_cells_equal():
    first = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    second = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    assert merged(from_graphons([first, second], 2)).cells == (2, 1)


def test_dead_cells_contribute_nothing():
    graphons, x = chain((6, 5), 20), sample()
    wider = [np.vstack([graphons[0], np.zeros((6, 20))]), np.hstack([graphons[1], np.full((5, 6), 0.7)])]
    halved = [graphons[0], graphons[1] / 2]
    np.testing.assert_allclose(gntk(wider, x), gntk(halved, x), rtol=1e-12)


def test_a_network_without_connections_has_the_kernel_0():
    assert not gntk([np.zeros((3, 20)), np.ones((2, 3))], sample()).any()


def test_outputs_are_averaged():
    graphons, x = chain(), sample()
    output = np.random.default_rng(2).random((3, 6))
    each = kernels(from_graphons(graphons, 20, output=output), x)
    assert each.shape == (3, 12, 12)
    np.testing.assert_allclose(gntk(graphons, x, output=output), each.mean(0), rtol=1e-13)


def test_zero_repeated_antipodal_and_parallel_inputs():
    base = sample(4)
    base[2, :3] = 0.0
    x = np.vstack([base, np.zeros(20), base[0], -base[1], 3 * base[2], 4 * base[3], -base[2], -np.zeros(20)])
    x[9] *= -1.0
    graphons = chain(density=1.0)
    theta = gntk(graphons, x)
    assert np.isfinite(theta).all()
    assert not theta[4].any()
    assert np.array_equal(theta[5], theta[0])
    np.testing.assert_allclose(theta[7], 3 * theta[2], rtol=1e-12)
    assert np.array_equal(theta[8], 4 * theta[3])
    assert np.array_equal(theta[9], theta[2])
    ones = gntk([np.ones((1, 1))], np.vstack([base[1], -base[1]]))
    energy = base[1] @ base[1] / 20
    np.testing.assert_allclose(ones, [[energy, 0], [0, energy]], atol=1e-15 * energy)
    assert np.linalg.eigvalsh(theta)[0] >= -1e-13 * np.trace(theta)


@pytest.mark.parametrize("scale", [1e-150, 1e-100, 1e100, 1e150])
def test_inputs_of_any_size(scale):
    x, graphons = sample(), chain()
    x[3] *= 1e-3
    np.testing.assert_allclose(gntk(graphons, scale * x) / scale / scale, gntk(graphons, x), rtol=1e-10)


def test_what_does_not_fit_is_refused_in_one_line():
    x = sample()
    for graphons, inputs, words in [
        ([], x, "at least one hidden layer"),
        ([np.ones(3)], x, "give a matrix"),
        ([-np.ones((2, 2))], x, "lie in"),
        ([np.full((2, 2), np.nan)], x, "lie in"),
        ([np.ones((2, 2))], x * np.nan, "NaN or infinity"),
        ([np.ones((2, 2))], x[:0], "at least one of each"),
        ([np.ones((2, 2))], 1e200 * x, "overflows"),
    ]:
        with pytest.raises(ValueError, match=words):
            gntk(graphons, inputs)
    for options, words in [
        ({"cells": 0}, "cells 0"),
        ({"sigma_w2": -1.0}, "sigma_w2 -1"),
        ({"max_memory": 1e4}, "raise it, or lower --batch"),
    ]:
        with pytest.raises(UsageError, match=words):
            gntk([np.ones((2, 2))], x, **options)
    for subject in ("ticket.pt", torch.nn.Linear(20, 2)):
        with pytest.raises(UsageError, match=r"boundcalc\.load reads a checkpoint"):
            gntk(subject, x)
    with pytest.raises(ValueError, match="reads 3 cells, but the layer before it has 2"):
        Maps((np.ones((2, 4)), np.ones((2, 3))), np.ones((1, 2)))


def test_torch_agrees():
    maps, x = from_graphons(chain(), 20, 1.3, np.random.default_rng(0).random((2, 6))), sample(15)
    x[3] = 0
    found = ntk_torch.theta(maps, x, "cpu", memory=1e4)
    np.testing.assert_allclose(found, ntk_numpy.theta(maps, x), rtol=1e-11, atol=1e-16)


def tangent_kernel(masks, x, rng):
    """J J^T of a finite masked network in multiplier form, output weights unmasked."""
    weights = [rng.standard_normal(mask.shape) * mask for mask in masks]
    values, slopes = [x.T], []
    for weight in weights[:-1]:
        before = weight @ values[-1] / np.sqrt(weight.shape[1])
        values.append(np.maximum(before, 0))
        slopes.append(before > 0)
    total, gradient = 0.0, np.ones((1, len(x)))
    for layer in reversed(range(len(masks))):
        fan_in, mask = masks[layer].shape[1], masks[layer]
        for unit, row in enumerate(mask):
            seen = values[layer] * row[:, None]
            total = total + np.outer(gradient[unit], gradient[unit]) * (seen.T @ seen) / fan_in
        if layer:
            gradient = slopes[layer - 1] * (weights[layer].T @ gradient) / np.sqrt(fan_in)
    return total


def test_finite_networks_converge_to_the_exact_mode():
    """Root mean square error of the empirical kernel falls as width^-1/2: exponent within its 99 % interval."""
    rng = np.random.default_rng(11)
    x = sample(4, 30, 3)
    widths, errors = (32, 64, 128, 256), []
    for width in widths:
        runs = []
        for _ in range(24):
            masks = [(rng.random(shape) < 0.4).astype(float) for shape in ((width, 30), (width, width))]
            theta = gntk(masks, x)
            apart = tangent_kernel([*masks, np.ones((1, width))], x, rng) - theta
            runs.append(np.square(apart).sum() / np.square(theta).sum())
        errors.append(runs)
    draws = [
        np.polyfit(np.log(widths), [0.5 * np.log(rng.choice(run, len(run)).mean()) for run in errors], 1)[0]
        for _ in range(400)
    ]
    low, high = np.quantile(draws, [0.005, 0.995])
    assert low <= -0.5 <= high
    assert high - low < 0.4
    assert np.sqrt(np.mean(errors[-1])) < 0.25


def test_an_averaged_first_layer_is_off_at_low_fan_in():
    """Sparse inputs, 784 of them: with fan-in 8 the averaged first layer is off by over 5 %, with fan-in 400 by under 1 %."""
    rng = np.random.default_rng(0)
    x = rng.random((20, 784)) * (rng.random((20, 784)) < 0.2)
    off = {}
    for fan_in in (8, 400):
        mask = (rng.random((600, 784)) < fan_in / 784).astype(float)
        exact = gntk([mask], x)
        off[fan_in] = np.abs(gntk([np.full((1, 1), mask.mean())], x) / exact - 1)[
            np.triu_indices(20, 1)
        ].mean()
    assert off[8] > 0.05
    assert off[400] < 0.01

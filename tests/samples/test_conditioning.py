"""kappa and Gamma against numpy, in ranges where products overflow."""

import math

import numpy as np
import pytest
import torch

from boundcalc.samples.conditioning import conditioning


def logs(weight):
    values = np.log(np.linalg.svd(weight, compute_uv=False))
    return values[0], values[-1], values[0] - values[-1], (values - values[-1]).sum()


def found_logs(found):
    return found.log_sigma_1, found.log_sigma_k, found.log_kappa, found.log_gamma


def gaussian(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def rotated(values, seed=0):
    """A matrix (K, 2K) with known singular values."""
    K = len(values)
    left, _ = np.linalg.qr(gaussian(K, K, seed=seed))
    right, _ = np.linalg.qr(gaussian(2 * K, K, seed=seed + 1))
    return left @ np.diag(values) @ right.T


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 9), (6, 6), (6, 40), (30, 33)])
def test_equals_numpy(rows, columns):
    weight = gaussian(rows, columns)
    found = conditioning(torch.from_numpy(weight)[None], rows)
    assert found_logs(found) == pytest.approx(logs(weight), abs=1e-9)
    assert not found.rank_deficient
    assert found.log_kappa4_gamma2 == pytest.approx(4 * found.log_kappa + 2 * found.log_gamma)


@pytest.mark.parametrize("scale", [1e-306, 1e-160, 1.0, 1e160, 1e307])
def test_weights_at_the_ends_of_a_double(scale):
    weight = gaussian(5, 8)
    found = conditioning(torch.from_numpy(weight * scale)[None], 5)
    one, last, kappa, gamma = logs(weight)
    shift = math.log(scale)
    assert found_logs(found) == pytest.approx((one + shift, last + shift, kappa, gamma), abs=1e-6)


def test_products_that_overflow():
    values = np.concatenate([np.full(199, 1e6), [1.0]])
    found = conditioning(torch.from_numpy(rotated(values))[None], 200)
    assert found.log_gamma == pytest.approx(199 * math.log(1e6), rel=1e-9)
    assert found.log_gamma > 709


def test_dead_neurons_and_unread_inputs_do_not_matter():
    weight = gaussian(4, 7)
    wider = np.pad(weight, ((1, 2), (3, 1)))
    found = conditioning(torch.from_numpy(wider)[None], 4)
    assert found_logs(found) == pytest.approx(logs(weight), abs=1e-9)


def test_groups_are_blocks_of_one_matrix():
    blocks = gaussian(3, 2, 5)
    blocks[1, 1] = 0
    whole = np.zeros((6, 15))
    for g in range(3):
        whole[2 * g : 2 * g + 2, 5 * g : 5 * g + 5] = blocks[g]
    whole = np.delete(whole, 3, axis=0)
    found = conditioning(torch.from_numpy(blocks), 5)
    assert found_logs(found) == pytest.approx(logs(whole), abs=1e-9)


@pytest.mark.parametrize(
    "weight",
    [
        np.ones((3, 5)),
        gaussian(6, 4),
        np.vstack([gaussian(2, 9), gaussian(1, 9, seed=1) * 1e-18]),
        np.array([[1.0, 2.0], [2.0, 4.0]]),
    ],
    ids=["equal rows", "more neurons than inputs", "one neuron below rounding", "multiples"],
)
def test_rank_deficient(weight):
    found = conditioning(torch.from_numpy(weight)[None], len(weight))
    assert found.rank_deficient
    assert found.log_sigma_1 == pytest.approx(logs(weight)[0])
    assert found.log_sigma_k is None and found.log_gamma is None and found.log_kappa4_gamma2 is None


def test_more_neurons_than_inputs_that_are_read():
    weight = gaussian(3, 9)
    weight[:, 2:] = 0
    assert conditioning(torch.from_numpy(weight)[None], 3).rank_deficient


def test_nothing_survives():
    found = conditioning(torch.zeros(1, 3, 4, dtype=torch.float64), 0)
    assert found_logs(found) == (None, None, None, None)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    conditioning(torch.from_numpy(gaussian(3, 4))[None], 3)
    assert torch.get_num_threads() == before

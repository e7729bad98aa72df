"""Certificates of single matrices: never below the truth, close to it, whatever the estimate behind them says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from boundcalc.norms import spectral_certificate
from boundcalc.norms.spectral import SpectralNorm, matrix_norm
from boundcalc.norms.spectral_certificate import MARGIN, certified_peak, top_pair


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


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
    "orthogonal to constants": torch.outer(torch.ones(64), torch.tensor([1.0, -1.0]).repeat(32)).double(),
    "low rank plus noise": random(64, 2) @ random(2, 64, seed=1) + 1e-13 * random(64, 64, seed=2),
    "nearly singular difference": torch.diag(1 - torch.arange(64).double() * 2.0**-52),
}  # fmt: skip


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e-150, 1e-3, 1.0, 1e3, 1e150, 1e160, 1e300])
def test_adversarial_matrices_at_every_size(name, size):
    matrix = ADVERSARIAL[name]
    exact = float(torch.linalg.matrix_norm(matrix, 2))
    norm = matrix_norm(matrix * size)
    assert exact * size * (1 - 1e-13) <= norm.upper <= exact * size * 1.0011
    assert exact * size * 0.998 <= norm.lower <= exact * size * (1 + 1e-13)


def test_known_singular_values_are_never_missed_from_below():
    for seed in range(20):
        left, right = (torch.linalg.qr(random(24, 24, seed=seed + shift))[0] for shift in (0, 99))
        values = torch.cat([torch.full((seed + 1,), 3.0), torch.ones(23 - seed)]).double()
        norm = matrix_norm(left @ torch.diag(values) @ right)
        assert norm.lower * (1 - 1e-14) <= 3 <= norm.upper * (1 + 1e-14)
        assert norm.upper <= 3.0031


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
    proven = spectral_certificate._exceeds_no_eigenvalue
    monkeypatch.setattr(
        spectral_certificate, "_exceeds_no_eigenvalue", lambda *a: tried.append(1) or proven(*a)
    )
    norm = matrix_norm(NASTY[name])
    exact = float(torch.linalg.matrix_norm(NASTY[name], 2))
    assert exact * (1 - 1e-13) <= norm.upper <= exact * 1.0011
    assert len(tried) <= 3


def test_ends_by_the_trace_where_every_factorisation_fails(monkeypatch):
    monkeypatch.setattr(spectral_certificate, "_exceeds_no_eigenvalue", lambda gram, bound, work: False)
    matrix = random(20, 30)
    frobenius = float(torch.linalg.matrix_norm(matrix))
    assert frobenius <= matrix_norm(matrix).upper <= frobenius * (1 + 1e-10)


def test_a_useless_estimate_gives_a_worse_bound_and_never_a_false_one(monkeypatch):
    matrix = random(20, 30)
    first = float(torch.linalg.vector_norm(matrix[0]))
    monkeypatch.setattr(spectral_certificate, "top_pair", lambda gram, gain: (gram[0, 0], np.eye(20)[0]))
    norm = matrix_norm(matrix)
    exact = float(torch.linalg.matrix_norm(matrix, 2))
    assert first * (1 - 1e-10) <= norm.lower <= first
    assert exact <= norm.upper <= float(torch.linalg.matrix_norm(matrix)) * (1 + 1e-10)


def grams(count: int, side: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    roots = generator.standard_normal((count, side, side)) + 1j * generator.standard_normal(
        (count, side, side)
    )
    return roots @ roots.conj().swapaxes(1, 2)


@pytest.mark.parametrize("split", [1, 4, 29])
def test_the_peak_may_come_in_any_batch(split):
    matrices = grams(29, 6) * np.linspace(1, 2, 29)[:, None, None]
    values = np.linalg.eigvalsh(matrices)[:, -1]
    for order in (range(29), range(28, -1, -1)):
        chosen = matrices[list(order)]
        batches = [chosen[start : start + split] for start in range(0, 29, split)]
        peak = certified_peak(batches, 0.0)
        assert values.max() <= peak.upper <= values.max() * (1 + 1.001 * MARGIN)
        assert peak.lower <= values.max() <= peak.lower * (1 + 1.001 * MARGIN)
        reached = np.vdot(peak.vector, chosen[peak.member].conj() @ peak.vector).real
        assert reached == pytest.approx(peak.lower, rel=1e-9)


def test_only_upper_triangles_are_read():
    matrices = grams(5, 7)
    filled = matrices + np.tril(np.full((7, 7), 1e9), -1)
    peaks = [certified_peak([given], 0.0) for given in (matrices, filled)]
    assert peaks[0].upper == peaks[1].upper


def test_the_error_of_the_matrices_is_added_and_taken():
    matrices = grams(3, 5)
    plain, wide = certified_peak([matrices], 0.0), certified_peak([matrices], 0.5)
    assert wide.upper == pytest.approx(plain.upper + 0.5)
    assert wide.lower == pytest.approx(plain.lower - 0.5)


def test_matrices_of_zero_need_no_vector():
    peak = certified_peak([np.zeros((3, 4, 4))], 0.0)
    assert (peak.upper, peak.lower, peak.member) == (0.0, 0.0, -1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_factorisation_with_nan_proves_nothing(bad):
    matrix = np.eye(80)
    matrix[3, 70] = matrix[70, 3] = bad
    assert not spectral_certificate._exceeds_no_eigenvalue(matrix, 1e6, np.empty_like(matrix))


def test_a_factorisation_separates_above_from_below():
    for seed in range(50):
        root = random(30, 40, seed=seed).numpy()
        gram = root @ root.T
        top = float(np.linalg.eigvalsh(gram)[-1])
        assert spectral_certificate._exceeds_no_eigenvalue(gram, top * (1 + 1e-12), np.empty_like(gram))
        assert not spectral_certificate._exceeds_no_eigenvalue(gram, top * (1 - 1e-12), np.empty_like(gram))


@pytest.mark.parametrize("side", [1, 2, 5, 33, 120])
def test_lanczos_finds_the_top_pair(side):
    for gram in (grams(1, side)[0], np.diag(np.arange(side) + 1.0), np.eye(side)):
        value, vector = top_pair(gram, 1e-10)
        assert value == pytest.approx(np.linalg.eigvalsh(gram)[-1], rel=1e-6)
        assert np.linalg.norm(vector) == pytest.approx(1)


def test_products_of_norms_keep_their_sides():
    product = SpectralNorm(3.0, 2.0).times(SpectralNorm(5.0, 4.0))
    assert 15 <= product.upper <= 15 * (1 + 1e-14)
    assert 8 * (1 - 1e-14) <= product.lower <= 8

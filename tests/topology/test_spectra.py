"""The two leading singular values, where Lanczos is at ease and where it is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from boundcalc.topology import spectra
from boundcalc.topology.spectra import Leading, lanczos, leading_two


def mask(seed, rows, columns, density):
    rng = np.random.default_rng(seed)
    return (rng.random((rows, columns)) < density).astype(float)


def check(matrix, tolerance=1e-6, **limits):
    found = leading_two(sparse.csr_array(matrix), **limits)
    values = np.linalg.svd(matrix, compute_uv=False)
    assert found.sigma1 == pytest.approx(values[0], rel=tolerance)
    assert found.sigma2 == pytest.approx(values[1], abs=tolerance * values[0])
    assert np.abs(values - found.sigma1).min() <= found.residual + 1e-12 * values[0]
    assert np.abs(values - found.sigma2).min() <= found.residual + 1e-12 * values[0]
    assert values[1] <= found.ceiling + 1e-12 * values[0]
    assert found.residual <= 1e-6 * values[0]
    return found


@pytest.mark.parametrize(("rows", "columns"), [(700, 200), (200, 700), (300, 300), (150, 149), (1200, 1100)])
@pytest.mark.parametrize("density", [0.02, 0.1])
def test_large_masks(rows, columns, density):
    matrix = mask(rows + columns, rows, columns, density)
    assert check(matrix).method == ("lanczos, proved" if min(rows, columns) <= 1024 else "lanczos, checked")
    check(matrix * np.random.default_rng(0).exponential(size=matrix.shape))


@pytest.mark.parametrize("copies", [2, 3, 5])
@pytest.mark.parametrize("gram_side", [0, 1024])
def test_repeated_values(copies, gram_side, monkeypatch):
    monkeypatch.setattr(spectra, "GRAM_SIDE", gram_side)
    block = mask(1, 150, 100, 0.1)
    found = check(np.kron(np.eye(copies), block))
    assert found.sigma1 == pytest.approx(found.sigma2, rel=1e-9)
    assert found.method.startswith("lanczos")


@pytest.mark.parametrize("gram_side", [0, 1024])
def test_a_permutation_has_all_values_equal(gram_side, monkeypatch):
    monkeypatch.setattr(spectra, "GRAM_SIDE", gram_side)
    found = leading_two(sparse.csr_array(np.eye(300)[np.random.default_rng(0).permutation(300)]))
    assert found.sigma1 == pytest.approx(1, abs=1e-9)
    assert found.sigma2 == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("gram_side", [0, 1024])
def test_a_second_value_that_the_start_misses_is_found(gram_side, monkeypatch):
    """A run that is made blind to the second vector must not decide."""
    monkeypatch.setattr(spectra, "GRAM_SIDE", gram_side)
    matrix = np.diag(np.r_[10.0, 9.0, np.linspace(1, 5, 198)])
    calls = []

    def blind(apply, locked, seed, norm=0.0):
        calls.append(len(locked))
        if len(calls) == 1:
            hidden = np.eye(200)[1:2]
            return lanczos(apply, np.concatenate([locked, hidden]), seed, norm)
        return lanczos(apply, locked, seed, norm)

    monkeypatch.setattr(spectra, "lanczos", blind)
    found = check(matrix)
    assert found.sigma2 == pytest.approx(9, abs=1e-9)
    assert len(calls) >= 2


def test_where_lanczos_never_settles_the_matrix_is_decomposed(monkeypatch):
    monkeypatch.setattr(spectra, "PASSES", 1)
    assert check(mask(2, 300, 200, 0.1)).method == "dense"


@pytest.mark.parametrize("shape", [(600, 300), (5, 4), (1500, 1100)])
def test_the_complete_matrix_has_rank_one(shape):
    found = leading_two(np.ones(shape))
    assert found.sigma1 == pytest.approx(np.sqrt(shape[0] * shape[1]), rel=1e-12)
    assert found.sigma2 == 0


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("gram_side", [0, 1024])
def test_low_ranks(rank, gram_side, monkeypatch):
    monkeypatch.setattr(spectra, "GRAM_SIDE", gram_side)
    rng = np.random.default_rng(rank)
    check(rng.exponential(size=(300, rank)) @ rng.exponential(size=(rank, 200)), tolerance=1e-7)


def test_a_long_side_of_one():
    assert leading_two(np.full((1, 9), 2.0)) == Leading(
        6.0, 0.0, leading_two(np.full((1, 9), 2.0)).residual, 0.0, "closed form"
    )
    assert leading_two(np.array([[3.0]])).sigma1 == pytest.approx(3)


def test_a_matrix_of_zeros():
    assert leading_two(np.zeros((3, 4))) == Leading(0.0, 0.0, 0.0, 0.0, "closed form")


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_extreme_scales(scale):
    matrix = mask(3, 300, 150, 0.1)
    expected, found = leading_two(sparse.csr_array(matrix)), leading_two(sparse.csr_array(matrix * scale))
    assert found.sigma1 / scale == pytest.approx(expected.sigma1, rel=1e-9)
    assert found.sigma2 / scale == pytest.approx(expected.sigma2, rel=1e-9)


def test_entries_beyond_the_range_are_refused():
    with pytest.raises(ValueError, match="an entry is not finite"):
        leading_two(np.array([[1.0, np.inf], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="an entry is not finite"):
        leading_two(np.array([[1.0, np.nan], [0.0, 1.0]]))
    with pytest.raises(ValueError, match=r"shape \(0, 3\) has no singular values"):
        leading_two(np.zeros((0, 3)))


def test_values_out_of_order_are_refused():
    with pytest.raises(ValueError, match="out of order: 1, 2"):
        Leading(1, 2, 0, 2, "dense")


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40), st.floats(0.05, 1))
@settings(max_examples=60)
def test_small_matrices(seed, rows, columns, density):
    matrix = mask(seed, rows, columns, density)
    if min(rows, columns) > 1 and matrix.any():
        check(matrix)


@given(st.integers(0, 2**32), st.integers(2, 6))
@settings(max_examples=25)
def test_disconnected_matrices(seed, blocks):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(20, 60, (blocks, 2))
    matrix = np.zeros(sizes.sum(0))
    ends = np.cumsum(sizes, 0)
    for (rows, columns), (bottom, right) in zip(sizes, ends, strict=True):
        matrix[bottom - rows : bottom, right - columns : right] = rng.random((rows, columns)) < 0.3
    check(matrix[rng.permutation(len(matrix))][:, rng.permutation(matrix.shape[1])])

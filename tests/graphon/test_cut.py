"""The cut norm's interval against brute force, its dual point, and its behaviour as a norm."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.graphon.cut import attained, border, coupled, cut_norm, dual_point, is_feasible
from boundcalc.graphon.refine import Kernel, difference, from_constant
from boundcalc.graphon.step import StepGraphon


def brute_force(matrix):
    """The largest absolute sum over rows and columns, exactly; for given rows the best columns are of one sign."""
    exact = [[Fraction(entry) for entry in row] for row in matrix]
    best = Fraction(0)
    for chosen in itertools.product([0, 1], repeat=len(exact)):
        sums = [
            sum(row[j] for row, bit in zip(exact, chosen, strict=True) if bit) for j in range(len(exact[0]))
        ]
        best = max(best, sum(max(s, 0) for s in sums), -sum(min(s, 0) for s in sums))
    return best


def kernel(matrix, rows=None, columns=None):
    matrix = np.asarray(matrix, dtype=float)
    n, m = matrix.shape
    return Kernel(
        matrix, np.full(n, 1 / n) if rows is None else rows, np.full(m, 1 / m) if columns is None else columns
    )


def weights(rng, cells):
    drawn = rng.integers(1, 9, cells).astype(float)
    return drawn / drawn.sum()


SMALL = st.integers(0, 2**32 - 1)


@settings(deadline=None, max_examples=60)
@given(SMALL, st.integers(1, 6), st.integers(1, 6))
def test_the_interval_holds_the_brute_force_value(seed, n, m):
    rng = np.random.default_rng(seed)
    values = rng.choice([-1.0, -0.5, 0.0, 0.25, 1.0, rng.standard_normal()], (n, m))
    one = kernel(values, weights(rng, n), weights(rng, m))
    exact = brute_force([[Fraction(r) * Fraction(v) * Fraction(c) for v, c in zip(row, one.column_weights, strict=True)]
                         for row, r in zip(values, one.row_weights, strict=True)])  # fmt: skip
    low, high = cut_norm(one)
    assert Fraction(low) <= exact <= Fraction(high)
    assert float(exact) - low <= 1e-12


def test_the_search_finds_the_optimum_of_small_matrices_and_the_dual_stays_close():
    rng = np.random.default_rng(1)
    for _ in range(30):
        matrix = rng.standard_normal((6, 6))
        exact = float(brute_force(matrix / 36))
        low, high = cut_norm(kernel(matrix))
        assert low == pytest.approx(exact, rel=1e-12)
        assert exact <= high <= 1.13 * exact


def test_the_border_turns_signs_into_sets():
    rng = np.random.default_rng(2)
    for _ in range(10):
        matrix = rng.standard_normal((3, 4))
        bordered = border(matrix)
        signs = [np.array(s) for s in itertools.product([-1, 1], repeat=4)]
        both = max(
            x @ bordered @ y for x in signs for y in map(np.array, itertools.product([-1, 1], repeat=5))
        )
        assert both / 4 == pytest.approx(float(brute_force(matrix)), rel=1e-12)


def test_the_dual_point_is_feasible_by_another_algorithm_and_bounds_every_sign_pattern():
    rng = np.random.default_rng(3)
    for shape in ((1, 1), (2, 5), (6, 4)):
        bordered = rng.standard_normal(shape)
        left, right = (rng.standard_normal((side, 6)) for side in shape)
        left, right = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (left, right))
        point = dual_point(bordered, left, right)
        lowest = np.linalg.eigvalsh(np.diag(point) - coupled(bordered))[0]
        assert lowest >= -1e-12 * point.max()
        best = max(np.abs(np.array(x) @ bordered).sum() for x in itertools.product([-1, 1], repeat=shape[0]))
        assert point.sum() >= best


def test_a_point_that_is_not_feasible_is_refused():
    coupling = coupled(np.array([[1.0]]))
    assert is_feasible(np.array([0.5, 0.5]) * (1 + 1e-12), coupling)
    assert not is_feasible(np.array([0.5, 0.5]) * (1 - 1e-12), coupling)
    assert not is_feasible(np.array([0.5, -0.5]), coupling)


def test_a_rank_one_kernel_is_known_in_closed_form():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal(40), rng.standard_normal(30)
    parts = [max(v[v > 0].sum(), -v[v < 0].sum()) for v in (x, y)]
    low, high = cut_norm(kernel(np.outer(x, y)))
    assert low <= math.prod(parts) / 1200 * (1 + 1e-12)
    assert low == pytest.approx(math.prod(parts) / 1200, rel=1e-10)
    assert high <= low * 1.001


def test_of_one_sign_the_cut_norm_is_the_integral():
    rng = np.random.default_rng(5)
    matrix = rng.random((20, 33))
    for sign in (1, -1):
        low, high = cut_norm(kernel(sign * matrix))
        assert low == pytest.approx(matrix.mean(), rel=1e-12)
        assert matrix.mean() <= high <= matrix.mean() * (1 + 1e-8)


def test_the_interval_is_tight_where_nothing_helps():
    rng = np.random.default_rng(6)
    for _ in range(3):
        low, high = cut_norm(kernel(rng.standard_normal((64, 64))))
        assert high <= 1.2 * low


@settings(deadline=None, max_examples=25)
@given(SMALL)
def test_the_triangle_inequality_and_scaling(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 12, 2)
    a, b = rng.standard_normal((2, n, m))
    first, second, both = (cut_norm(kernel(matrix)) for matrix in (a, b, a + b))
    assert both[0] <= (first[1] + second[1]) * (1 + 1e-12)
    eighth = cut_norm(kernel(a / 8))
    assert [8 * end for end in eighth] == pytest.approx(first, rel=1e-12)


@settings(deadline=None, max_examples=25)
@given(SMALL)
def test_splitting_cells_changes_no_step_function(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 9, 2)
    values, rows, columns = rng.random((n, m)), weights(rng, n), weights(rng, m)
    whole = cut_norm(kernel(values - 0.5, rows, columns))
    halves = cut_norm(kernel(np.repeat(values, 2, axis=0) - 0.5, np.repeat(rows / 2, 2), columns))
    assert whole[0] <= halves[1] and halves[0] <= whole[1]
    assert halves[0] == pytest.approx(whole[0], rel=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1.0, 1e300])
def test_extreme_sizes(scale):
    matrix = np.random.default_rng(7).standard_normal((9, 9))
    low, high = cut_norm(kernel(matrix * scale))
    base = cut_norm(kernel(matrix))
    assert (low / scale, high / scale) == pytest.approx(base, rel=1e-9)


def test_nothing_has_no_norm_and_infinity_is_refused():
    assert cut_norm(kernel(np.zeros((4, 3)))) == (0.0, 0.0)
    with pytest.raises(ValueError, match="not finite"):
        cut_norm(kernel([[np.nan]]))


def test_the_seed_decides():
    matrix = kernel(np.random.default_rng(8).standard_normal((30, 30)))
    assert cut_norm(matrix, 3) == cut_norm(matrix, 3)


def test_attained_is_a_sum_over_sets():
    matrix = np.array([[1.0, -2.0], [4.0, 8.0]])
    assert attained(matrix, np.array([True, True]), np.array([False, True])) == 6.0


def graphon(values, rows=None, columns=None):
    values = np.asarray(values, dtype=float)
    n, m = values.shape
    return StepGraphon(
        values, np.full(n, 1 / n) if rows is None else rows, np.full(m, 1 / m) if columns is None else columns
    )


def test_a_difference_lives_on_the_common_cells():
    rng = np.random.default_rng(9)
    a = graphon(rng.random((3, 4)), weights(rng, 3), weights(rng, 4))
    b = graphon(rng.random((5, 2)), weights(rng, 5), weights(rng, 2))
    step = difference(a, b)
    points = rng.random((400, 2))
    found = [_at(step.values, step.row_weights, step.column_weights, *p) for p in points]
    expected = [_at(g.values, g.row_weights, g.column_weights, *p) for p in points for g in (a, b)]
    assert found == pytest.approx(np.subtract(expected[::2], expected[1::2]))
    assert step.row_weights.sum() == pytest.approx(1, abs=1e-14)
    assert step.weighted.sum() == pytest.approx(a.density - b.density, abs=1e-14)


def _at(values, rows, columns, x, y):
    return values[np.searchsorted(np.cumsum(rows), x), np.searchsorted(np.cumsum(columns), y)]


def test_the_cut_norm_of_a_difference_is_a_metric_between_widths():
    rng = np.random.default_rng(10)
    three = [graphon(rng.random((k, k + 1))) for k in (4, 6, 9)]
    ab, bc, ac = (
        cut_norm(difference(p, q))
        for p, q in ((three[0], three[1]), (three[1], three[2]), (three[0], three[2]))
    )
    assert ac[0] <= ab[1] + bc[1]
    assert cut_norm(difference(three[1], three[0])) == pytest.approx(ab, rel=1e-9)
    assert cut_norm(difference(three[0], three[0])) == (0.0, 0.0)


def test_a_difference_of_densities_is_the_least_cut_norm():
    rng = np.random.default_rng(11)
    a, b = graphon(rng.random((5, 5)) / 2), graphon(rng.random((7, 3)))
    assert abs(a.density - b.density) <= cut_norm(difference(a, b))[1]


def test_a_constant_graphon_is_its_own_constant():
    for value in (0.0, 0.1, 1 / 3, 1.0):
        step = from_constant(graphon(np.full((7, 5), value)))
        assert (step.values == 0).all()
        assert step.l2 == 0 and cut_norm(step) == (0.0, 0.0)


@pytest.mark.parametrize(("few", "many"), [(3, 6), (7, 49), (10, 64), (63, 64)])
def test_ends_that_differ_by_rounding_alone_are_no_difference(few, many):
    coarse = graphon(np.random.default_rng(12).random((few, few)))
    if many % few == 0:
        fine = graphon(np.repeat(np.repeat(coarse.values, many // few, axis=0), many // few, axis=1))
        low, high = cut_norm(difference(fine, coarse))
        assert low == 0 and high < 1e-11
    constant = graphon(np.full((many, many), 0.25))
    for step in (difference(coarse, constant), difference(constant, coarse)):
        direct = cut_norm(Kernel(coarse.values - 0.25, coarse.row_weights, coarse.column_weights))
        found = cut_norm(step)
        assert found[0] <= direct[1] and direct[0] <= found[1]
        assert found[0] == pytest.approx(direct[0], rel=1e-9)
        assert step.blur > 0

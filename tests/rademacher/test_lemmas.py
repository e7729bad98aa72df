"""The lemmas against all signs on tiny classes; a lower bound of a supremum never exceeds them."""

import itertools
import math

import numpy as np
import pytest

from boundcalc.rademacher.confidence import confidence, confidence_as_published
from boundcalc.rademacher.margin import (
    Moments,
    margins_l1_over_units,
    margins_summed,
    outputs_l1_over_units,
)
from boundcalc.rademacher.maurey_chaining import chained, log_cover, sparsity
from boundcalc.rademacher.relu_cost import LOG_STEP, leaky_log_cost, maximum_steps, rectified_maximum_steps
from boundcalc.rademacher.second_moment import log_root_second_moment

CONVEX = {
    "x": lambda x: x,
    "x^2": lambda x: x**2,
    "excess over 1": lambda x: np.maximum(x - 1, 0),
    "cosh - 1": lambda x: np.cosh(1.3 * x) - 1,
    "exp(x^2) - 1": lambda x: np.expm1(0.2 * x**2),
}


def all_signs(m):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=m)))


def mean_of_sup(g, members):
    """E G(sup |sum xi t|) over the rows of `members`, all signs."""
    return g(np.abs(all_signs(members.shape[1]) @ members.T).max(1)).mean()


@pytest.mark.parametrize("name", CONVEX)
def test_maximum_of_two_costs_at_most_three_halves(name):
    rng, worst = np.random.default_rng(0), 0.0
    for trial in range(150):
        m, size = int(rng.integers(1, 7)), int(rng.integers(1, 40))
        a = rng.normal(size=(size, m)) * (rng.random((size, m)) < 0.7)
        b = np.zeros_like(a) if trial % 2 else rng.normal(size=(size, m))
        left = mean_of_sup(CONVEX[name], np.maximum(a, b))
        right = 0.5 * mean_of_sup(CONVEX[name], a + b) + mean_of_sup(CONVEX[name], a - b)
        worst = max(worst, left / right if right else 0.0)
    assert worst <= 1 + 1e-12
    assert worst > 0.3


def test_a_relu_needs_more_than_one():
    """The whole square of directions: the factor 3/2 is not 1, at best 1.11 was attained."""
    grid = np.array(list(itertools.product(np.linspace(-1, 1, 21), repeat=3)))
    worst = max(
        mean_of_sup(g, np.maximum(grid, 0)) / mean_of_sup(g, grid)
        for g in (lambda x: x, lambda x: np.maximum(x - 1, 0), lambda x: np.maximum(x - 2, 0))
    )
    ones = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])
    worst = max(worst, mean_of_sup(CONVEX["x"], np.maximum(ones, 0)) / mean_of_sup(CONVEX["x"], ones))
    assert 0.5 < worst <= 1.5


def test_steps_of_maxima_cover_them():
    for k in range(1, 70):
        assert 2 ** maximum_steps(k) >= k > 2 ** (maximum_steps(k) - 1) or k == 1
        assert rectified_maximum_steps(k) == maximum_steps(k + 1) <= maximum_steps(k) + 1
    assert math.isclose(leaky_log_cost(0, 2), LOG_STEP) and leaky_log_cost(0.1, 1) < LOG_STEP
    with pytest.raises(ValueError, match="slopes"):
        leaky_log_cost(0.2, 0.1)


def sets_of(rng, d):
    return [rng.random(d) < 0.6 for _ in range(int(rng.integers(1, 5)))]


def test_second_moment_of_a_maximum_over_input_sets_is_covered_by_both_forms():
    rng, worst = np.random.default_rng(1), [0.0, 0.0]
    for _ in range(120):
        m, d = int(rng.integers(1, 9)), int(rng.integers(1, 5))
        x = rng.normal(size=(m, d)) * rng.random(d)
        chosen, multipliers = sets_of(rng, d), np.exp(rng.normal(size=4))
        parts = [mult * x[:, s] for s, mult in zip(chosen, multipliers, strict=False)]
        energies = np.array([(part**2).sum() for part in parts])
        if not energies.max():
            continue
        squares = [np.zeros(d) for _ in parts]
        for own, part in zip(squares, parts, strict=True):
            found = np.linalg.svd(part, compute_uv=False) ** 2 if part.size else np.zeros(0)
            own[: len(found)] = found
        z = np.max([np.linalg.norm(all_signs(m) @ part, axis=1) for part in parts], axis=0)
        true = math.sqrt((z**2).mean())
        logs = np.log(np.maximum(energies, 1e-300))
        for form, spectrum in enumerate((None, np.array(squares) / energies.max())):
            bound = math.exp(log_root_second_moment(logs, 0.0, spectrum))
            worst[form] = max(worst[form], true / bound)
    assert max(worst) <= 1 + 1e-12
    assert min(worst) > 0.95


def relu_supremum(x, signs, rng, tries=24, steps=60):
    """Largest |sum signs relu(w.x)| found over unit w; never above the true supremum."""
    w = rng.normal(size=(tries, x.shape[1]))
    best = 0.0
    for direction in (1.0, -1.0):
        v = w / np.linalg.norm(w, axis=1, keepdims=True)
        for k in range(steps):
            active = (v @ x.T > 0) * signs * direction
            value = (np.maximum(v @ x.T, 0) * signs * direction).sum(1)
            best = max(best, float(value.max()))
            v = v + (active @ x) * (0.5 / (1 + 0.2 * k)) / (1e-9 + np.linalg.norm(x))
            v /= np.linalg.norm(v, axis=1, keepdims=True) + 1e-300
    return best


def test_one_hidden_layer_stays_below_the_second_moment():
    rng, worst = np.random.default_rng(2), 0.0
    for _ in range(6):
        m, d = 5, int(rng.integers(1, 4))
        x = rng.normal(size=(m, d))
        z = np.array([relu_supremum(x, signs, rng) for signs in all_signs(m)])
        bound = math.exp(log_root_second_moment(np.array([math.log((x**2).sum())]), LOG_STEP))
        worst = max(worst, math.sqrt((z**2).mean()) / bound)
    assert 0.5 < worst <= 1


def test_overflowing_and_vanishing_costs_stay_numbers():
    many = np.array([-1e4, 0.0, 700.0])
    assert math.isfinite(log_root_second_moment(many, 5000 * LOG_STEP))
    assert log_root_second_moment(np.array([-math.inf]), 1.0) == -math.inf
    deep, flat = (log_root_second_moment(np.zeros(3), k * LOG_STEP) for k in (1000, 0))
    assert flat < deep < 0.5 * math.log(3 * 1000)


def margin_supremum(x, y, signs, rng, classes, tries=40, steps=80):
    """Largest sum of signs times margins found for f_c = v_c (w.x), ||v|| = ||w|| = 1."""
    v, w = rng.normal(size=(tries, classes)), rng.normal(size=(tries, x.shape[1]))
    best = 0.0
    for k in range(steps):
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        u = np.maximum(w @ x.T, 0)  # tries, m
        outputs = u[:, :, None] * v[:, None]
        own = outputs[:, np.arange(len(y)), y]
        others = outputs.copy()
        others[:, np.arange(len(y)), y] = -np.inf
        rival = others.argmax(2)
        best = max(best, float(((own - others.max(2)) * signs).sum(1).max()))
        step = np.eye(classes)[y][None] - np.eye(classes)[rival]
        slope = (v[:, None] * step).sum(2)
        dv = (signs[None, :, None] * u[:, :, None] * step).sum(1)
        dw = (signs * slope * (u > 0)) @ x
        rate = 1.0 / (1 + 0.1 * k)
        v, w = v + rate * dv, w + rate * dw
    return best


def moments_of(x, y, classes):
    energies = np.array([(x[y == c] ** 2).sum() for c in range(classes)])
    total, top = (x**2).sum(), np.linalg.norm(x, 2)

    def z(energy, steps):
        return log_root_second_moment(np.array([math.log(energy) if energy else -math.inf]), steps * LOG_STEP)

    def summed(parts):
        return 0.5 * math.log(sum(math.exp(2 * z(e, 1)) for e in parts))

    return Moments(z(total, 1), z(total, 0), summed(energies), summed(total - energies), math.log(top))


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_margins_of_one_hidden_unit_stay_below_the_lemma(classes):
    rng, worst = np.random.default_rng(classes), 0.0
    for _ in range(4):
        m, d = 6, 2
        x, y = np.abs(rng.normal(size=(m, d))), rng.integers(0, classes, m)
        found = np.mean([margin_supremum(x, y, signs, rng, classes) for signs in all_signs(m)])
        worst = max(worst, found / math.exp(margins_l1_over_units(classes, moments_of(x, y, classes))))
    assert 0.2 < worst <= 1


def test_forms_for_margins_are_below_the_general_contraction():
    z = Moments(0.0, -0.2, -0.5, 0.0, -0.3)
    for classes in range(2, 30):
        assert margins_l1_over_units(classes, z) <= math.log(2) + outputs_l1_over_units(classes, z) + 1e-12
    assert margins_summed(4, z) <= math.log(2) + 1e-12
    assert margins_summed(1, z) == margins_l1_over_units(1, z) == 0.0


def test_confidence_is_below_the_published_one():
    for bits in (0.0, 10.0, 1e6):
        assert confidence(0.05, bits, 1000) < confidence_as_published(0.05, bits, 1000)
    assert math.isclose(confidence(0.05, 0.0, 1000), 2 * math.sqrt(math.log(20) / 2000), rel_tol=1e-12)


def test_two_rademacher_terms_deviate_within_the_confidence_term():
    """One fair bit and the class of both indicators: 2 R_S and the deviation together stay below the tail."""
    m, delta = 12, 0.05
    weights = np.array([math.comb(m, k) for k in range(m + 1)]) / 2.0**m
    violated = 0.0
    for ones in range(m + 1):
        sup = abs(0.5 - ones / m)  # of mean - empirical mean over {z, 1 - z}
        inner = sum(
            math.comb(ones, a) * math.comb(m - ones, b) / 2.0**m * max(2 * a - ones, 2 * b - (m - ones))
            for a in range(ones + 1)
            for b in range(m - ones + 1)
        )
        violated += weights[ones] * (sup > 2 * inner / m + confidence(delta, 0.0, m))
    assert violated <= delta


def test_shrunken_averages_come_as_close_as_the_lemma_says():
    rng = np.random.default_rng(3)
    for _ in range(40):
        n, dim = 3, int(rng.integers(1, 4))
        half = rng.normal(size=(n, dim))
        atoms = np.vstack([half, -half])
        r = np.linalg.norm(atoms, axis=1).max()
        weights = rng.dirichlet(np.full(2 * n, 0.5)) * rng.random() ** 0.2
        target = weights @ atoms
        for k in (1, 2, 3):
            sums = np.array(
                [atoms[list(c)].sum(0) for c in itertools.combinations_with_replacement(range(2 * n), k)]
            )
            closest = np.linalg.norm(sums / (k + math.sqrt(k)) - target, axis=1).min()
            assert closest <= r / (1 + math.sqrt(k)) + 1e-12


def test_cover_sizes_count_multisets():
    for ratio, atoms in ((1.5, 4), (2.0, 10), (7.3, 6)):
        k = sparsity(ratio)
        assert 1 / (1 + math.sqrt(k)) <= 1 / ratio + 1e-12
        exact = math.log(math.comb(atoms + k - 1, k))
        assert exact <= log_cover(ratio, atoms) <= exact + 1e-9
        assert log_cover(ratio, atoms) <= ratio**2 * math.log(atoms) + 1e-9


def test_few_levels_cover_the_complexity_of_finite_classes():
    rng = np.random.default_rng(4)
    for _ in range(20):
        m = 8
        members = rng.random((int(rng.integers(2, 40)), m))
        true = (all_signs(m) @ members.T).max(1).mean() / m

        def log_n(eps, members=members):
            left, count = list(range(len(members))), 0
            while left:
                near = np.sqrt(((members[left] - members[left[0]]) ** 2).mean(1)) <= eps
                left, count = [i for i, inside in zip(left, near, strict=True) if not inside], count + 1
            return math.log(count)

        assert true <= chained(log_n, m).value + 1e-12


def test_more_levels_help_where_the_complexity_is_small():
    q, m = 0.001, 60_000
    bound = chained(lambda eps: q**2 * m / eps**2, m)
    assert len(bound.levels) > 2
    assert bound.value < 0.028 < 2**0.75 * math.sqrt(q)

"""Laws as tables of whole numbers, and what is made of them: against sums of fractions and permanents written out."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.certificates.pacbayes import theorem
from boundcalc.certificates.pacbayes.draws import (
    PRIOR_BITS,
    PRIOR_KEEPS,
    PRIOR_WIDTHS,
    SCALES,
    Oracle,
    Posterior,
    Prior,
    SavedLayer,
    log2_ratio,
)  # fmt: skip
from boundcalc.certificates.pacbayes.symmetry import order_bits
from boundcalc.certificates.pacbayes.tables import (
    KEEP_LEVELS,
    PHASES,
    SLAB,
    TOTAL,
    WIDTHS,
    Law,
    slab,
    width_of,
)

laws = st.tuples(st.integers(0, KEEP_LEVELS), st.integers(-3000, 3000), st.integers(0, WIDTHS - 1))


def law_of(*rows: tuple[int, int, int]) -> Law:
    return Law(*(np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)))


def written_out(keep: int, centre: int, width: int) -> dict[int, Fraction]:
    """The law from exp in float64; whole masses are within 2^-40 of it, the largest of the slab within their sum."""
    middle, sigma = centre / PHASES, math.sqrt(math.isqrt(2 ** (width + 28)) / 2**16)
    places = range(math.floor(middle - 9 * sigma) - 2, math.ceil(middle + 9 * sigma) + 3)
    heights = {j: math.exp(-((j - middle) ** 2) / (2 * sigma**2)) for j in places}
    whole = math.fsum(heights.values())
    found = {j: Fraction(height / whole) * Fraction(keep, KEEP_LEVELS) for j, height in heights.items()}
    found[0] = found.get(0, Fraction(0)) + Fraction(KEEP_LEVELS - keep, KEEP_LEVELS)
    return found


@given(laws)
@settings(max_examples=40)
def test_masses_are_whole_and_sum_to_one(numbers: tuple[int, int, int]) -> None:
    due = written_out(*numbers)
    values = np.array(sorted(due), dtype=np.int64)
    masses = law_of(*[numbers] * len(values)).masses(values)
    assert int(masses.sum()) == TOTAL
    pairs = zip(masses, values, strict=True)
    assert all(
        abs(Fraction(int(mass), TOTAL) - due[int(value)]) < Fraction(len(values), SLAB) for mass, value in pairs
    )  # fmt: skip


@given(laws, st.data())
@settings(max_examples=40)
def test_a_draw_has_each_value_for_as_many_answers_as_its_mass(
    numbers: tuple[int, int, int], data: st.DataObject
) -> None:
    """The answers that give a value are one run of whole numbers (two where 0 is of the slab too), as long as its mass."""
    law = law_of(numbers)
    answer = data.draw(st.integers(0, TOTAL - 1))
    value = law.draw(np.array([answer]))
    mass = int(law.masses(value)[0])
    assert mass > 0
    keep = numbers[0]
    first, table = slab(numbers[1] % PHASES, numbers[2])
    start = numbers[1] // PHASES + first
    edges = np.concatenate([[0], np.cumsum(table)]) * keep + (KEEP_LEVELS - keep) * SLAB
    place = int(value[0]) - start
    inside = 0 <= place < len(table) and edges[place] <= answer < edges[place + 1]
    assert inside or (value[0] == 0 and answer < (KEEP_LEVELS - keep) * SLAB)


def test_widths_grow_by_a_fixed_ratio() -> None:
    assert [width_of(number) for number in (0, 4, 8, 28)] == [0.5, 1.0, 2.0, 64.0]


@pytest.mark.parametrize(
    "bad", [(-1, 0, 0), (KEEP_LEVELS + 1, 0, 0), (1, 0, WIDTHS), (1, 2**24, 0), (1, 0, -1)]
)
def test_laws_out_of_range_are_refused(bad: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        law_of(bad)


@given(st.lists(laws, min_size=1, max_size=6), st.lists(laws, min_size=6, max_size=6), st.integers(0, 99))
@settings(max_examples=30)
def test_the_ratio_is_that_of_whole_numbers(
    rows: list[tuple[int, int, int]], below: list[tuple[int, int, int]], seed: int
) -> None:
    posterior, prior = law_of(*rows), law_of(*below[: len(rows)])
    values = posterior.draw(np.random.default_rng(seed).integers(0, TOTAL, len(rows)))
    above, under = posterior.masses(values), prior.masses(values)
    if (under == 0).any():
        assert log2_ratio(values, posterior, prior) == math.inf
        return
    exact = math.prod(Fraction(int(a), int(b)) for a, b in zip(above, under, strict=True))
    due = math.log2(exact.numerator) - math.log2(exact.denominator)
    found = log2_ratio(values, posterior, prior)
    assert due - 1e-12 * (1 + abs(due)) <= found <= due + 1e-9 * (1 + abs(due))


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_the_order_of_units_is_the_permanent_from_above(count: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (int(rng.integers(1, 257)), int(rng.integers(-90, 90)), int(rng.integers(4, 14)))
        for _ in range(count * size)
    ]
    posterior = law_of(*rows)
    values = posterior.draw(rng.integers(0, TOTAL, count * size))
    units = rng.permutation(count * size).reshape(count, size)
    found = order_bits(values, posterior, units, count)

    def mass(order: tuple[int, ...]) -> Fraction:
        moved = values.copy()
        for i, j in enumerate(order):
            moved[units[i]] = values[units[j]]
        return math.prod(Fraction(int(one), TOTAL) for one in posterior.masses(moved))

    permanent = sum(mass(order) for order in itertools.permutations(range(count)))
    exact = permanent / math.factorial(count) / mass(tuple(range(count)))
    assert 2**found >= float(exact) * (1 - 1e-12)


def test_units_that_are_not_alike_give_back_all_their_orders() -> None:
    posterior = law_of(*((256, 800 * unit, 4) for unit in range(6) for _ in range(3)))
    values = posterior.draw(np.random.default_rng(0).integers(0, TOTAL, 18))
    found = order_bits(values, posterior, np.arange(18).reshape(6, 3), 6)
    assert found == pytest.approx(-math.log2(math.factorial(6)), abs=1e-9)
    assert found >= -math.log2(math.factorial(6))


@given(st.lists(laws, min_size=1, max_size=30), st.sampled_from(SCALES), st.sampled_from(PRIOR_KEEPS), st.sampled_from(PRIOR_WIDTHS),
       st.integers(0, 2**40))  # fmt: skip
def test_a_layer_comes_back_whole(
    rows: list[tuple[int, int, int]], scale: int, keep: int, width: int, draw: int
) -> None:
    posterior = Posterior(*(np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)))
    stage = SavedLayer(Prior(scale, keep, width), posterior, draw)
    again = SavedLayer.of_tree(stage.tree(), len(rows))
    assert (again.prior, again.draw) == (stage.prior, stage.draw)
    assert again.posterior.encode() == posterior.encode()
    with pytest.raises(ValueError, match="bytes"):
        SavedLayer.of_tree(stage.tree(), len(rows) + 1)
    for name, bad in (
        ("draw", -1),
        ("draw", 1.0),
        ("prior", {"scale": 1, "keep": 5, "width": 8}),
        ("posterior", "0"),
    ):
        with pytest.raises(ValueError, match=r"."):
            SavedLayer.of_tree({**stage.tree(), name: bad}, len(rows))


def test_the_grid_of_priors_is_priced_by_its_size() -> None:
    """Kraft: every prior of the grid costs the same, and there are no more than its price allows."""
    grid = list(itertools.product(SCALES, PRIOR_KEEPS, PRIOR_WIDTHS))
    assert len({Prior(*one) for one in grid}) * 2.0**-PRIOR_BITS <= 1
    with pytest.raises(ValueError, match="grid"):
        Prior(9, 1, 8)


@pytest.mark.parametrize("m", [1, 2, 7, 8, 50, 400])
def test_xi_is_its_sum_from_above(m: int) -> None:
    exact = sum(
        math.comb(m, k) * Fraction(k, m) ** k * Fraction(m - k, m) ** (m - k) for k in range(m + 1)
    )  # fmt: skip
    assert 0 <= math.exp(theorem.log_xi(m)) / float(exact) - 1 < 1e-9
    assert m < 8 or float(exact) <= 2 * math.sqrt(m)


def test_questions_are_paid_by_the_largest_product() -> None:
    for layers in (1, 2, 3, 5):
        share = 2**64 // layers
        largest = math.log2(share**layers)
        assert largest <= theorem.question_bits(layers) < largest + 1e-6


@given(st.integers(0, 200), st.floats(-300, 300))
def test_the_bound_is_the_theorem(errors: int, bits: float) -> None:
    m, delta = 200, 0.05
    value = theorem.error_bound(errors, m, bits, delta)
    total = max(0.0, bits * math.log(2) + theorem.log_xi(m) + math.log(1 / delta))
    q = errors / m
    if value < 1 - 1e-9:
        kl = (q * math.log(q / value) if q else 0.0) + (1 - q) * math.log((1 - q) / (1 - value))
        assert kl * m == pytest.approx(total, abs=1e-6)
    assert value >= q


FACTS = {"architecture": [["Input", [1]]], "kept": [None], "data": "ab", "normalize": None, "delta": 0.05}


@pytest.mark.parametrize(
    "change", ["keep", "centre", "width", "prior", "draw", "data", "kept", "delta", "earlier layer"]
)
def test_every_draw_depends_on_all_that_could_have_been_chosen(change: str) -> None:
    prior = Prior(4, 64, 12)

    def answer(**new: object) -> np.ndarray:
        facts = {**FACTS, **{name: value for name, value in new.items() if name in FACTS}}
        parts = {
            name: np.array(new.get(name, [100, 120]), dtype=np.int64) for name in ("keep", "centre", "width")
        }
        parts["width"] = np.array(new.get("width", [6, 7]), dtype=np.int64)
        oracle = Oracle(facts)
        oracle.go_on(prior, Posterior(*(np.array([one]) for one in (9, 9, 9))), int(new.get("earlier", 0)))  # type: ignore[call-overload]
        return oracle.uniform(new.get("prior", prior), Posterior(**parts), int(new.get("draw", 0)))  # type: ignore[arg-type, call-overload]

    new = {
        "keep": [100, 121], "centre": [100, 121], "width": [6, 8], "prior": Prior(4, 64, 13), "draw": 1, "data": "ac",
        "kept": [3], "delta": 0.04, "earlier layer": 1,
    }[change]  # fmt: skip
    before, after = answer(), answer(**{change.replace(" layer", ""): new})
    assert np.array_equal(before, answer())
    assert not np.array_equal(before, after)
    assert ((before >= 0) & (before < TOTAL)).all()

"""Homomorphism densities against loops, networkx, and what they must be."""

import itertools
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import boundcalc.graphon.homomorphisms as module
from boundcalc.graphon.counts import EntryCounts
from boundcalc.graphon.estimate import estimate
from boundcalc.graphon.homomorphisms import of_mask, of_step


def by_loops(counts, taps):
    """The four densities by summing over all maps of vertices."""
    n, m = counts.shape
    share = [[Fraction(int(c), taps) for c in row] for row in counts]
    edge = star = other = cycle = Fraction(0)
    for u, v in itertools.product(range(n), range(m)):
        edge += share[u][v]
        star += sum(share[u][v] * share[u][w] for w in range(m))
        other += sum(share[u][v] * share[w][v] for w in range(n))
        cycle += sum(
            share[u][v] * share[u][w] * share[x][v] * share[x][w] for w in range(m) for x in range(n)
        )
    return [
        float(total / places)
        for total, places in ((edge, n * m), (star, n * m * m), (other, n * n * m), (cycle, (n * m) ** 2))
    ]


def four(found):
    return [found.edge, found.row_star, found.column_star, found.four_cycle]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_a_mask_against_loops_to_the_last_digit(seed):
    rng = np.random.default_rng(seed)
    n, m, taps = (int(v) for v in rng.integers(1, 7, 3))
    counts = rng.integers(0, taps + 1, (n, m))
    assert four(of_mask(EntryCounts(counts.astype(np.uint8), taps))) == by_loops(counts, taps)


def test_cycles_against_networkx():
    mask = np.random.default_rng(0).random((9, 12)) < 0.4
    graph = nx.Graph()
    graph.add_edges_from((("row", u), ("column", v)) for u, v in zip(*np.nonzero(mask), strict=True))
    cycles = sum(1 for cycle in nx.simple_cycles(graph, length_bound=4) if len(cycle) == 4)
    degrees = dict(graph.degree)
    stars = [
        sum(d * (d - 1) // 2 for node, d in degrees.items() if node[0] == side) for side in ("row", "column")
    ]
    edges = graph.number_of_edges()
    homomorphisms = 4 * cycles + 2 * stars[0] + 2 * stars[1] + edges
    found = of_mask(EntryCounts(mask.astype(np.uint8), 1))
    assert found.four_cycle == homomorphisms / 108**2
    assert found.row_star == (2 * stars[0] + edges) / (9 * 144)
    assert found.column_star == (2 * stars[1] + edges) / (81 * 12)


@pytest.mark.parametrize("density", [0.001, 0.3])
def test_tiles_change_nothing(monkeypatch, density):
    counts = EntryCounts((np.random.default_rng(1).random((70, 90)) < density).astype(np.uint8), 1)
    whole = of_mask(counts)
    monkeypatch.setattr(module, "TILE", 16)
    assert of_mask(counts) == whole


def test_large_counts_stay_exact():
    counts = EntryCounts(np.full((3, 5), 60_000, dtype=np.uint16), 60_000)
    assert four(of_mask(counts)) == [1.0] * 4
    mixed = np.array([[65_000, 1], [3, 64_999]])
    assert four(of_mask(EntryCounts(mixed.astype(np.uint16), 65_535))) == by_loops(mixed, 65_535)


def test_the_order_of_units_changes_nothing():
    rng = np.random.default_rng(2)
    mask = (rng.random((40, 60)) < 0.2).astype(np.uint8)
    assert of_mask(EntryCounts(mask[rng.permutation(40)][:, rng.permutation(60)], 1)) == of_mask(
        EntryCounts(mask, 1)
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_inequalities_of_sidorenko_and_jensen(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 20, 2)
    found = of_mask(EntryCounts((rng.random((n, m)) < rng.random()).astype(np.uint8), 1))
    for star in (found.row_star, found.column_star):
        assert found.edge**2 <= star * (1 + 1e-12) and star <= found.edge
        assert found.four_cycle <= star
    assert found.edge**4 <= found.four_cycle * (1 + 1e-12)


def test_with_a_cell_a_unit_the_step_graphon_has_the_masks_densities():
    rng = np.random.default_rng(3)
    counts = EntryCounts(rng.integers(0, 10, (11, 7)).astype(np.uint8), 9)
    graphon = estimate(counts, rng.permutation(11), rng.permutation(7))
    assert four(of_step(graphon)) == pytest.approx(four(of_mask(counts)), rel=1e-13)


def test_unequal_cells_weigh_what_they_measure():
    mask = np.kron([[1, 0], [0, 1]], np.ones((1, 1)))
    repeated = np.repeat(np.repeat(mask, [1, 3], axis=0), [4, 1], axis=1)
    graphon = estimate(
        EntryCounts(repeated.astype(np.uint8), 1), np.array([0, 1, 1, 1]), np.array([0, 0, 0, 0, 1])
    )
    assert four(of_step(graphon)) == pytest.approx(
        four(of_mask(EntryCounts(repeated.astype(np.uint8), 1))), rel=1e-13
    )

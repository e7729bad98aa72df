"""Orders of layers: the search against a naive one, and its cost on long chains."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundcalc.network.orders import OrderSearch, follows

NAMES = st.sampled_from([f"{family}{number}" for family in ("a", "b.", "") for number in ("", 0, 1, 2, "01")])
LINEAR = st.tuples(st.integers(1, 2), st.integers(1, 2))
CONVOLUTION = st.tuples(st.integers(1, 4), st.integers(1, 2), st.just(3), st.just(3))


def family(name):
    return re.sub(r"\d+", "#", name), tuple(map(int, re.findall(r"\d+", name)))


def naive(shapes):
    """All permutations in which shapes chain and numbers rise, in the order of their names."""
    found = []
    for order in itertools.permutations(sorted(shapes)):
        rising = all(
            family(a)[1] <= family(b)[1]
            for a, b in itertools.combinations(order, 2)
            if family(a)[0] == family(b)[0]
        )
        if rising and all(follows(shapes[a], shapes[b]) for a, b in itertools.pairwise(order)):
            found.append(list(order))
    return found


@given(st.dictionaries(NAMES, LINEAR | CONVOLUTION, min_size=1, max_size=5))
def test_the_search_finds_what_a_naive_one_finds(shapes):
    assert list(OrderSearch(shapes).orders(1000)) == naive(shapes)


@pytest.mark.parametrize("layers", [1000, 20_000])
def test_a_long_chain_takes_a_step_a_layer(layers):
    names = [f"l{number}" for number in range(layers)]
    search = OrderSearch(dict.fromkeys(sorted(names), (1, 1)))
    before = search.steps
    assert list(search.orders(2)) == [names]
    assert before - search.steps == layers


def test_a_search_without_end_is_given_up():
    search = OrderSearch({"x" * k: (1, 1) for k in range(1, 400)} | {"end": (2, 1), "stop": (3, 1)})
    assert list(search.orders(2)) == []
    assert search.steps <= 0


def test_layers_without_outputs_or_inputs_follow_nothing():
    assert not follows((0, 3, 3, 3), (2, 0))
    assert not follows((4, 3, 3, 3), (2, 0, 3, 3))

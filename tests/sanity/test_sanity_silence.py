"""Honest tickets on their own data are given no warning."""

from __future__ import annotations

import pytest

import boundcalc
from boundcalc.sanity import CHECKS

TRAINED = ("lenet300_dense", "lenet300_density10", "lenet300_density02", "conv_density10")


@pytest.mark.parametrize("name", TRAINED)
def test_demo_tickets(warned, sample, tickets, name):
    some = tuple(array[:400] for array in sample)
    assert warned(tickets / f"{name}.pt", some) == ()


def test_a_ticket_with_its_reference_and_every_part_but_bounds(warned, sample, tickets, ticket):
    parts = ("samples", "topology", "graphon", "empirical")
    assert warned(ticket, sample, only=parts, reference=tickets / "lenet300_init.pt") == ()


def test_without_data(warned, ticket):
    assert warned(ticket, None, only=("samples",)) == ()


def test_a_ticket_on_its_test_split_alone(warned, ticket, arrays):
    data = (arrays["x_test"], arrays["y_test"])
    assert warned(ticket, data) == ()


def test_few_samples_are_no_evidence(warned, ticket, arrays):
    data = (arrays["x_train"][:19], (arrays["y_train"][:19] + 1) % 10)
    assert warned(ticket, data) == ()


def test_analyze_warns_nobody_in_python(ticket, arrays, recwarn):
    boundcalc.analyze(ticket, data=(arrays["x_train"] * 255, arrays["y_train"]), only=("empirical",))
    assert not recwarn.list


def test_every_check_is_listed_once():
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS)

"""The numeric code equals its symbolic form, and every printed number is at or above the true value of its formula."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from subjects import ALL, bounds, problem

from boundcalc.bounds import Bound, NormComplexity, registry
from boundcalc.errors import NotCovered
from boundcalc.testing import check_peeling_paths, check_rounds_up, check_symbolic_form, mlp, problem_of
from boundcalc.theory.symbolic import NotFilled

COVERED: set[str] = set()
"""Bounds that were compared on at least one network."""


@pytest.mark.parametrize(("network", "referred"), ALL)
def test_numbers_equal_the_symbolic_form_and_round_up(network, referred):
    subject = problem(network, referred)
    for bound in bounds():
        try:
            check_symbolic_form(bound, subject)
            check_rounds_up(bound, subject)
        except (NotCovered, NotFilled):
            continue
        COVERED.add(bound.name)
    assert {"peeling", "path_norm"} <= COVERED


@pytest.mark.parametrize("margin", [None, 0.5])
def test_many_samples_and_a_margin_fixed_in_advance(margin):
    subject = problem("perceptron", copies=80)
    subject = replace(subject, settings=replace(subject.settings, margin=margin))
    for bound in bounds():
        _checked(bound, subject)


def _checked(bound, subject):
    """Bounds whose value is at most their formula have no numbers to compare."""
    try:
        check_symbolic_form(bound, subject)
        check_rounds_up(bound, subject)
    except NotFilled:
        assert bound.name in {"bartlett2017", "graf2022_norms", "graf2022_params"}
    except NotCovered:
        assert bound.kind == "certificate"


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_extreme_weights(scale):
    network = mlp((4, 6, 5, 3), 5, 0.8)
    from boundcalc.testing.invariances import changed

    extreme = changed(network, lambda number, layer: (layer.weight * scale, None))
    subject = problem_of(extreme, torch.randn(9, 4).double() / 3, torch.arange(9) % 3, passes=0)
    for bound in bounds():
        if bound.name != "occam":
            _checked(bound, subject)


@pytest.mark.parametrize("network", ["perceptron", "with biases", "deep", "one layer", "one output"])
def test_peeling_in_exact_arithmetic(network):
    check_peeling_paths(problem(network))


def test_a_number_below_its_formula_is_found():
    bound = registry["golowich2018_fro"]

    def lower(subject):
        outcome = bound.compute(subject)
        return NormComplexity(outcome.log_rho, outcome.log_unit - 1e-11, outcome.bits, outcome.terms)

    low = Bound("golowich2018_fro", "F", "theorem", "", (), lower)
    check_symbolic_form(low, problem("perceptron"))
    with pytest.raises(AssertionError, match=r"golowich2018_fro: complexity: log .* is below the true"):
        check_rounds_up(low, problem("perceptron"))


@pytest.mark.parametrize(
    ("name", "key"),
    [("path_norm", "log_moment"), ("golowich2018_fro", "log_sum"), ("neyshabur2015_1inf", "log_sum")],
)
@pytest.mark.parametrize(("change", "told"), [(-1e-3, "which is more"), (2e-3, "which is less")])
def test_a_wrong_moment_is_found_although_the_complexity_follows_from_it(name, key, change, told):
    bound, subject = registry[name], problem("one layer")

    def changed(subject):
        outcome = bound.compute(subject)
        terms = {**outcome.terms, key: outcome.terms[key] + change}
        return replace(outcome, log_unit=outcome.log_unit + change, terms=terms)

    with pytest.raises(AssertionError, match=told):
        check_symbolic_form(replace(bound, compute=changed), subject)


@pytest.mark.parametrize(("key", "change"), [("z", -1e-3), ("z", 2e-3), ("w", -1e-3)])
def test_a_wrong_moment_of_peeling_is_found(key, change):
    bound = registry["peeling"]

    def changed(subject):
        outcome = bound.compute(subject)
        moments = {**outcome.terms["log_moments"], key: outcome.terms["log_moments"][key] + change}
        return replace(outcome, terms={**outcome.terms, "log_moments": moments})

    with pytest.raises(AssertionError, match=rf"peeling: {key}: log .* recorded, .* computed anew"):
        check_symbolic_form(replace(bound, compute=changed), problem("perceptron"))


@pytest.mark.parametrize("name", ["peeling", "path_norm", "golowich2018_1inf", "neyshabur2015_fro"])
def test_a_wrong_size_is_found(name):
    bound = registry[name]

    def changed(subject):
        outcome = bound.compute(subject)
        return replace(outcome, log_rho=outcome.log_rho - 1e-8, log_unit=outcome.log_unit + 1e-8)

    with pytest.raises(AssertionError, match=rf"{name}: rho: log .* which is more"):
        check_symbolic_form(replace(bound, compute=changed), problem("perceptron"))


def test_a_bound_without_a_form_says_so():
    bound = replace(registry["path_norm"], name="unknown")
    with pytest.raises(ValueError, match="unknown has no symbolic form"):
        check_symbolic_form(bound, problem("perceptron"))

"""Checks of the numeric code against the symbolic form: both give the same number, and the numeric code is never below."""

from __future__ import annotations

import math
from dataclasses import replace

import mpmath
from mpmath import iv

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound
from boundcalc.bounds.outcome import ClassComplexity, LossComplexity
from boundcalc.bounds.risk import risk_bound
from boundcalc.testing import exact
from boundcalc.testing.ingredients import check_ingredients
from boundcalc.testing.subject import close
from boundcalc.theory.forms import forms_of
from boundcalc.theory.symbolic import Evaluation, Filled, NotFilled, SymbolicForm
from boundcalc.theory.symbolic_interval import Interval, log_middle, precision
from boundcalc.theory.symbolic_ledger import value_interval

LARGEST_LOG = 709.0
"""Largest logarithm whose exponential is a double; reports store that number, and their text prints it rounded up."""


def evaluated(bound: Bound, problem: BoundInputs) -> Evaluation:
    """Evaluate a bound and its bound on the error.

    Raises:
        NotCovered: the bound does not cover the network.
    """
    outcome = bound.compute(problem)
    return Evaluation(bound, problem, outcome, risk_bound(outcome, problem))


def form_of(evaluation: Evaluation) -> SymbolicForm:
    """Return the symbolic form that applies to an evaluation.

    Raises:
        ValueError: the bound has no symbolic form.
    """
    for form in forms_of(evaluation.bound.name):
        if form.applies(evaluation):
            return form
    raise ValueError(f"{evaluation.bound.name} has no symbolic form")


def check_symbolic_form(bound: Bound, problem: BoundInputs, tolerance: float = 1e-9) -> None:
    """Check complexity and bound on the error against the symbolic form, and the numbers filled into it against
    weights and energies.

    The form uses the sizes and moments that the evaluation recorded; `boundcalc.testing.ingredients` recomputes them.

    Args:
        bound: bound with a symbolic form.
        problem: network and sample.
        tolerance: absolute tolerance of the logarithms.

    Raises:
        AssertionError: the values differ, or a recorded number is wrong.
        NotCovered: the bound does not cover the network.
        NotFilled: a number of the form was not recorded by the evaluation.
    """
    evaluation = evaluated(bound, problem)
    form = form_of(evaluation)
    filled = form.fill(evaluation)
    check_ingredients(evaluation, filled)
    found, true = evaluation.risk.log_complexity, log_middle(form.evaluate(filled))
    if found < math.inf:
        assert close(found, true, tolerance), (
            f"{bound.name}: complexity {_shown(found)} in numbers, {_shown(true)} by its symbolic form"
        )
    value = _value(form, filled, evaluation)
    if value is not None:
        found, true = evaluation.risk.log_value, log_middle(value)
        assert close(found, true, tolerance), (
            f"{bound.name}: bound on the error {_shown(found)} in numbers, {_shown(true)} by the symbolic ledger"
        )


def check_rounds_up(bound: Bound, problem: BoundInputs) -> None:
    """Check with 50-digit intervals that neither a printed number nor its logarithm is below the true value of its formula.

    Norms of weights are recomputed as fractions where `boundcalc.testing.exact` supports it (products of Toeplitz norms,
    path norms, distances); spectral and patch norms and the energies of the data are taken as recorded.

    Args:
        bound: bound with a symbolic form.
        problem: a small network and a sample.

    Raises:
        AssertionError: a number is too small.
        NotCovered: the bound does not cover the network.
    """
    evaluation = evaluated(bound, problem)
    form = form_of(evaluation)
    filled = form.fill(evaluation)
    measured = exact.INPUTS[bound.name](evaluation) if bound.name in exact.INPUTS else {}
    filled = replace(filled, values={**filled.values, **measured})
    outcome = evaluation.outcome
    if isinstance(outcome, LossComplexity | ClassComplexity):
        for name, true in exact.distances(evaluation).items():
            _at_least(f"{bound.name}: {name}", outcome.numbers[name], true)
    if evaluation.risk.log_complexity < math.inf:
        _at_least(f"{bound.name}: complexity", evaluation.risk.log_complexity, form.evaluate(filled))
    value = _value(form, filled, evaluation)
    if value is not None:
        _at_least(f"{bound.name}: bound on the error", evaluation.risk.log_value, value)


def _value(form: SymbolicForm, filled: Filled, evaluation: Evaluation) -> Interval | None:
    try:
        return value_interval(form, filled, evaluation)
    except NotFilled:
        return None


def _at_least(what: str, found: float, true: Interval) -> None:
    with precision():
        if true.b <= 0:
            return
        low = mpmath.mpf(iv.log(true).a)
        assert mpmath.mpf(found) >= low, f"{what}: log {found!r} is below the true {mpmath.nstr(low, 22)}"
        if found < LARGEST_LOG:
            printed, least = math.exp(found), mpmath.mpf(true.a)
            assert printed >= least, f"{what}: {printed!r} is below the true {mpmath.nstr(least, 22)}"


def _shown(log_value: float) -> str:
    return f"exp({log_value:.15g})"

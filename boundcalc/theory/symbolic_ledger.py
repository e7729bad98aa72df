"""The step from a complexity to the bound on the error in symbols, evaluated independently of `bounds.risk`."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import sympy
from mpmath import iv
from sympy import Expr, Symbol, log, sqrt

from boundcalc.bounds.code_lengths import LOWEST
from boundcalc.bounds.outcome import ClassComplexity, CodewordCertificate, LossComplexity, NormComplexity
from boundcalc.bounds.risk import LOG_STEP
from boundcalc.theory.symbolic import Evaluation, Filled, NotFilled, SymbolicForm
from boundcalc.theory.symbolic_interval import Interval, exact, exp_of, interval_of, precision

e, R, R_1, r_k, gamma, delta, share, m = (
    Symbol(name, positive=True) for name in ("e_gamma", "R", "R_1", "r_k", "gamma", "delta", "share", "m")
)
CONFIDENCE = 2 * sqrt(log(1 / share) / (2 * m))
VALUES: dict[type, Expr] = {
    NormComplexity: e + 2 * r_k * R_1 + CONFIDENCE,
    ClassComplexity: e + 4 / gamma * R + CONFIDENCE,
    LossComplexity: e + 2 * R + CONFIDENCE,
}
MEANINGS: dict[Expr, str] = {
    e: "share of training samples with margin at most gamma",
    R: "the complexity above, its numbers rounded up to their grids",
    R_1: "the complexity of the margins at scale 1, at most twice the complexity above",
    r_k: "grid point above scale / gamma",
    share: "part of delta that the grid points and choices have under a prefix code: delta w(k) 2^-bits",
    m: "number of training samples",
}


def value_of_kind(kind: str) -> Expr | None:
    """Return the formula of the bound on the error for a kind of complexity, or None if there is none."""
    return {"F": VALUES[ClassComplexity], "loss": VALUES[LossComplexity]}.get(kind)


def grid_point(log_number: float) -> int:
    """Return the smallest grid index k with (1 + eta)^k >= exp(log_number), in exact arithmetic."""
    if log_number == -math.inf:
        return LOWEST
    return max(LOWEST, math.ceil(Fraction(log_number) / Fraction(LOG_STEP)))


def nearest_point(log_number: float) -> int:
    """Return the index k of a number that is a grid point up to rounding."""
    return round(log_number / LOG_STEP)


def weight(k: int) -> Fraction:
    """Return w(k) = 2 / (3 (|k| + 1)(|k| + 2)), whose sum over all k is 1.

    Example:
        >>> weight(0), float(sum(weight(k) for k in range(-1000, 1001))) < 1
        (Fraction(1, 3), True)
    """
    return Fraction(2, 3 * (abs(k) + 1) * (abs(k) + 2))


def value_interval(form: SymbolicForm, filled: Filled, evaluation: Evaluation) -> Interval:
    """Return the bound on the error at the grid points and choices that the evaluation recorded.

    Raises:
        NotFilled: no bound on the error follows from the outcome, or the network is 0.
    """
    if form.value is not None:
        return form.evaluate(filled, form.value)
    outcome = evaluation.outcome
    match outcome:
        case NormComplexity():
            return _homogeneous(form, filled, evaluation, outcome)
        case LossComplexity() | ClassComplexity():
            return _post_hoc(form, filled, evaluation, outcome)
        case CodewordCertificate():
            return _certificate(form, filled, evaluation)
        case _:
            raise NotFilled("no bound on the error")


def _share(evaluation: Evaluation, points: list[int], bits: float) -> Interval:
    with precision():
        paid = exact(bits) + exact(evaluation.problem.settings.normalization.bits)
        code = iv.exp(-paid * iv.log(iv.mpf(2)))
        part = exact(evaluation.problem.settings.delta) * code
        for k in points:
            part *= exact(weight(k))
        return part


def _ledger(evaluation: Evaluation, own: dict[Expr, Interval]) -> Interval:
    error = evaluation.risk.terms["margin_error"]
    shared = {e: exact(error or 0.0), m: exact(evaluation.problem.energies.m)}
    return interval_of(VALUES[type(evaluation.outcome)], {**shared, **own})


def _homogeneous(
    form: SymbolicForm, filled: Filled, evaluation: Evaluation, outcome: NormComplexity
) -> Interval:
    if outcome.log_rho == -math.inf or evaluation.risk.log_margin is None:
        raise NotFilled("the network is 0")
    margins = outcome.of_margins
    k = nearest_point(margins.log_rho - evaluation.risk.log_margin)
    unit = (
        form.evaluate(filled, 2 * form.formula / form.rho)
        if outcome.margins is None
        else exp_of(margins.log_unit)
    )
    own = {R_1: unit, r_k: exp_of(k * LOG_STEP), share: _share(evaluation, [k], outcome.bits)}
    return _ledger(evaluation, own)


def _post_hoc(
    form: SymbolicForm, filled: Filled, evaluation: Evaluation, outcome: LossComplexity | ClassComplexity
) -> Interval:
    assert evaluation.risk.log_margin is not None
    points = {name: grid_point(number) for name, number in outcome.numbers.items()}
    at_margin = nearest_point(-evaluation.risk.log_margin)
    rounded = {filled.numbers[name]: exp_of(k * LOG_STEP) for name, k in points.items()}
    at = exp_of(-at_margin * LOG_STEP)
    moved = Filled(filled.layers, {**filled.values, **rounded, _GAMMA: at})
    part = _share(evaluation, [*points.values(), at_margin], outcome.bits)
    complexity = form.evaluate(moved)
    if isinstance(outcome, ClassComplexity) and outcome.log_margins is not None:
        ratio = outcome.log_margins(outcome.numbers) - outcome.log_complexity(outcome.numbers)
        with precision():
            complexity = complexity * exp_of(ratio) / 2
    return _ledger(evaluation, {R: complexity, gamma: at, share: part})


_GAMMA = gamma


def _certificate(form: SymbolicForm, filled: Filled, evaluation: Evaluation) -> Interval:
    """Return the root p > q of kl(q || p) = bound as an interval, found by bisection at 60 digits."""
    samples = evaluation.problem.energies.m
    errors = round(evaluation.risk.terms["train_error"] * samples)
    bound = form.evaluate(filled)
    with precision():
        return iv.mpf([_root(errors, samples, bound.a), _root(errors, samples, bound.b)])


def _root(errors: int, samples: int, bound: Interval) -> mpmath.mpf:
    q, target = mpmath.mpf(errors) / samples, mpmath.mpf(bound)
    if errors == samples:
        return mpmath.mpf(1)

    def divergence(p: mpmath.mpf) -> mpmath.mpf:
        first = q * mpmath.log(q / p) if q > 0 else mpmath.mpf(0)
        return first + (1 - q) * mpmath.log((1 - q) / (1 - p))

    low, high = q, mpmath.mpf(1)
    for _ in range(160):
        middle = (low + high) / 2
        low, high = (low, middle) if divergence(middle) >= target else (middle, high)
    return (low + high) / 2


def shown_value(kind: str) -> tuple[sympy.Symbol, Expr] | None:
    """Return both sides of the equation of the bound on the error, or None if there is none for this kind."""
    found = value_of_kind(kind)
    return None if found is None else (Symbol("err"), found)

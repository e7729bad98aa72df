"""The ledger: from a Rademacher complexity to a bound on the 0-1 error.

Kind F:    err <= err_gamma(S) + (2/gamma) R_S(margins) + 2 sqrt(log(1/share) / (2m)),    R_S(margins) <= 2 R_S(F).
Kind loss: err <= err_gamma(S) + 2 R + 2 sqrt(log(1/share) / (2m)).
Both proofs bound the mean ramp loss. Its mean on S, (1/m) sum_i min(1, max(0, 1 - margin_i / gamma)), is at most err_gamma(S)
and replaces it, at no price, if that makes a bound below 1 smaller.
`share` is the part of delta that the grid points and choices used have under a prefix code fixed before the sample:
delta * prod_k w(k) * 2^-bits with w(k) = 2 / (3 (|k|+1)(|k|+2)), whose sum over all integers is 1. Digits of a normalization
that was not fixed before the sample are among the bits of every bound (`boundcalc.bounds.normalization`).
Sources: Bartlett & Mendelson 2002 (symmetrization, McDiarmid), with the constant of `boundcalc.rademacher.confidence`; margins by
`boundcalc.rademacher.margin` or Maurer 2016 (vector contraction). The bound with its published constants is evaluated with 4 R_S(F)
and 3 sqrt(log(2/share) / (2m)), and is reported among the terms as `as_published`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.code_lengths import LOWEST, log2_weight
from boundcalc.bounds.outcome import (
    ERROR,
    EXCESS,
    AtDelta,
    ClassComplexity,
    Coded,
    CodewordCertificate,
    Formula,
    LossComplexity,
    NormComplexity,
    Outcome,
    Score,
    Terms,
)
from boundcalc.norms.rounding import (
    LOG2,
    UNIT,
    exp_up,
    log_product,
    log_up,
    logsumexp,
    shown,
    shown_log10,
    up,
)
from boundcalc.occam.kl import certificate
from boundcalc.rademacher.confidence import confidence, confidence_as_published

LOG_STEP = math.log(1.01)
"""log(1 + eta) of every grid r_k = (1 + eta)^k; fixed here, before any sample."""
RAMP = "mean ramp loss"
"""Name of what ``margin_error`` in the terms holds if a bound uses it in place of the share of samples within the margin."""
CHEAP_GRID_POINTS = 64
"""Number of grid points around 0, whose price is small, that are tried in addition to those next to the margins of the sample."""


@dataclass(frozen=True)
class RiskBound:
    """A bound on the error, with the numbers that lead to it.

    Attributes:
        log_complexity: log of R_S or R at the checkpoint's own norms, before any grid; for a score, the log of the score; inf for a
            certificate, which has none.
        log_value: log of the bound on the quantity in `bounds`; inf if there is no statement about the error.
        margin: gamma, rounded up and capped at the largest float64, or None.
        terms: ingredients of the value.
        coded: for a certificate, the codeword of the network that the value refers to.
        bounds: what the value bounds: `ERROR`, or `EXCESS` if margins are not known; None for a score.
        log_margin: log of gamma, or None.
    """

    log_complexity: float
    log_value: float
    margin: float | None
    terms: Terms = field(default_factory=dict)
    coded: Coded | None = None
    bounds: str | None = None
    log_margin: float | None = None


_NO_VALUE = RiskBound(math.nan, math.nan, None)


Confidence = Callable[[float, float, int], float]
"""(delta, bits, m) -> the confidence term."""


@dataclass(frozen=True)
class _Candidate:
    """A grid point: the log of its margin, its margin error (or mean ramp loss), log complexity term and confidence term."""

    log_margin: float
    margin_error: float
    log_penalty: float
    confidence: float
    ramp: bool = False

    @property
    def log_value(self) -> float:
        return logsumexp([self.log_penalty, log_up(self.margin_error + self.confidence, 1)])


def grid_above(log_number: float) -> int:
    """Return the smallest k >= LOWEST with r_k >= exp(log_number).

    Example:
        >>> grid_above(0.0), grid_above(1e-12), grid_above(-math.inf) == LOWEST
        (0, 1, True)
    """
    if log_number <= LOWEST * LOG_STEP:
        return LOWEST
    k = math.ceil(log_number / LOG_STEP)
    return k if k * LOG_STEP >= log_number else k + 1


def risk_bound(outcome: Outcome, problem: BoundInputs) -> RiskBound:
    """Turn the outcome of a bound into a bound on the error.

    Args:
        outcome: complexity, choices and terms.
        problem: sample size, margins, delta and, if any, a margin fixed in advance.
    """
    risk = _risk_bound(outcome, problem, confidence)
    published = getattr(outcome, "published", None)
    if published is None or math.isnan(risk.log_value):
        return risk
    before = _risk_bound(published, problem, confidence_as_published)
    as_published = {
        "complexity": shown(before.log_complexity),
        "log10_complexity": shown_log10(before.log_complexity),
        "value": shown(before.log_value),
        "log10_value": shown_log10(before.log_value),
    }
    return replace(risk, terms={**risk.terms, "as_published": as_published})


def _risk_bound(outcome: Outcome, problem: BoundInputs, paid: Confidence) -> RiskBound:
    match outcome:
        case Formula():
            return RiskBound(
                outcome.log_complexity, outcome.log_value, None, dict(outcome.terms), bounds=outcome.bounds
            )
        case AtDelta():
            return _at_delta(outcome, problem)
        case CodewordCertificate():
            return _of_certificate(outcome, problem)
        case NormComplexity():
            known = max(outcome.log_rho, outcome.log_unit, outcome.of_margins.log_rho) < math.inf
            return _of_norms(outcome, problem, paid) if known else _NO_VALUE
        case LossComplexity():
            known = all(number < math.inf for number in outcome.numbers.values())
            return _of_loss_class(outcome, problem, paid) if known else _NO_VALUE
        case ClassComplexity():
            known = all(number < math.inf for number in outcome.numbers.values())
            return _of_class(outcome, problem, paid) if known else _NO_VALUE
        case Score():
            known = outcome.log_score < math.inf
            return RiskBound(outcome.log_score, math.inf, None, dict(outcome.terms)) if known else _NO_VALUE


def margin_error(problem: BoundInputs, margin: float) -> float:
    """Return the share of training samples with margin <= `margin`; 0 without data (the bound is then on the excess).

    The share is an upper bound: a sample counts if its computed margin minus the possible rounding of the pass is at most `margin`.
    """
    margins = problem.margins
    if margins is None:
        return 0.0
    reach = margin + problem.margin_rounding
    reached = torch.searchsorted(margins, torch.tensor(reach, dtype=margins.dtype), right=True)
    return int(reached) / margins.numel()


def ramp_loss(problem: BoundInputs, margin: float) -> float:
    """Return an upper bound, at most `margin_error`, of the mean over training samples of min(1, max(0, 1 - own
    margin / `margin`)).
    """
    margins, share = problem.margins, margin_error(problem, margin)
    if margins is None or not share:
        return share
    inside = margins[: round(share * margins.numel())] - problem.margin_rounding
    lost = float((1 - inside / margin).clamp(0.0, 1.0).sum())
    return min(share, up(lost, inside.numel() + 8) / margins.numel())


def _at_delta(outcome: AtDelta, problem: BoundInputs) -> RiskBound:
    price = 0.0 if outcome.any_normalization else problem.settings.normalization.bits
    left = problem.settings.delta * 2.0**-price * (1 - UNIT if price else 1)
    value = min(1.0, outcome.value(left)) if left > 0 else 1.0
    terms = {**outcome.terms, "normalization_bits": price}
    log_value = min(0.0, log_up(value, 2)) if value < 1 else 0.0
    return RiskBound(math.inf, log_value, None, terms, bounds=ERROR)


def _of_certificate(outcome: CodewordCertificate, problem: BoundInputs) -> RiskBound:
    m, delta, price = problem.energies.m, problem.settings.delta, problem.settings.normalization.bits

    def value(word: Coded) -> float:
        return certificate(word.errors, m, word.bits + price, delta)

    best = min(outcome.codewords, key=value)
    terms: Terms = {
        "found_by": best.name,
        "bits": best.bits,
        "normalization_bits": price,
        "train_error": best.errors / m,
        "surviving": best.network.surviving,
        "stages": {
            word.name: {"value": value(word), "bits": word.bits, "train_error": word.errors / m}
            for word in outcome.codewords
        },
    }
    log_value = min(0.0, log_up(value(best), 1))
    return RiskBound(math.inf, log_value, None, {**terms, **outcome.terms}, best, ERROR)


def _of_norms(outcome: NormComplexity, problem: BoundInputs, paid: Confidence) -> RiskBound:
    m, delta = problem.energies.m, problem.settings.delta
    price = outcome.bits + problem.settings.normalization.bits
    own_margin = math.log(problem.settings.margin or sys.float_info.min)
    margins = outcome.of_margins

    def at(k: int) -> _Candidate:
        zero = margins.log_rho == -math.inf
        log_margin = own_margin if zero else log_product([margins.log_rho, -k * LOG_STEP])
        penalty = log_product([LOG2, k * LOG_STEP, margins.log_unit])
        doubt = paid(delta, price + log2_weight(k), m)
        return _Candidate(log_margin, margin_error(problem, exp_up(log_margin)), penalty, doubt)

    if margins.log_rho == -math.inf:
        best = at(LOWEST)
    else:
        points = {grid_above(margins.log_rho - math.log(gamma)) for gamma in _margins(problem)}
        best = _choose([at(k) for k in sorted(points | _cheap_points(problem))], problem, paid)
    log_complexity = log_product([outcome.log_rho, outcome.log_unit])
    own = log_product([margins.log_rho, margins.log_unit])
    told: Terms = {"margin_complexity": shown(own), "log10_margin_complexity": shown_log10(own)}
    return _with_ingredients(log_complexity, best, {**outcome.terms, **told}, outcome.bits, problem)


def _of_loss_class(outcome: LossComplexity, problem: BoundInputs, paid: Confidence) -> RiskBound:
    m, delta = problem.energies.m, problem.settings.delta
    points = {name: grid_above(number) for name, number in outcome.numbers.items()}
    rounded = {name: k * LOG_STEP for name, k in points.items()}
    bits = outcome.bits + sum(log2_weight(k) for k in points.values())
    price = bits + problem.settings.normalization.bits

    def at(k: int) -> _Candidate:
        log_margin = -k * LOG_STEP
        penalty = log_product([LOG2, outcome.log_complexity(rounded, log_margin)])
        doubt = paid(delta, price + log2_weight(k), m)
        reached = margin_error(problem, exp_up(log_product([log_margin])))
        return _Candidate(log_margin, reached, penalty, doubt)

    margins = {grid_above(-math.log(gamma)) for gamma in _margins(problem)}
    best = _choose([at(k) for k in sorted(margins | _cheap_points(problem))], problem, paid)
    own = outcome.log_complexity(outcome.numbers, best.log_margin)
    return _with_ingredients(own, best, outcome.terms, bits, problem)


def _of_class(outcome: ClassComplexity, problem: BoundInputs, paid: Confidence) -> RiskBound:
    """Treat R_S(margins) / gamma as the complexity R of a loss class."""

    def margins(numbers: Mapping[str, float]) -> float:
        if outcome.log_margins is not None:
            return outcome.log_margins(numbers)
        return log_product([LOG2, outcome.log_complexity(numbers)])

    def loss_class(numbers: Mapping[str, float], log_gamma: float) -> float:
        return log_product([margins(numbers), -log_gamma])

    own = margins(outcome.numbers)
    told: Terms = {"margin_complexity": shown(own), "log10_margin_complexity": shown_log10(own)}
    scaled = LossComplexity(outcome.numbers, loss_class, outcome.bits, {**outcome.terms, **told})
    risk = _of_loss_class(scaled, problem, paid)
    return replace(risk, log_complexity=outcome.log_complexity(outcome.numbers))


def _cheap_points(problem: BoundInputs) -> set[int]:
    searched = problem.settings.margin is None and problem.margins is not None
    return set(range(-CHEAP_GRID_POINTS, CHEAP_GRID_POINTS + 1)) if searched else set()


def _margins(problem: BoundInputs) -> list[float]:
    fixed = problem.settings.margin
    if fixed is not None:
        return [fixed]
    if problem.margins is None:
        return [1.0]
    positive = problem.margins[problem.margins > 0]
    if positive.numel() == 0:
        return [1.0]
    ranks = torch.linspace(0, positive.numel() - 1, 512, dtype=torch.float64).round().long().unique()
    quantiles = positive[ranks].tolist()
    return [*quantiles, min(quantiles[-1] * 1.02, sys.float_info.max)]


def _choose(candidates: Sequence[_Candidate], problem: BoundInputs, paid: Confidence) -> _Candidate:
    """Return the smallest bound below 1; unless it is a published form, mean ramp losses replace margin errors if known.

    If no bound is below 1, return the smallest one at a margin that at least half of the sample exceeds.
    """
    ranked = sorted(candidates, key=lambda candidate: candidate.log_value)
    best = ranked[0]
    if paid is confidence and problem.margins is not None:
        ramped = [_by_ramp(one, problem) for one in ranked if math.exp(min(one.log_penalty, 1.0)) < 1]
        best = min([best, *ramped], key=lambda candidate: candidate.log_value)
    if best.log_value < 0:
        return best
    telling = [candidate for candidate in ranked if candidate.margin_error <= 0.5]
    return telling[0] if telling else ranked[0]


def _by_ramp(candidate: _Candidate, problem: BoundInputs) -> _Candidate:
    """Return the bound with the mean ramp loss, which is at most the margin error."""
    loss = ramp_loss(problem, exp_up(candidate.log_margin))
    return replace(candidate, margin_error=loss, ramp=True) if loss < candidate.margin_error else candidate


def _with_ingredients(
    log_complexity: float, best: _Candidate, terms: Terms, bits: float, problem: BoundInputs
) -> RiskBound:
    paid: Terms = {
        "margin_error": best.margin_error if problem.margins is not None else None,
        "complexity_term": shown(best.log_penalty),
        "log10_complexity_term": shown_log10(best.log_penalty),
        "confidence_term": best.confidence,
        "choice_bits": bits,
        "normalization_bits": problem.settings.normalization.bits,
        "grid_step": math.exp(LOG_STEP) - 1.0,
        **({"margin_loss": RAMP} if best.ramp else {}),
    }
    bounds = EXCESS if problem.margins is None else ERROR
    margin = min(exp_up(best.log_margin), sys.float_info.max)
    return RiskBound(
        log_complexity, best.log_value, margin, {**terms, **paid}, bounds=bounds, log_margin=best.log_margin
    )

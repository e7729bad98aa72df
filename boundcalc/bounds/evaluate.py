"""Evaluate every registered bound on one problem: its bound on the error, or why the network is not covered."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace

from boundcalc import progress
from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound
from boundcalc.bounds.outcome import ERROR, AtDelta, Formula, Outcome, Score
from boundcalc.bounds.risk import RiskBound, risk_bound
from boundcalc.errors import NeedsInput, NotCovered

BY_NORMS = frozenset({"F", "loss", "score"})
"""Kinds of bounds for which the outputs of a fixed first stage replace the sample."""
FIRST_STAGE = "the first stage is fixed before the sample; the bound uses its outputs as the sample"
CLAMPS = "clamps such as ReLU6 are ReLUs with fixed biases: min(u, b) = b - relu(b - u)"


@dataclass(frozen=True)
class BoundResult:
    """One line of the bound table.

    Attributes:
        bound: the registry's entry.
        risk: the bound on the error; None if the network is not covered.
        reason: why the network is not covered, or a remark on the number.
        log_ratio: log of its complexity term divided by that of the best Toeplitz-norm bound at the same margin; None if either is
            missing.
        outcome: what the bound computed, so that it can be evaluated again at another delta.
        assumptions: assumptions of the bound, including the one on the normalization.
        blockers: operation and layer of everything that the bound does not cover; empty if it covers the network.
        needs: the missing input; empty if nothing is missing.
    """

    bound: Bound
    risk: RiskBound | None
    reason: str = ""
    log_ratio: float | None = None
    outcome: Outcome | None = None
    assumptions: tuple[str, ...] = ()
    blockers: tuple[tuple[str, str], ...] = ()
    needs: str = ""


def evaluate(bound: Bound, problem: BoundInputs) -> BoundResult:
    """Evaluate one bound.

    Returns:
        The result; if the bound does not cover the network, or another package's code fails, it carries the reason.
    """
    staged = _behind_stage(bound, problem)
    own = _in_relus(bound, staged)
    try:
        outcome = _computed(bound, own)
        risk = risk_bound(outcome, own)
    except NotCovered as error:
        needs = error.what if isinstance(error, NeedsInput) else ""
        blockers = () if needs else error.blockers
        return replace(_uncovered(bound, problem, str(error)), blockers=blockers, needs=needs)
    except Exception as error:
        if bound.compute.__module__.startswith("boundcalc."):
            raise
        return _uncovered(
            bound, problem, f"{bound.compute.__module__} raised {type(error).__name__}: {error}"
        )
    if math.isnan(risk.log_value) or math.isnan(risk.log_complexity):
        return _uncovered(
            bound, problem, "a number in its formula is not representable in float64 for this network"
        )
    said = outcome.remark if isinstance(outcome, AtDelta) else _remark(problem, risk)
    reason = "; ".join(filter(None, (bound.remark, said)))
    said_too = {FIRST_STAGE: staged is not problem, CLAMPS: own is not staged}
    assumptions = (
        *_assumptions(bound, problem, outcome),
        *(text for text, holds in said_too.items() if holds),
    )
    return BoundResult(bound, risk, reason, None, outcome, assumptions)


def inputs_of(bound: Bound, problem: BoundInputs) -> BoundInputs:
    """Return the problem as input of a bound: by norms the part behind a fixed first stage, for kind F with clamps as ReLUs."""
    return _in_relus(bound, _behind_stage(bound, problem))


def _behind_stage(bound: Bound, problem: BoundInputs) -> BoundInputs:
    if problem.behind is None or bound.kind not in BY_NORMS:
        return problem
    return replace(problem.behind, settings=problem.settings)


def _in_relus(bound: Bound, problem: BoundInputs) -> BoundInputs:
    return problem.in_relus if bound.kind == "F" and bound.status == "theorem" else problem


def _computed(bound: Bound, problem: BoundInputs) -> Outcome:
    """Return what a bound computes; a theorem that takes delta directly is given the delta that the normalization leaves.

    Raises:
        NotCovered: the bound does not cover the network, or the normalization leaves no delta.
    """
    outcome = bound.compute(problem)
    price = problem.settings.normalization.bits
    if not isinstance(outcome, Formula) or bound.status != "theorem" or not price:
        return outcome
    left = problem.settings.delta * 2.0**-price
    if not left:
        raise NotCovered("the price of the normalization's digits, which uses up all of delta")
    return bound.compute(replace(problem, settings=replace(problem.settings, delta=left)))


def _uncovered(bound: Bound, problem: BoundInputs, why: str) -> BoundResult:
    return BoundResult(bound, None, f"not covered: {why}", assumptions=_assumptions(bound, problem, None))


def _assumptions(bound: Bound, problem: BoundInputs, outcome: Outcome | None) -> tuple[str, ...]:
    as_published = isinstance(outcome, Formula) and bound.status != "theorem"
    free = isinstance(outcome, AtDelta) and outcome.any_normalization
    paid = not as_published and not isinstance(outcome, Score) and not free
    return (*bound.assumptions, problem.settings.normalization.assumption(paid=paid))


def evaluate_all(bounds: Iterable[Bound], problem: BoundInputs) -> dict[str, BoundResult]:
    """Evaluate all bounds and compare each with the best Toeplitz-norm bound.

    Args:
        bounds: bounds of the registry.
        problem: inputs of the bounds.

    Returns:
        Map from name to result, in the given order.
    """
    from boundcalc.threads import one_thread

    results = {}
    for bound in bounds:
        progress.stage(f"bounds: {bound.name}")
        with one_thread() if bound.kind in BY_NORMS else nullcontext():
            results[bound.name] = evaluate(bound, problem)
    toeplitz = [_log_at_margin_one(r) for r in results.values() if r.bound.toeplitz and r.bound.kind == "F"]
    known = [value for value in toeplitz if value is not None and value > -math.inf]
    if not known:
        return results
    best = min(known)
    return {name: _compared(result, best) for name, result in results.items()}


def _compared(result: BoundResult, best: float) -> BoundResult:
    own = _log_at_margin_one(result)
    return result if own is None else replace(result, log_ratio=own - best)


def _log_at_margin_one(result: BoundResult) -> float | None:
    risk = result.risk
    if risk is None or result.bound.kind not in {"F", "loss"}:
        return None
    if result.bound.kind == "F":
        return risk.log_complexity
    return None if risk.log_margin is None else risk.log_complexity + risk.log_margin - math.log(2)


def _remark(problem: BoundInputs, risk: RiskBound) -> str:
    if risk.bounds is None:
        return ""
    if problem.margins is not None:
        positive = bool((problem.margins > 0).any())
        return (
            ""
            if positive
            else "no training sample has a positive margin, so the margin error is 1 at every margin"
        )
    chosen = (
        "the margin is 1 unless --margin is given"
        if problem.settings.margin is None
        else "the margin is the given one"
    )
    missing = "no data" if problem.split is None else "the network cannot be run on the data"
    return f"{missing}: the margin error is unknown, so the value bounds err - err_gamma(S); {chosen}"


def proved(results: Iterable[BoundResult], subject: str) -> list[BoundResult]:
    """Return the theorems on the error of one subject that cover the network, with the smallest value first.

    Args:
        results: results of any bounds.
        subject: one of `boundcalc.bounds.catalogue.SUBJECTS`; values of different subjects are never compared.
    """
    found = [
        (result.risk.log_value, result)
        for result in results
        if result.bound.status == "theorem" and result.bound.subject == subject
        and result.risk is not None and result.risk.bounds is not None
    ]  # fmt: skip
    return [result for _, result in sorted(found, key=lambda pair: pair[0])]


@dataclass(frozen=True)
class JointBound:
    """The best of the theorems about one subject's error when all of them hold at once.

    Attributes:
        statements: number of statements, each at delta / statements. About the checkpoint: all registered theorems, whether or not
            they cover the network, so that their number is fixed before the sample. About a compression: those that
            cover the network.
        name: bound with the smallest value at this delta.
        log_value: log of this value.
    """

    statements: int
    name: str
    log_value: float


def together(
    results: Iterable[BoundResult], problem: BoundInputs, subject: str = "network"
) -> JointBound | None:
    """Evaluate the theorems about one subject's error again such that all hold at once; other subjects are ignored.

    Args:
        results: results of all registered bounds.
        problem: inputs that they were computed from.
        subject: ``"network"`` or ``"compression"``.

    Returns:
        The smallest of them; None if none covers the network, or none bounds the error because margins are missing.
    """
    asked = [r for r in results if r.bound.status == "theorem" and r.bound.subject == subject]
    known = [r for r in proved(asked, subject) if r.risk is not None and r.risk.bounds == ERROR]
    if not known:
        return None
    if subject == "compression":
        asked = known
    shared = replace(problem, settings=replace(problem.settings, delta=problem.settings.delta / len(asked)))
    values = [(_log_value_at(result, shared), result.bound.name) for result in known]
    log_value, name = min(values)
    return JointBound(len(asked), name, log_value)


def _log_value_at(result: BoundResult, problem: BoundInputs) -> float:
    """Return the log of a bound's value at another delta."""
    outcome = result.outcome
    if outcome is None or isinstance(outcome, Formula):
        again = evaluate(result.bound, problem).risk
        return math.inf if again is None else again.log_value
    return risk_bound(outcome, inputs_of(result.bound, problem)).log_value

"""Every registered bound on one problem: judged, or not covered with the reason."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from boundcalc.bounds.catalogue import Bound
from boundcalc.bounds.outcome import Outcome
from boundcalc.bounds.problem import Problem
from boundcalc.bounds.risk import Judged, judge
from boundcalc.errors import NotCovered


@dataclass(frozen=True)
class BoundResult:
    """One line of the bound table.

    Attributes:
        bound: the registry's entry.
        judged: the bound on the error; None where the network is not covered.
        reason: why not covered, or a remark on the number.
        log_ratio: log of its complexity term over the best Toeplitz-norm bound's at the same margin; None where either is
            missing.
        outcome: what the bound itself computed, so that it can be judged again at another delta.
    """

    bound: Bound
    judged: Judged | None
    reason: str = ""
    log_ratio: float | None = None
    outcome: Outcome | None = None


def evaluate(bound: Bound, problem: Problem) -> BoundResult:
    """Compute one bound.

    Returns:
        The result; a network outside the bound, or a failure of a third party's code, becomes its reason.
    """
    try:
        outcome = bound.compute(problem)
        judged = judge(outcome, problem)
    except NotCovered as error:
        return BoundResult(bound, None, f"not covered: {error}")
    except Exception as error:
        if bound.compute.__module__.startswith("boundcalc."):
            raise
        return BoundResult(
            bound, None, f"not covered: {bound.compute.__module__} raised {type(error).__name__}: {error}"
        )
    if math.isnan(judged.log_value) or math.isnan(judged.log_complexity):
        return BoundResult(
            bound, None, "not covered: float64 does not hold a number of its formula for this network"
        )
    return BoundResult(bound, judged, bound.remark or _remark(problem), outcome=outcome)


def evaluate_all(bounds: Iterable[Bound], problem: Problem) -> dict[str, BoundResult]:
    """Compute all bounds and compare each with the best Toeplitz-norm bound.

    Returns:
        Name -> result, in the order given.
    """
    results = {bound.name: evaluate(bound, problem) for bound in bounds}
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
    judged = result.judged
    if judged is None or result.bound.kind not in {"F", "loss"}:
        return None
    if result.bound.kind == "F":
        return judged.log_complexity
    return None if not judged.margin else judged.log_complexity + math.log(judged.margin / 2)


def _remark(problem: Problem) -> str:
    if problem.margins is not None:
        positive = bool((problem.margins > 0).any())
        return (
            ""
            if positive
            else "no training sample has a positive margin: the margin error is 1 at every margin"
        )
    chosen = "margin 1 unless --margin is given" if problem.settings.margin is None else "at the margin given"
    missing = "no data" if problem.split is None else "the network cannot be run on the data"
    return f"{missing}: bounds err - err_gamma(S), the margin error being unknown; {chosen}"


def best_proved(results: Iterable[BoundResult]) -> BoundResult | None:
    """Return the theorem with the smallest value, or None."""
    proved = [
        r for r in results if r.judged is not None and r.bound.status == "theorem" and r.bound.kind != "score"
    ]
    return min(proved, key=lambda r: r.judged.log_value if r.judged else math.inf, default=None)

"""What the numbers mean, in three lines of at most 100 characters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from boundcalc.report.numbers import plain, upper

if TYPE_CHECKING:
    from boundcalc.findings import Findings


def summary(findings: Findings) -> list[str]:
    """Return three sentences: the best proved bound, sparse against Toeplitz, and what was measured."""
    return [_best(findings), _sparse(findings), _measured(findings)]


def _best(findings: Findings) -> str:
    from boundcalc.bounds.evaluate import best_proved

    best = best_proved(findings.bounds.values())
    if not findings.options.wants("bounds"):
        return "Proved: not asked for."
    if not findings.bounds:
        return "Proved: nothing, for want of a sample: give --data, or --samples and --input-bound."
    if best is None or best.judged is None:
        return "Proved: nothing; no theorem covers this network."
    log_value = best.judged.log_value
    if log_value >= 0:
        return f"Proved: nothing below 1; the smallest theorem, {best.bound.name}, is vacuous ({_size(log_value)})."
    what = "error" if findings.measured is not None else "error - margin error"
    together = "" if findings.best_of_all is None else f" ({_size(findings.best_of_all)} all at once)"
    sure = f"{1 - findings.options.delta:g}"
    return f"Proved: {what} <= {_size(log_value)}{together} by {best.bound.name}, with probability {sure}."


def _sparse(findings: Findings) -> str:
    peeling = findings.bounds.get("peeling")
    if peeling is None:
        return "Sparse against dense: not compared."
    if peeling.judged is None:
        return "Sparse against dense: the sparse bound does not cover this network."
    if peeling.log_ratio is None:
        return "Sparse against dense: there is no positive Toeplitz-norm complexity to compare with."
    if peeling.log_ratio >= 0:
        return "Sparse against dense: the sparse complexity is not below the best Toeplitz-norm one."
    if math.isinf(peeling.log_ratio):
        return "Sparse against dense: the sparse complexity is 0."
    times = -peeling.log_ratio / math.log(10)
    size = plain(math.floor(10**times * 100) / 100) if times < 4 else f"10^{math.floor(times * 10) / 10:.1f}"
    return f"Sparse against dense: the sparse complexity is {size} times below the best Toeplitz-norm one."


def _measured(findings: Findings) -> str:
    measured = findings.measured
    if not findings.options.wants("empirical"):
        return "Measured: not asked for."
    if measured is None or measured.margins is None:
        return "Measured: nothing; the gap that a bound has to explain needs --data."
    from boundcalc.empirical.measure import error

    train = error(measured.margins)
    if measured.test_margins is None:
        return f"Measured: training error {train:.4g}; without test data there is no gap to explain."
    test = error(measured.test_margins)
    gap = f"{test - train:+.4g}"
    return (
        f"Measured: training error {train:.4g}, test error {test:.4g}, gap {gap}: what bounds must explain."
    )


def _size(log_value: float) -> str:
    log10 = log_value / math.log(10)
    return upper(math.exp(log_value) if log_value < 700 else None, log10=log10)

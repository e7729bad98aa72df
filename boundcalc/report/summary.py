"""What the numbers mean, in three lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from boundcalc.report.numbers import upper

if TYPE_CHECKING:
    from boundcalc.findings import Findings


def summary(findings: Findings) -> list[str]:
    """Return three sentences: the best proved bound, sparse against Toeplitz, and what was measured."""
    return [_best(findings), _sparse(findings), _measured(findings)]


def _best(findings: Findings) -> str:
    from boundcalc.bounds.evaluate import best_proved

    best = best_proved(findings.bounds.values())
    if best is None or best.judged is None:
        return "Proved: no bound was computed" + (
            ", since none covers this network." if findings.bounds else "; give data or a sample size."
        )
    what = "the error" if findings.measured is not None else "the error beyond the margin error"
    judged = best.judged
    if judged.log_value < 0:
        end = (
            ""
            if findings.best_of_all is None
            else f" ({_size(findings.best_of_all)} if all theorems are to hold at once)"
        )
        return f"Proved: {what} is at most {_size(judged.log_value)} by {best.bound.name}{end}, with probability {_sure(findings)}."
    return (
        f"Proved: nothing below 1. The smallest theorem, {best.bound.name}, is vacuous ({_size(judged.log_value)}): "
        "it does not limit the error."
    )


def _sparse(findings: Findings) -> str:
    peeling = findings.bounds.get("peeling")
    if peeling is None or peeling.judged is None:
        return "Sparse against dense: the sparse bound does not cover this network."
    if peeling.log_ratio is None:
        return "Sparse against dense: no Toeplitz-norm bound covers this network, so there is nothing to compare with."
    times = -peeling.log_ratio / math.log(10)
    size = f"{10**times:.3g}" if times < 4 else f"10^{times:.1f}"
    if peeling.log_ratio >= 0:
        return "Sparse against dense: the sparse complexity is not below the best Toeplitz-norm one here."
    return f"Sparse against dense: the sparse complexity is {size} times below the best Toeplitz-norm one."


def _measured(findings: Findings) -> str:
    measured = findings.measured
    if measured is None or measured.margins is None:
        return "Measured: nothing; a bound has to explain the gap between training and test error, which needs --data."
    from boundcalc.empirical.measure import error

    train = error(measured.margins)
    if measured.test_margins is None:
        return f"Measured: training error {train:.4g}; without test data there is no gap to explain."
    test = error(measured.test_margins)
    return f"Measured: training error {train:.4g}, test error {test:.4g}, gap {test - train:+.4g}: what any bound must explain."


def _size(log_value: float) -> str:
    if log_value > 9.2:
        return f"10^{math.ceil(log_value / math.log(10) * 10) / 10:.1f}"
    return upper(math.exp(log_value))


def _sure(findings: Findings) -> str:
    return f"{1 - findings.options.delta:g}"

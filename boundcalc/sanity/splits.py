"""Warn of a test split that could not be used although the training split could: nothing is dropped silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult


def unused_test_split(result: AnalysisResult) -> list[str]:
    """Give the reason if there is no test error although there is a test split."""
    measured = result.measured
    if measured is None or not measured.test_reason:
        return []
    return [f"no test error: {measured.test_reason}; training margins and bounds do not depend on it"]

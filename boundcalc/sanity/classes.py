"""Warnings about labels, predictions and outputs that never change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult
    from boundcalc.empirical.census import Census

LEAST_SAMPLES = 20
"""Number of samples from which on a single class is suspicious: with two balanced classes it happens once in 500,000."""

MOST_NAMED = 8
"""Largest number of outputs that are named."""


def one_class(result: AnalysisResult) -> list[str]:
    """Warn if all labels of a split are one class, or all predictions.

    Args:
        result: result of one analysis.
    """
    for split, census in _splits(result):
        labels = (census.labels > 0).nonzero().flatten().tolist()
        if len(labels) == 1:
            return [
                f"all {census.m} {split} labels are class {labels[0]}: no error measured on them means anything; are "
                "these the labels?"
            ]
        predicted = [] if census.counts is None else (census.counts.sum(0) > 0).nonzero().flatten().tolist()
        if len(predicted) == 1:
            return [
                f"the network predicts class {predicted[0]} for all {census.m} {split} samples: is it trained, and "
                "does it see inputs as in training (--normalize)?"
            ]
    return []


def _splits(result: AnalysisResult) -> list[tuple[str, Census]]:
    measured = result.measured
    if measured is None:
        return []
    named = (("training", measured.census), ("test", measured.test_census))
    return [(split, census) for split, census in named if census is not None and census.m >= LEAST_SAMPLES]


def dead_outputs(result: AnalysisResult) -> list[str]:
    """Warn if outputs have the same value for every training sample.

    There is no threshold: an output that a weight connects to the input takes two values on two samples, except by
    coincidence.

    Args:
        result: result of one analysis.
    """
    census = None if result.measured is None else result.measured.census
    if census is None or census.lowest is None or census.highest is None or census.m < 2:
        return []
    dead = (census.lowest == census.highest).nonzero().flatten().tolist()
    if not dead:
        return []
    count = len(census.lowest)
    if len(dead) == count:
        return [
            f"no output of the network changes over {census.m} training samples: the inputs do not reach it (dead "
            "units, a layer pruned away), or all samples are the same"
        ]
    shown = ", ".join(map(str, dead[:MOST_NAMED])) + (
        f" and {len(dead) - MOST_NAMED} more" if len(dead) > MOST_NAMED else ""
    )
    return [
        f"{len(dead)} of {count} outputs never change over {census.m} training samples (output {shown}): their units "
        "are dead or their weights all pruned"
    ]

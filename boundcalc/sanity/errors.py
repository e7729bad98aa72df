"""Warn of errors no trained network makes on its own data: near chance, better with classes renamed, worse on
training than test.

The agreement of a predictor that ignores the input is computed from the counts: if labels and predictions were
independent with the frequencies that they have, they would agree on a share p_e = sum_c P(label c)
P(prediction c) of the samples (Cohen 1960, kappa). It is 1 / C for balanced labels, and for a network that always
predicts one class it is the share of that class.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from boundcalc.empirical.measure import error

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult
    from boundcalc.empirical.census import Census

LEAST_SAMPLES = 100
"""Number of samples from which on an error is judged."""

DEVIATIONS = 4.0
"""Number of standard deviations attributed to noise, which one in 16,000 honest splits exceeds on one side."""

LEAST_EACH = 10
"""Average number of samples per label from which on renamed classes are searched for; the best of C! renamings fits fewer
samples by chance."""

SMALL_EXCESS = 0.05
"""Largest agreement beyond that of chance which still counts as chance; less (1 / C) for many classes.

Predictions of an untrained network depend on the class a little: with C classes its agreement spreads by up
to 1 / C around p_e.
"""

LARGE_GAP = 0.02
"""A training error that exceeds the test error by no more than this is not reported: test sets differ a little in difficulty."""


def near_chance(result: AnalysisResult) -> list[str]:
    """Warn if the error of a split is that of predictions that ignore the input.

    Fires if the agreement is at most p_e + max(min(1 / C, 0.05), 4 sqrt(p_e (1 - p_e) / m)). Networks with a single
    predicted class or label are left to other checks, and so are networks whose classes are only renamed.

    Args:
        result: result of one analysis.
    """
    for split, counts in _splits(result):
        m, agreed = int(counts.sum()), int(counts.diagonal().sum())
        chance = _chance(counts)
        noise = DEVIATIONS * math.sqrt(chance * (1 - chance) / m)
        if _constant(counts) or _renaming(counts) is not None:
            continue
        if agreed / m <= chance + max(min(1 / len(counts), SMALL_EXCESS), noise):
            return [
                f"the {split} error is {1 - agreed / m:.3g}, no better than predictions that ignore the input "
                f"({1 - chance:.3g}): is the network trained, are these its labels, and does it see inputs as in "
                "training (--normalize)?"
            ]
    return []


def renamed_classes(result: AnalysisResult) -> list[str]:
    """Warn if the predictions fit the labels once classes are renamed.

    Fires if the best renaming (an assignment problem) leaves at most half of the errors, and saves more
    than 4 standard deviations of their number and more than 10: an honest network never confuses two classes more often
    than it separates them.

    Args:
        result: result of one analysis.
    """
    for split, counts in _splits(result):
        names = _renaming(counts)
        if names is None:
            continue
        m = int(counts.sum())
        moved = [(i, int(j)) for i, j in enumerate(names) if i != int(j) and counts[i].sum()]
        shown = ", ".join(f"{i} for {j}" for i, j in moved[:4]) + (" and so on" if len(moved) > 4 else "")
        wrong = 1 - int(counts.diagonal().sum()) / m
        after = 1 - int(counts[torch.arange(len(counts)), names].sum()) / m
        return [
            f"the {split} error is {wrong:.3g}, and {after:.3g} with classes renamed (label {shown}): labels "
            "permuted, shifted by one or in another order than the outputs?"
        ]
    return []


def train_above_test(result: AnalysisResult) -> list[str]:
    """Warn if a network errs far more often on its training split than on its test split.

    Fires if the difference exceeds 0.02, a fifth of the test error, and 4 standard deviations sqrt(p (1 -
    p) (1/m + 1/m_test)), where p is the pooled error.

    Args:
        result: result of one analysis.
    """
    measured = result.measured
    if measured is None or measured.margins is None or measured.test_margins is None:
        return []
    m, tests = measured.margins.numel(), measured.test_margins.numel()
    train, test = error(measured.margins), error(measured.test_margins)
    pooled = (train * m + test * tests) / (m + tests)
    noise = DEVIATIONS * math.sqrt(pooled * (1 - pooled) * (1 / m + 1 / tests))
    if min(m, tests) < LEAST_SAMPLES or train - test <= max(LARGE_GAP, test / 5, noise):
        return []
    return [
        f"the training error, {train:.3g} of {m} samples, is far above the test error, {test:.3g} of {tests}: are "
        "these the samples that the network was trained on, and their labels?"
    ]


def _splits(result: AnalysisResult) -> list[tuple[str, torch.Tensor]]:
    measured = result.measured
    if measured is None:
        return []
    named: list[tuple[str, Census | None]] = [("training", measured.census), ("test", measured.test_census)]
    return [
        (split, census.counts)
        for split, census in named
        if census is not None and census.counts is not None and census.m >= LEAST_SAMPLES
    ]


def _chance(counts: torch.Tensor) -> float:
    labels, predicted = counts.sum(1).double(), counts.sum(0).double()
    return float((labels * predicted).sum() / counts.sum().double() ** 2)


def _constant(counts: torch.Tensor) -> bool:
    """Return whether only one label or only one prediction occurs."""
    return min(int((counts.sum(axis) > 0).sum()) for axis in (0, 1)) < 2


def _renaming(counts: torch.Tensor) -> torch.Tensor | None:
    """Return the class that each label should have been if a renaming mends most errors, otherwise None."""
    from scipy.optimize import linear_sum_assignment

    if _constant(counts) or int(counts.sum()) < LEAST_EACH * len(counts):
        return None
    names = torch.from_numpy(linear_sum_assignment(counts.numpy(), maximize=True)[1])
    m = int(counts.sum())
    wrong = m - int(counts.diagonal().sum())
    after = m - int(counts[torch.arange(len(counts)), names].sum())
    enough = wrong - after > max(10.0, DEVIATIONS * math.sqrt(wrong))
    return names if 2 * after <= wrong and enough else None

"""Warn of errors that disagree with the record of the training, or that another normalization would lower.

If --normalize is forgotten, the network sees other inputs than in training, and nothing else shows it. Two kinds
of evidence do: an error recorded beside the checkpoint, and an error that drops when the samples are normalized
in a common way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.empirical.measure import error
from boundcalc.sanity.candidates import (
    Errors,
    NamedNormalization,
    candidates_for,
    measured_with,
    normalized_by,
)
from boundcalc.sanity.records import Record, records
from boundcalc.sanity.significance import LEAST_ERRORS, much_worse

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult

ROUNDING = 0.005
"""Largest difference between errors on the same samples that comes from float32 against float64 or another batch size."""

OTHER_SAMPLES = 0.02
"""Largest difference, beyond noise, between errors on different samples of the same kind."""

DEVIATIONS = 4.0
"""Number of standard deviations attributed to noise."""

LARGEST_REMAINING_SHARE = 0.6
"""Largest share of the errors that a better normalization may leave: the right one leaves a half or less."""


def normalization(result: AnalysisResult) -> list[str]:
    """Warn if a recorded error disagrees with the measured one or, without a record, if a common normalization is far better.

    Other normalizations are tried only if the measured error is above the recorded one: a wrong normalization never makes
    fewer errors. A record disagrees if it is off by more than 0.005 (plus 3 samples) on as many samples, or by
    more than 0.02 plus 4 standard deviations of both on another number of samples. A normalization agrees if its error
    on at most 2,048 drawn samples is that close to the record. Without a record a normalization is named if it leaves at
    most 0.6 of the errors and saves more than noise does. A record that agrees is evidence that the inputs
    are right, and ends the search.

    Args:
        result: result of one analysis.
    """
    measured = result.measured
    if measured is None or measured.margins is None:
        return []
    compared = [
        (record, here) for record in records(result) if (here := _measured(result, record.split)) is not None
    ]
    for record, (found, samples) in compared:
        if _disagree(record.error, record.samples, found, samples):
            return [_disagreement(result, record, found)]
    return [] if compared else _improvement(result)


def _measured(result: AnalysisResult, split: str) -> tuple[float, int] | None:
    measured = result.measured
    assert measured is not None
    margins = measured.margins if split == "training" else measured.test_margins
    return None if margins is None else (error(margins), margins.numel())


def _disagree(recorded: float, of: int | None, found: float, samples: int) -> bool:
    difference = abs(found - recorded)
    if of == samples:
        return difference > ROUNDING + 3 / samples
    pooled = (recorded + found) / 2
    noise = DEVIATIONS * math.sqrt(pooled * (1 - pooled) * (1 / samples + 1 / (of or samples)))
    return difference > OTHER_SAMPLES + noise


def _disagreement(result: AnalysisResult, record: Record, found: float) -> str:
    name = result.dataset.name if result.dataset is not None else "the data"
    start = f"{_place(record.file)} records a {record.split} error of {record.error:.3g}, and {found:.3g} is measured on {name}"
    tried, errors = _candidates(result, record) if found > record.error else ((), None)
    if errors is None:
        return f"{start}: are these the data, the normalization and the mask of its training?"
    shares = [float(wrong.double().mean()) for wrong in errors.wrong]
    count = len(errors.as_given)
    nearest = min(range(len(tried)), key=lambda i: (abs(shares[i] - record.error), i))
    nearer = 2 * abs(shares[nearest] - record.error) <= found - record.error
    if not nearer or _disagree(record.error, None, shares[nearest], count):
        return f"{start}, and no common normalization comes near: are these the data, the weights and the mask of its training?"
    best = tried[nearest]
    what = "as the file says" if best.name == _RECORDED else f"{best.name}"
    return f"{start}: {best.option} ({what}) it is {shares[nearest]:.3g} on {count} of the samples: try that"


_RECORDED = "recorded"


def _candidates(result: AnalysisResult, record: Record) -> tuple[Sequence[NamedNormalization], Errors | None]:
    known = list(candidates_for(result))
    if record.normalize is not None:
        numbers = record.normalize or (0.0, 1.0)
        given = normalized_by(result) or (0.0, 1.0)
        if numbers != tuple(given):
            known = [
                NamedNormalization.of(numbers, _RECORDED),
                *(other for other in known if other.numbers != numbers),
            ]
    return known, measured_with(result, known, test=record.split == "test")


def _improvement(result: AnalysisResult) -> list[str]:
    measured = result.measured
    assert measured is not None and measured.margins is not None
    wrong = error(measured.margins)
    if wrong == 0:
        return []
    tried = candidates_for(result)
    errors = measured_with(result, tried, least=math.ceil(LEAST_ERRORS / wrong))
    if errors is None:
        return []
    counts = [int(found.sum()) for found in errors.wrong]
    best = min(range(len(tried)), key=lambda i: (counts[i], i))
    now = int(errors.as_given.sum())
    if counts[best] > LARGEST_REMAINING_SHARE * now or not much_worse(errors.as_given, errors.wrong[best]):
        return []
    count = len(errors.as_given)
    given = "" if normalized_by(result) is None else " as normalized"
    return [
        f"the training error{given} is {now / count:.3g} on {count} drawn samples, and {counts[best] / count:.3g} "
        f"{tried[best].option} ({tried[best].name}): was the network trained so?"
    ]


def _place(file: Path) -> str:
    return str(file)

"""The verdict on whether a sample is large enough, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

LogN = tuple[float, float, float]
"""Logs of N and of the ends of its interval."""

Word = Literal["large enough", "too small", "undecided", "no answer"]


@dataclass(frozen=True)
class Question:
    """The sample size and the target error to compare.

    Attributes:
        samples: sample size m; None if only the required size is asked for.
        eps0: accuracy parameter of the theorem, the target error; None if not given.
    """

    samples: int | None
    eps0: float | None


@dataclass(frozen=True)
class Verdict:
    """The answer to the question.

    Attributes:
        word: the answer in one or two words.
        sentence: the answer with its numbers and caveats.
    """

    word: Word
    sentence: str


def judge(question: Question, needed: LogN | None, reason: str, caveats: tuple[str, ...]) -> Verdict:
    """Compare a sample size with the one that the calibrated formula requires.

    Args:
        question: sample size and target error.
        needed: logs of N and of the ends of its interval; None if there is no N.
        reason: why there is no N, or "" if there is.
        caveats: reasons to distrust the formula here.

    Returns:
        The verdict; it is ``"undecided"`` if the sample size lies within the interval of N.

    Example:
        >>> judge(Question(100, 0.5), (5.0, 4.9, 5.1), "", ()).word
        'too small'
        >>> judge(Question(None, 0.1), None, "no calibrated constant", ()).sentence
        'no answer: no calibrated constant.'
    """
    if needed is None or question.eps0 is None:
        return Verdict("no answer", f"no answer: {reason}.")
    asked = "; ".join([
        f"the calibrated formula asks for {_span(needed)} samples at eps0 = {question.eps0:g}, "
        "which is enough in theory and not known to be necessary",
        *caveats,
    ])  # fmt: skip
    if question.samples is None:
        return Verdict("no answer", f"no sample size was given: {asked}.")
    word = _compare(question.samples, needed)
    return Verdict(word, f"{word}: {question.samples} samples; {asked}.")


def _compare(samples: int, needed: LogN) -> Word:
    have = math.log(samples)
    if have >= needed[2]:
        return "large enough"
    return "too small" if have < needed[1] else "undecided"


def _span(needed: LogN) -> str:
    middle, low, high = (_power(value) for value in needed)
    return f"{middle} [{low}, {high}]"


def _power(log_value: float) -> str:
    if log_value < math.log(1e6):
        return f"{max(1, math.ceil(math.exp(log_value)))}"
    return f"10^{log_value / math.log(10):.1f}"

"""Results of the attacks: attained correlations, how often bounds on the error were exceeded, and the verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from boundcalc.bounds.catalogue import Bound
from boundcalc.errors import BoundcalcError
from boundcalc.theory.falsify_draw import Case

ROUNDING = 1e-9
"""Largest relative excess that rounding in float64 can explain."""


@dataclass(frozen=True, eq=False)
class Attained:
    """Result of the attack on one case.

    Attributes:
        bound: name of the bound.
        trial: number of the trial; -1 for a stored counter-example.
        case: network and sample.
        claimed: complexity that the bound claims.
        mean: mean over signs of the attained correlations.
        error: standard error of `mean`; 0 if all signs were enumerated.
        draws: number of sign vectors.
        limit: lower confidence limit of the attained mean; None if no test was made.
        alpha: probability, at most, that the limit is too high; 0 if all signs were enumerated.
        seed: seed of the run, from which signs and starts follow.
        steps: ascent steps.
        purpose: purpose of the measurement; the seeds of signs and starts depend on it.
        of_margins: whether the attacked claim is the one about margins.
    """

    bound: str
    trial: int
    case: Case
    claimed: float
    mean: float
    error: float
    draws: int
    limit: float | None
    alpha: float
    seed: int
    steps: int
    purpose: str
    of_margins: bool = False

    @property
    def ratio(self) -> float:
        """The claimed complexity divided by the attained mean."""
        return self.claimed / self.mean if self.mean > 0 else math.inf

    @property
    def violated(self) -> bool:
        """Whether the attained mean exceeds the claim with confidence."""
        return self.limit is not None and self.limit * (1 - ROUNDING) > self.claimed


@dataclass(frozen=True)
class Coverage:
    """How often the true error exceeded a bound on it.

    Attributes:
        sets: number of training sets on which the bound covered the network.
        failures: number of sets on which the bound was exceeded.
        delta: allowed share of failures.
        limit: lower confidence limit of the share of failures.
        form: description of what was tested.
        nonvacuous: number of sets on which the bound was below 1, so that it could be exceeded at all.
    """

    sets: int
    failures: int
    delta: float
    limit: float
    form: str
    nonvacuous: int

    @property
    def violated(self) -> bool:
        """Whether the share of failures exceeds delta with confidence."""
        return self.limit > self.delta


@dataclass(frozen=True, eq=False)
class Attack:
    """All results of the attacks on one bound.

    Attributes:
        bound: the attacked bound.
        trials: number of cases on which its complexity was attacked.
        tightest: case with the smallest ratio of claimed to attained, measured again on fresh signs; None if there is no case.
        tightest_hidden: tightest case among networks with a hidden layer.
        violations: cases that exceed the claim with confidence.
        coverage: results of the attacks on its bound on the error.
        reason: why the bound, or its complexity, was not attacked; "" if it was.
        uncovered: reason -> number of cases that the bound does not cover for this reason.
        margins: number of cases on which its claim about margins was attacked.
        tightest_margins: tightest of the cases for margins, measured again; None if there is no case.
    """

    bound: Bound
    trials: int = 0
    tightest: Attained | None = None
    tightest_hidden: Attained | None = None
    violations: tuple[Attained, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    reason: str = ""
    uncovered: dict[str, int] = field(default_factory=dict)
    margins: int = 0
    tightest_margins: Attained | None = None

    @property
    def violated(self) -> bool:
        """Whether any claim was exceeded with confidence."""
        return bool(self.violations) or any(one.violated for one in self.coverage)


@dataclass(frozen=True, eq=False)
class Falsification:
    """Results of a run.

    Attributes:
        attacks: one attack per bound, in the order given.
        trials: requested number of trials.
        seed: seed of everything random.
        recalled: attacks by stored counter-example on refuted bounds that were not asked for.
    """

    attacks: tuple[Attack, ...]
    trials: int
    seed: int
    recalled: tuple[Attack, ...] = ()

    @property
    def theorems_violated(self) -> tuple[str, ...]:
        """Names of the violated bounds with status theorem."""
        return tuple(a.bound.name for a in self.attacks if a.violated and a.bound.status == "theorem")


class NotRefuted(BoundcalcError):
    """Raised when no counter-example violates a bound with status refuted; the exit status is 1.

    Attributes:
        found: all results of the run.
    """

    def __init__(self, words: str, found: Falsification) -> None:
        super().__init__(words)
        self.found = found

"""What an attack on the bounds found: what was attained, how often errors were exceeded, and the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from boundcalc.bounds.catalogue import Bound
from boundcalc.errors import BoundcalcError
from boundcalc.theory.falsify_draw import Case

ROUNDING = 1e-9
"""Relative excess that float64 could explain."""


@dataclass(frozen=True, eq=False)
class Attained:
    """What an attack on one case attained.

    Attributes:
        bound: name.
        trial: its number; -1 for a stored counter-example.
        case: network and sample.
        claimed: complexity that the bound claims.
        mean: attained, over signs.
        error: its standard error; 0 where all signs were used.
        draws: of signs.
        limit: lower confidence limit of what is attained; None where no test was made.
        alpha: the limit is too high with at most this probability; 0 where all signs were used.
        seed: of the run, from which signs and starts follow.
        steps: of ascent.
        purpose: what was measured for; seeds of signs and starts depend on it.
        of_margins: whether the claim is the one about margins.
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
        """Claimed / attained."""
        return self.claimed / self.mean if self.mean > 0 else math.inf

    @property
    def violated(self) -> bool:
        """Whether the claim is passed with confidence."""
        return self.limit is not None and self.limit * (1 - ROUNDING) > self.claimed


@dataclass(frozen=True)
class Coverage:
    """How often the true error exceeded a bound on it.

    Attributes:
        sets: training sets on which the bound covered the network.
        failures: how often it was exceeded.
        delta: the share that is allowed.
        limit: lower confidence limit of the share.
        form: what was tested.
        telling: on how many of the sets the bound was below 1, so that it could be exceeded at all.
    """

    sets: int
    failures: int
    delta: float
    limit: float
    form: str
    telling: int

    @property
    def violated(self) -> bool:
        """Whether the share is above delta with confidence."""
        return self.limit > self.delta


@dataclass(frozen=True, eq=False)
class Attack:
    """All that was tried on one bound.

    Attributes:
        bound: the bound.
        trials: cases on which it was attacked.
        tightest: the case on which it is closest to its claim, measured again on fresh signs; None without any.
        tightest_hidden: the same among networks with a hidden layer.
        violations: cases that pass the claim with confidence.
        coverage: attacks on its bound on the error.
        reason: why it was not attacked, or "".
        uncovered: reason -> number of cases outside it.
        margins: cases on which its claim about margins was attacked.
        tightest_margins: the one on which that is closest, measured again; None without any.
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
        """Whether anything passed with confidence."""
        return bool(self.violations) or any(one.violated for one in self.coverage)


@dataclass(frozen=True, eq=False)
class Falsification:
    """Results of a run.

    Attributes:
        attacks: one a bound, in the order given.
        trials: asked for.
        seed: of everything.
        recalled: refuted bounds that were not asked for: their stored counter-examples alone.
    """

    attacks: tuple[Attack, ...]
    trials: int
    seed: int
    recalled: tuple[Attack, ...] = ()

    @property
    def theorems_violated(self) -> tuple[str, ...]:
        """Names of violated bounds of status theorem."""
        return tuple(a.bound.name for a in self.attacks if a.violated and a.bound.status == "theorem")


class NotRefuted(BoundcalcError):
    """A refuted bound that no counter-example violates: exit status 1.

    Attributes:
        found: all that was found nevertheless.
    """

    def __init__(self, words: str, found: Falsification) -> None:
        super().__init__(words)
        self.found = found

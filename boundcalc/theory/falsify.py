"""Attack bounds: search for a class, a mask and a sample on which the claim of a bound is exceeded.

Complexities. Each trial draws a network and a sample, evaluates the claimed R_S, and searches the class that the
bound declares for networks that correlate with random signs. A quick screening with a few draws of signs finds
suspicious cases, and these are tested on fresh draws. A violation is reported when the lower confidence limit of
the attained correlation is above the claim.
Errors. Each trial draws one training set; the attack counts how often the true error of an adversarially chosen
network exceeds the bound.
The probability that a run reports any violation of a true theorem is at most `LEVEL`, by a union over bounds and
trials.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, registry
from boundcalc.errors import NotCovered
from boundcalc.theory.falsify_ascent import Effort, Target, reach, target
from boundcalc.theory.falsify_confidence import log_capital, lower_limit, share_lower_limit
from boundcalc.theory.falsify_coverage import DELTA, Compared, Trained, compared, train, worst_codeword
from boundcalc.theory.falsify_draw import Case, draw, seed_of
from boundcalc.theory.falsify_found import ROUNDING, Attack, Attained, Coverage, Falsification, NotRefuted
from boundcalc.theory.falsify_known import COUNTER_EXAMPLES
from boundcalc.theory.falsify_margins import margin_target

LEVEL = 1e-3
"""Largest probability that a run reports a violation of any true bound; half of it for complexities, half for errors."""
SCREEN_DRAWS = 6
TEST_FROM_SHARE = 0.9
"""Share of the claim from which on a trial is tested."""
CHUNK, MOST_DRAWS = 32, 1024
GIVE_UP_LOG_CAPITAL = -4.0
"""Log of the capital at which a test is given up."""
ENUMERATED = 5
"""Numbers of signs up to which all sign vectors are used and nothing is random."""
REMEASURED, REMEASURE_DRAWS = 3, 64
MOST_VIOLATIONS = 3
"""Number of violations of a bound after which it is not tested any further."""
THOROUGH = Effort(steps=40)
SCREEN, TEST = "screen", "test"
NOT_REQUESTED = "not requested: only its stored counter-example was tried, as in every run"

Progress = Callable[[Iterable[int]], Iterable[int]]


def falsify(
    bounds: Iterable[Bound], trials: int = 200, seed: int = 0, progress: Progress = iter
) -> Falsification:
    """Attack bounds.

    Args:
        bounds: bounds to attack, registered or not.
        trials: number of cases, and of training sets, per bound.
        seed: seed of everything random; the same seed gives the same result.
        progress: wraps the iterator over the trial numbers.

    Returns:
        One attack per bound, and one, by the stored counter-example, for every refuted bound of the registry that was
        not asked for.

    Raises:
        NotRefuted: the stored counter-example of a bound with status refuted does not violate it or, where none is stored, the
            search found no violation. The exception carries all results.
    """
    searches = [_Search(bound, trials, seed) for bound in bounds]
    named = {search.bound.name for search in searches}
    others = [
        _Search(bound, trials, seed)
        for bound in registry.values()
        if bound.status == "refuted" and bound.name not in named and bound.name in COUNTER_EXAMPLES
    ]
    for search in (*searches, *others):
        search.alpha = LEVEL / (2 * max(1, len(searches)) * (2 * trials + 1))
        search.recall()
    active = [search for search in searches if search.bound.status != "score"]
    for trial in progress(range(trials)):
        case = draw(seed, trial)
        problem = case.problem()
        trained = train(seed, trial)
        for search in active:
            search.attack_complexity(case, problem, trial)
            search.attack_margins(case, problem, trial)
            search.attack_error(trained, trial)
    attacks = tuple(search.finished(LEVEL / (2 * len(searches))) for search in searches)
    recalled = tuple(search.recalled() for search in others)
    found = Falsification(attacks, trials, seed, recalled)
    for search in (*searches, *others):
        if search.bound.status == "refuted" and (search.unbroken or not search.violations):
            raise NotRefuted(
                f"{search.bound.name} has status refuted, but "
                + (search.unbroken or "no counter-example violates it"),
                found,
            )
    return found


class _Search:
    """State of the attack on one bound."""

    def __init__(self, bound: Bound, trials: int, seed: int) -> None:
        self.bound, self.seed, self.alpha = bound, seed, 0.0
        self.attacked = 0
        self.violations: list[Attained] = []
        self.margins = 0
        self.leading: dict[str, list[tuple[float, int, Case]]] = {"any": [], "hidden": [], "margins": []}
        self.uncovered: dict[str, int] = {}
        self.covered = dict.fromkeys(("bound", "ledger"), 0)
        self.exceeded = dict.fromkeys(("bound", "ledger"), 0)
        self.nonvacuous = dict.fromkeys(("bound", "ledger"), 0)
        self.unbroken = ""

    def recall(self) -> None:
        """Try the stored counter-example of a refuted bound; if it does not violate the bound, `unbroken` describes
        the failure.
        """
        make = COUNTER_EXAMPLES.get(self.bound.name)
        if make is None:
            return
        found = tested(self.bound, make(), -1, self.seed, self.alpha, Effort(steps=0))
        if found.violated:
            self.violations.append(found)
        else:
            self.unbroken = f"its counter-example attains {found.mean:.3g} of {found.claimed:.3g}"

    def recalled(self) -> Attack:
        """Return an attack that consists of the stored counter-example alone."""
        return Attack(self.bound, violations=tuple(self.violations), reason=NOT_REQUESTED)

    def attack_complexity(self, case: Case, problem: BoundInputs, trial: int) -> None:
        """Screen one case, and test it if it looks suspicious."""
        if self.bound.hypotheses is None:
            return
        try:
            found = target(self.bound, case, problem)
        except NotCovered as error:
            reason = str(error)
            self.uncovered[reason] = self.uncovered.get(reason, 0) + 1
            return
        self.attacked += 1
        groups = ("any", "hidden") if len(case.blueprint.layers) > 1 else ("any",)
        self._screen(case, found, trial, groups)

    def attack_margins(self, case: Case, problem: BoundInputs, trial: int) -> None:
        """Screen and test the bound's claim about margins, if it makes a separate one."""
        found = margin_target(self.bound, case, problem)
        if found is not None:
            self.margins += 1
            self._screen(case, found, trial, ("margins",), of_margins=True)

    def _screen(
        self, case: Case, found: Target, trial: int, groups: tuple[str, ...], *, of_margins: bool = False
    ) -> None:
        name = self.bound.name
        screened = replace(
            measured(name, case, found, trial, self.seed, SCREEN_DRAWS, Effort()), of_margins=of_margins
        )
        self._rank(screened, groups)
        if screened.violated:
            self.violations.append(screened)
        elif (
            screened.error > 0
            and screened.mean > TEST_FROM_SHARE * screened.claimed
            and len(self.violations) < MOST_VIOLATIONS
        ):
            confirmed = tested_target(name, case, found, trial, self.seed, self.alpha, Effort())
            if confirmed.violated:
                self.violations.append(replace(confirmed, of_margins=of_margins))

    def _rank(self, screened: Attained, groups: tuple[str, ...]) -> None:
        for group in groups:
            ranked = [*self.leading[group], (screened.ratio, screened.trial, screened.case)]
            self.leading[group] = sorted(ranked, key=lambda one: one[:2])[:REMEASURED]

    def attack_error(self, trained: Trained, trial: int) -> None:
        """Record whether the true error exceeds the bound on it."""
        if self.bound.status == "refuted":
            return
        self._count("bound", compared(self.bound, trained))
        if self.bound.kind == "certificate":
            self._count("ledger", worst_codeword(self.seed, trial))

    def _count(self, form: str, found: Compared | None) -> None:
        if found is not None:
            self.covered[form] += 1
            self.exceeded[form] += found.exceeded
            self.nonvacuous[form] += found.is_nonvacuous

    def finished(self, alpha: float) -> Attack:
        """Return the results, with the tightest cases measured again."""
        if self.bound.status == "score":
            return Attack(self.bound, reason="a score makes no statement that could be violated")
        coverage = tuple(
            Coverage(
                self.covered[form], self.exceeded[form], DELTA,
                share_lower_limit(self.exceeded[form], self.covered[form], alpha / 2),
                "its bound on the error" if form == "bound" else "worst codeword of an enumerated class",
                self.nonvacuous[form],
            )
            for form in ("bound", "ledger")
            if self.covered[form]
        )  # fmt: skip
        reason = (
            "" if self.bound.hypotheses else "declares no class, so only its bound on the error was attacked"
        )
        return Attack(
            self.bound,
            self.attacked,
            self._tightest("any"),
            self._tightest("hidden"),
            tuple(self.violations),
            coverage,
            reason,
            self.uncovered,
            self.margins,
            self._tightest("margins"),
        )

    def _tightest(self, group: str) -> Attained | None:
        margins = group == "margins"
        again = [
            replace(
                measured(
                    self.bound.name, case, _claim(self.bound, case, margins=margins), trial, self.seed, REMEASURE_DRAWS,
                    THOROUGH, "again",
                ),
                of_margins=margins,
            )
            for _, trial, case in self.leading[group]
        ]  # fmt: skip
        return min(again, key=lambda one: one.ratio, default=None)


# ---------------------------------------------------------------------------------------- one case


def measured(
    name: str,
    case: Case,
    found: Target,
    trial: int,
    seed: int,
    draws: int,
    effort: Effort,
    purpose: str = SCREEN,
) -> Attained:
    """Measure what is attained on one case with `draws` sign vectors, or with all of them if there are few."""
    own = seed_of(purpose, seed, trial, name)
    generator = torch.Generator().manual_seed(own)
    count = math.prod(found.signs_shape)
    every = count <= ENUMERATED
    signs = _all_signs(found.signs_shape) if every else _signs(draws, found.signs_shape, generator)
    values = reach(found, signs, effort, generator)
    mean = float(values.mean())
    error = 0.0 if every else float(values.std()) / math.sqrt(len(values))
    return Attained(
        name,
        trial,
        case,
        found.claimed,
        mean,
        error,
        len(values),
        mean if every else None,
        0.0,
        seed,
        effort.steps,
        purpose,
    )


def _claim(bound: Bound, case: Case, *, margins: bool) -> Target:
    """Return what a bound claims about outputs or about margins, as a target.

    Raises:
        NotCovered: the bound does not cover the case.
    """
    problem = case.problem()
    if not margins:
        return target(bound, case, problem)
    found = margin_target(bound, case, problem)
    if found is None:
        raise NotCovered("no claim about margins")
    return found


def tested(
    bound: Bound,
    case: Case,
    trial: int,
    seed: int,
    alpha: float,
    effort: Effort,
    purpose: str = TEST,
    *,
    margins: bool = False,
) -> Attained:
    """Test one case of a bound on fresh draws of signs; where all signs are enumerated, repeat the measurement of this purpose.

    Raises:
        NotCovered: the bound does not cover the case.
    """
    found = _claim(bound, case, margins=margins)
    result = tested_target(bound.name, case, found, trial, seed, alpha, effort, purpose)
    return replace(result, of_margins=margins)


def tested_target(
    name: str,
    case: Case,
    found: Target,
    trial: int,
    seed: int,
    alpha: float,
    effort: Effort,
    purpose: str = TEST,
) -> Attained:
    """Draw signs until the claim is refuted at level `alpha` or is unlikely to be refuted."""
    if math.prod(found.signs_shape) <= ENUMERATED:
        return measured(name, case, found, trial, seed, 0, effort, purpose)
    own = seed_of(TEST, seed, trial, name)
    generator = torch.Generator().manual_seed(own)
    values: list[float] = []
    while len(values) < MOST_DRAWS:
        values += reach(found, _signs(CHUNK, found.signs_shape, generator), effort, generator).tolist()
        capital = log_capital(values, found.claimed * (1 + ROUNDING))
        if capital >= -math.log(alpha) or (capital < GIVE_UP_LOG_CAPITAL and len(values) >= 2 * CHUNK):
            break
    spread = torch.tensor(values, dtype=torch.float64)
    return Attained(
        name, trial, case, found.claimed, float(spread.mean()), float(spread.std()) / math.sqrt(len(values)),
        len(values), lower_limit(values, alpha), alpha, seed, effort.steps, TEST,
    )  # fmt: skip


def _signs(draws: int, shape: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, 2, (draws, *shape), generator=generator).double() * 2 - 1


def _all_signs(shape: tuple[int, int]) -> torch.Tensor:
    vectors = list(itertools.product((-1.0, 1.0), repeat=math.prod(shape)))
    return torch.tensor(vectors, dtype=torch.float64).reshape(-1, *shape)

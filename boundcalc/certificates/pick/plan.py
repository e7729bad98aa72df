"""What is fixed before the sample: rounds, training of each, score, augmentation; no torch here."""

from __future__ import annotations

from dataclasses import dataclass

from boundcalc.tickets.recipe import at_least, check_number, one_of

SCORE_NAMES = ("nearest-wrong", "random-wrong", "random-then-nearest", "highest-loss")
FEEDS = {"many": (256, 8, True), "few": (64, 2, False)}
"""Augmented versions of every example that are made once, at most, how often each is drawn on average, at least, and whether an
image's channels lie side by side in memory, in which convolutions take half to three quarters of the time."""
LATE = 2 / 3
"""Share of the rounds that pick by random-wrong where the score is random-then-nearest; the rest pick by nearest-wrong."""
AUGMENTATION_NAMES = ("off", "digits", "garments", "photos")


@dataclass(frozen=True)
class PickPlan:
    """The options of picking; all of them are fixed before the sample is seen.

    Attributes:
        set_aside: share of the sample on which a first network is trained; picks come from the rest, which certifies. 0 for
            none; with 0 rounds its errors on the rest are the hold-out bound.
        set_aside_steps: of the first network's training.
        first: examples that the first round picks.
        growth: of the number of picked examples, from round to round.
        rounds: R, how many rounds.
        candidates: J, how many of the last rounds are trained as the last one is; the one of smallest compression is kept.
        steps: of training in every other round, each on a batch.
        last_steps: of training in a round that may be the last.
        batch: examples of a step, drawn from the picked ones with replacement.
        lr: largest learning rate of AdamW; it falls to zero within every round along a cosine.
        weight_decay: of AdamW.
        half: whether the last network's weights and biases are rounded to float16, for small files.
        score: one of `SCORE_NAMES`.
        augmentation: one of `AUGMENTATION_NAMES`.
        feed: one of `FEEDS`, how augmented versions are stored; certificates of an earlier code say ``few``.
        tried: how many settings (of these options, the architecture, the seed) were tried on the sample before this one
            was kept, this one included.

    Raises:
        UsageError: a value out of range.
    """

    set_aside: float = 0.0
    set_aside_steps: int = 10_000
    first: int = 100
    growth: float = 1.25
    rounds: int = 10
    candidates: int = 1
    steps: int = 200
    last_steps: int = 1500
    batch: int = 64
    lr: float = 0.003
    weight_decay: float = 0.02
    half: bool = False
    score: str = "random-then-nearest"
    augmentation: str = "off"
    feed: str = "many"
    tried: int = 1

    def __post_init__(self) -> None:
        for option, value in (
            ("--pick-first", self.first),
            ("--set-aside-steps", self.set_aside_steps),
            ("--pick-steps", self.steps),
            ("--pick-last-steps", self.last_steps),
            ("--pick-batch", self.batch),
            ("--pick-tried", self.tried),
            ("--pick-candidates", self.candidates),
        ):
            at_least(option, value, 1)
        check_number(
            "--set-aside", self.set_aside, 0 <= self.set_aside < 1, "a share of the sample, from 0 to below 1"
        )
        at_least("--pick-rounds", self.rounds, 0 if self.set_aside else 1)
        check_number(
            "--pick-candidates",
            self.candidates,
            self.candidates <= max(1, self.rounds),
            "no more than there are rounds",
        )
        check_number("--pick-growth", self.growth, 1 <= self.growth <= 100, "a factor from 1 to 100")
        check_number("--pick-lr", self.lr, 0 < self.lr < 100, "a positive number")
        check_number("--pick-weight-decay", self.weight_decay, 0 <= self.weight_decay < 100, "0 or more")
        one_of("--pick-score", self.score, SCORE_NAMES)
        one_of("--pick-feed", self.feed, tuple(FEEDS))
        one_of("--pick-augmentation", self.augmentation, AUGMENTATION_NAMES)

    def score_of(self, round: int) -> str:
        """Return the name of the score by which a round picks, rounds counted from 0.

        Example:
            >>> [PickPlan(rounds=3, score="random-then-nearest").score_of(round) for round in range(3)]
            ['random-wrong', 'random-wrong', 'nearest-wrong']
        """
        if self.score != "random-then-nearest":
            return self.score
        return "random-wrong" if round < LATE * self.rounds else "nearest-wrong"

    def sizes(self) -> tuple[int, ...]:
        """Return b_r, the number of examples that each round adds.

        Example:
            >>> PickPlan(first=100, growth=1.5, rounds=4).sizes()
            (100, 50, 75, 113)
        """
        totals = [round(self.first * self.growth**number) for number in range(self.rounds)]
        if not totals:
            return ()
        return (totals[0], *(later - earlier for earlier, later in zip(totals, totals[1:], strict=False)))

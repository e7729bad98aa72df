"""A part set aside: the split, the promise by simulation, and what breaks it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from boundcalc.certificates import test_set
from boundcalc.certificates.pick import claim
from boundcalc.certificates.pick.apart import set_apart
from boundcalc.certificates.pick.claim import Counted
from boundcalc.certificates.pick.learner import NetworkLearner
from boundcalc.certificates.pick.plan import PickPlan
from boundcalc.certificates.pick.procedure import pick
from boundcalc.tickets.masks import ones
from boundcalc.tickets.samples import Samples

DELTA = 0.1


@given(st.integers(1, 500), st.floats(0, 0.99), st.integers(0, 10**6))
def test_the_split_is_a_part_drawn_by_the_seed(samples: int, share: float, seed: int) -> None:
    rows = set_apart(samples, share, seed)
    assert len(rows) == round(share * samples)
    assert len(np.unique(rows)) == len(rows)
    assert np.array_equal(rows, set_apart(samples, share, seed))
    assert not len(rows) or (rows[0] >= 0 and rows[-1] < samples)


def test_the_split_does_not_follow_the_order_of_the_file() -> None:
    rows = set_apart(10_000, 0.5, 0)
    for start in range(0, 10_000, 1000):
        inside = int(((rows >= start) & (rows < start + 1000)).sum())
        assert abs(inside - 500) < 80
    assert not np.array_equal(rows, set_apart(10_000, 0.5, 1))


def nearest(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    order = np.argsort(x)
    places = np.clip(np.searchsorted((x[order][1:] + x[order][:-1]) / 2, at), 0, len(x) - 1)
    return y[order][places]


def run(rng: np.random.Generator, *, peeks: bool) -> bool:
    """Whether the hold-out bound of a nearest neighbour is below its true error; `peeks`: it also learns from what certifies."""
    x, fresh = rng.random(120), rng.random(4_000)
    y, truth = ((at > 0.5).astype(np.int64) ^ (rng.random(len(at)) < 0.2) for at in (x, fresh))
    aside = set_apart(120, 0.5, int(rng.integers(10**6)))
    rest = np.setdiff1d(np.arange(120), aside)
    learned = np.arange(120) if peeks else aside
    wrong = int((nearest(x[learned], y[learned], x[rest]) != y[rest]).sum())
    error = float((nearest(x[learned], y[learned], fresh) != truth).mean())
    return Counted(0, wrong, len(rest)).value(DELTA, 0.0) < error


def test_the_promise_is_kept_and_a_peek_breaks_it() -> None:
    rng = np.random.default_rng(3)
    assert sum(run(rng, peeks=False) for _ in range(500)) <= DELTA * 500
    assert sum(run(rng, peeks=True) for _ in range(100)) > 90


class Neighbour:
    """A nearest neighbour that knows what was set aside and what it picked, as a learner; wrong examples score 1."""

    def __init__(self, x: np.ndarray, y: np.ndarray, apart: np.ndarray) -> None:
        self.x, self.y, self.known, self.apart = x, y, apart, apart

    def learn(self, picked: np.ndarray, round: int) -> None:
        self.known = np.concatenate([self.apart, picked])

    def predict(self, at: np.ndarray) -> np.ndarray:
        return nearest(self.x[self.known], self.y[self.known], at)

    def wrong(self) -> np.ndarray:
        return self.predict(self.x) != self.y

    def scores(self) -> np.ndarray:
        return self.wrong().astype(float)

    def state(self) -> np.ndarray:
        return self.known

    def restore(self, state: np.ndarray) -> None:
        self.known = state


def run_after(rng: np.random.Generator, *, counted: bool) -> bool:
    """Whether the bound of picks after a first network is below the true error; `counted`: with the errors outside the picks."""
    x, fresh = rng.random(400), rng.random(4_000)
    y, truth = ((at > 0.5).astype(np.int64) ^ (rng.random(len(at)) < 0.2) for at in (x, fresh))
    apart = set_apart(400, 0.5, int(rng.integers(10**6)))
    learner = Neighbour(x, y, apart)
    chosen = pick(learner, (3, 2), rng.random(400), apart=apart).until(2)
    wrong = learner.wrong()
    wrong[np.concatenate([apart, chosen])] = False
    error = float((learner.predict(fresh) != truth).mean())
    return Counted(len(chosen), int(wrong.sum()) if counted else 0, 200).value(DELTA, 0.0) < error


def test_picks_after_a_first_network_keep_the_promise() -> None:
    rng = np.random.default_rng(5)
    assert sum(run_after(rng, counted=True) for _ in range(300)) <= DELTA * 300
    assert sum(run_after(rng, counted=False) for _ in range(50)) > 45


def test_without_a_pick_it_is_the_exact_tail() -> None:
    assert Counted(0, 7, 300).value(0.05, 3.0) == test_set.error_bound(7, 300, 0.05 / 8) > 7 / 300
    assert Counted(0, 7, 300).value(0.05, 0.0) < Counted(1, 7, 300).value(0.05, 0.0)


def test_what_was_set_aside_neither_counts_nor_may_be_picked() -> None:
    margins = torch.tensor([-1.0, 1.0, -1.0, 0.0, 2.0])
    apart = np.array([0, 1])
    assert claim.counted(margins, [2], apart) == Counted(1, 1, 3)
    with pytest.raises(ValueError, match="set aside"):
        claim.counted(margins, [0], apart)


def best_of(rng: np.random.Generator, levels: int, paid: int) -> bool:
    """Whether the test-set bound of the best of several levels, all with error 0.2, is below it."""
    errors = rng.binomial(200, 0.2, levels)
    return test_set.error_bound(int(errors.min()), 200, DELTA / paid) < 0.2


def test_the_best_of_several_levels_by_the_test_set_is_paid() -> None:
    rng = np.random.default_rng(4)
    assert sum(best_of(rng, 60, 60) for _ in range(400)) <= DELTA * 400
    assert sum(best_of(rng, 60, 1) for _ in range(400)) > 0.5 * 400


PLAN = PickPlan(
    first=10, growth=1.5, rounds=2, steps=10, last_steps=10, batch=16, augmentation="digits", set_aside=0.4,
    set_aside_steps=20,
)  # fmt: skip


def outcome(
    samples: Samples, order: np.ndarray, apart: np.ndarray
) -> tuple[np.ndarray, dict[str, torch.Tensor], np.ndarray]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(36, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
        )
    learner = NetworkLearner(module, ones(module), samples, PLAN, 0, apart=apart)
    learner.start()
    chosen = pick(learner, PLAN.sizes(), order, apart=apart).until(PLAN.rounds)
    return chosen, module.state_dict(), np.flatnonzero(learner.scores() > 1)


def test_after_a_first_network_unpicked_right_examples_change_no_pick_and_no_bit(blobs: Samples) -> None:
    order, apart = np.random.default_rng(0).random(blobs.m), set_apart(blobs.m, 0.4, 0)
    chosen, bits, wrong = outcome(blobs, order, apart)
    assert not np.intersect1d(chosen, apart).size
    needed = np.union1d(np.union1d(chosen, wrong), apart)
    rows = np.concatenate([apart, np.random.default_rng(1).permutation(np.setdiff1d(needed, apart))])
    part = Samples(blobs.x[torch.from_numpy(rows)], blobs.y[torch.from_numpy(rows)])
    again, bits_again, _ = outcome(part, order[rows], np.arange(len(apart)))
    assert np.array_equal(rows[again], chosen)
    assert all(torch.equal(bits[key], bits_again[key]) for key in bits)

"""What the theorem asks of a learner, to the bit: scores see one example, training sees the picks, in any order and company."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from boundcalc.certificates.pick.learner import SCORED, Feed, NetworkLearner
from boundcalc.certificates.pick.plan import FEEDS, PickPlan
from boundcalc.certificates.pick.procedure import Indices, Picked, highest, pick
from boundcalc.certificates.pick.scores import SCORES
from boundcalc.errors import UsageError
from boundcalc.tickets.masks import keep_best, ones, surviving, weights
from boundcalc.tickets.samples import Samples

PLAN = PickPlan(first=20, growth=1.3, rounds=4, steps=20, last_steps=30, batch=16, augmentation="digits")


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 16), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(16, 3)
        )  # fmt: skip


class Peeking(NetworkLearner):
    """A learner that breaks the rule: it also trains on one example that was not picked."""

    def learn(self, picked: Indices, round: int) -> None:
        outside = np.setdiff1d(np.arange(self._samples.m), picked)
        super().learn(np.append(picked, outside[-1]), round)


def outcome(
    samples: Samples,
    order: np.ndarray,
    kind: type[NetworkLearner] = NetworkLearner,
    density: float | None = None,
    score: str = "nearest-wrong",
):
    """Run the rounds; the rows picked as they are in `order`'s names, and the network's bits."""
    module = network()
    learner = kind(module, ones(module), samples, replace(PLAN, score=score), seed=0, density=density)
    chosen = pick(learner, PLAN.sizes(), order)
    bits = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    wrong = np.flatnonzero(learner.wrong())
    return order[chosen.until(4)], bits, chosen.until(4), wrong


def same(bits: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[key]) for key, tensor in bits.items())


@pytest.mark.parametrize(
    ("density", "score"),
    [(None, "nearest-wrong"), (0.3, "nearest-wrong"), (None, "random-wrong"), (None, "random-then-nearest")],
)
@pytest.mark.parametrize("keep", ["all, in another order", "half of the rest", "none of the rest"])
def test_examples_that_were_not_picked_and_are_right_change_no_pick_and_no_bit(
    blobs: Samples, keep: str, density: float | None, score: str
) -> None:
    order = np.random.default_rng(0).random(blobs.m)
    names, bits, chosen, wrong = outcome(blobs, order, density=density, score=score)
    generator = np.random.default_rng(1)
    rest = np.setdiff1d(np.arange(blobs.m), np.union1d(chosen, wrong))
    kept = {"all, in another order": rest, "half of the rest": rest[::2], "none of the rest": rest[:0]}[keep]
    rows = generator.permutation(np.concatenate([np.union1d(chosen, wrong), kept]))
    part = Samples(blobs.x[torch.from_numpy(rows)], blobs.y[torch.from_numpy(rows)])
    names_again, bits_again, _, _ = outcome(part, order[rows], density=density, score=score)
    assert np.array_equal(names, names_again)
    assert same(bits, bits_again)


def test_a_planted_peek_is_caught(blobs: Samples) -> None:
    order = np.random.default_rng(0).random(blobs.m)
    _, bits, chosen, wrong = outcome(blobs, order, Peeking)
    rows = np.union1d(chosen, wrong)
    part = Samples(blobs.x[torch.from_numpy(rows)], blobs.y[torch.from_numpy(rows)])
    _, bits_again, _, _ = outcome(part, order[rows], Peeking)
    assert not same(bits, bits_again)


def test_the_feed_says_how_many_versions_of_an_example_there_are(blobs: Samples) -> None:
    found = {
        (feed, steps): Feed(network(), blobs.x[:20], replace(PLAN, feed=feed), steps, torch.Generator())
        for feed in FEEDS
        for steps in (20, 400, 4000)
    }
    counts = {key: feed._count if feed._versions is not None else None for key, feed in found.items()}
    assert [counts["few", steps] for steps in (20, 400, 4000)] == [8, 64, 64]
    assert [counts["many", steps] for steps in (20, 400, 4000)] == [None, 40, 256]


def test_random_wrong_picks_a_fair_sample_of_the_wrong_and_the_late_rounds_the_nearest() -> None:
    outputs = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 9.0], [0.0, 0.5]])
    labels = torch.tensor([0, 0, 0, 1])
    assert SCORES["random-wrong"](outputs, labels).tolist() == [0.0, 1.0, 1.0, 0.0]
    assert SCORES["nearest-wrong"](outputs, labels).argsort(descending=True).tolist() == [1, 2, 3, 0]
    plan = replace(PLAN, score="random-then-nearest", rounds=12)
    assert [plan.score_of(number) for number in (0, 7, 8, 11)] == 2 * ["random-wrong"] + 2 * ["nearest-wrong"]


def test_a_score_depends_on_its_example_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(SCORED + 37, 1, 6, 6, generator=generator)
    y = torch.randint(0, 3, (len(x),), generator=generator)
    module = network()
    whole = NetworkLearner(module, ones(module), Samples(x, y), PLAN, 0).scores()
    turned = torch.randperm(len(x), generator=generator)
    assert np.array_equal(
        NetworkLearner(module, ones(module), Samples(x[turned], y[turned]), PLAN, 0).scores(), whole[turned]
    )
    assert np.array_equal(
        NetworkLearner(module, ones(module), Samples(x[5:40], y[5:40]), PLAN, 0).scores(), whole[5:40]
    )


def test_masks_stay_and_imp_reaches_its_density(blobs: Samples) -> None:
    module = network()
    masks = keep_best(
        {key: weight.detach().abs() for key, weight in weights(module).items()}, ones(module), 0.2, "global"
    )
    with torch.no_grad():
        for key, weight in weights(module).items():
            weight.mul_(masks[key])
    pick(
        NetworkLearner(module, masks, blobs, PLAN, 0), PLAN.sizes(), np.random.default_rng(0).random(blobs.m)
    )
    assert all(bool((weight[~masks[key]] == 0).all()) for key, weight in weights(module).items())
    other = network()
    learner = NetworkLearner(other, ones(other), blobs, PLAN, 0, density=0.1)
    pick(learner, PLAN.sizes(), np.random.default_rng(0).random(blobs.m))
    size = sum(mask.numel() for mask in learner.masks.values())
    assert surviving(learner.masks) == round(0.1 * size)
    assert all(bool((weight[~learner.masks[key]] == 0).all()) for key, weight in weights(other).items())


def test_of_candidate_rounds_the_smallest_compression_is_kept(blobs: Samples) -> None:
    order = np.random.default_rng(0).random(blobs.m)
    plan = replace(PLAN, candidates=4, growth=2.0, last_steps=20)
    sizes = plan.sizes()

    def run(rounds: int, candidates: int) -> tuple[NetworkLearner, Picked]:
        module = network()
        learner = NetworkLearner(module, ones(module), blobs, plan, 0)
        return learner, pick(learner, sizes[:rounds], order, candidates=candidates)

    alone = [run(rounds, 1) for rounds in range(1, 5)]
    compressions = [sum(sizes[:rounds]) + one.wrong[-1] for rounds, (_, one) in enumerate(alone, start=1)]
    best = compressions.index(min(compressions))
    learner, kept = run(4, 4)
    assert 0 < best < 3, "the choice is neither the first nor the last round"
    assert len(kept.rounds) == best + 1
    assert kept.wrong == alone[best][1].wrong
    assert same(learner.module.state_dict(), alone[best][0].module.state_dict())
    left = np.ones(blobs.m, dtype=bool)
    left[kept.until(best + 1)] = False
    learner.scores()
    assert int((learner.wrong() & left).sum()) == kept.wrong[-1]


def test_batch_statistics_are_refused(blobs: Samples) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    with pytest.raises(UsageError, match="BatchNorm"):
        NetworkLearner(module, ones(module), blobs, PLAN, 0)


def test_ties_go_by_the_examples_own_numbers() -> None:
    scores, left = np.array([1.0, 1.0, 0.5, 1.0]), np.array([True, True, True, False])
    assert highest(scores, np.array([0.9, 0.1, 0.0, 0.2]), left, 3).tolist() == [1, 0, 2]
    with pytest.raises(ValueError, match="NaN"):
        highest(np.array([np.nan, 1.0]), np.array([0.1, 0.2]), np.array([True, True]), 1)


def test_more_picks_than_examples_are_refused(blobs: Samples) -> None:
    module = network()
    with pytest.raises(ValueError, match="301 picks from 300 examples"):
        pick(NetworkLearner(module, ones(module), blobs, PLAN, 0), (301,), np.zeros(300))

"""A network as a learner: AdamW on the picked examples, warm start from round to round, masks fixed or found within the
last training.

Float32 on one thread, so that the same picks give the same bits again; scores come from batches of one shape, so that an
example's score does not depend on which others are scored with it.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from boundcalc.certificates.pick.augmentation import AUGMENTATIONS
from boundcalc.certificates.pick.plan import FEEDS, PickPlan
from boundcalc.certificates.pick.procedure import Indices
from boundcalc.certificates.pick.scores import SCORES
from boundcalc.empirical.measure import margins_of
from boundcalc.errors import UsageError
from boundcalc.features.stage import FirstStage
from boundcalc.tickets.hardware import Hardware
from boundcalc.tickets.masks import Masks, apply, keep_best, weights
from boundcalc.tickets.networks import Weights
from boundcalc.tickets.samples import Samples

SCORED = 500
"""Number of examples in a batch when scores are computed; the last batch is padded with zeros."""


class NetworkLearner:
    """Trains one network on what is picked.

    Args:
        module: at its initial weights, masked; changed in place. No layer may use the statistics of a batch.
        masks: key -> bool mask, fixed before the sample; all of ones where `density` is given.
        samples: the whole sample; only scores look at what is not picked.
        plan: of the rounds.
        seed: of the order of training and its augmentation.
        density: to which the last training prunes by magnitude, rewinding to the weights at its beginning; None for
            masks as they are.
        apart: rows that were set aside, on which every training may look; empty for none.

    Raises:
        UsageError: a layer uses the statistics of a batch.
    """

    def __init__(
        self,
        module: nn.Module,
        masks: Masks,
        samples: Samples,
        plan: PickPlan,
        seed: int,
        density: float | None = None,
        apart: Indices | None = None,
    ) -> None:
        if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules()):
            raise UsageError(
                "--certify pick does not support BatchNorm, which mixes the examples of a batch; "
                "choose a network without it"
            )
        self._hardware = hardware_of(samples.x.device, plan)
        self.module = self._hardware.network(module)
        self.masks = masks
        self._wrong = np.ones(samples.m, dtype=bool)
        self._samples = samples
        self._plan = plan
        self._seed = seed
        self._density = density
        self._rounds = 0
        self._apart = np.zeros(0, dtype=np.int64) if apart is None else apart
        stage = getattr(module, "first_stage", None)
        self._stage = stage if isinstance(stage, FirstStage) else None
        self._network = module if self._stage is None else module.get_submodule("network")
        self._staged = self._all_staged()

    def _all_staged(self) -> Tensor | None:
        """Return what the first stage makes of every example, or None where there is none, or that is too large to keep."""
        x = self._samples.x
        if self._stage is None or self._stage(x[:1]).numel() * len(x) > MOST_NUMBERS:
            return None
        found = torch.cat([self._stage(_filled(piece))[: len(piece)] for piece in x.split(SCORED)])
        return self._hardware.samples(found)

    def scores(self) -> NDArray[np.float64]:
        """Return the score of every example, (N,) float64."""
        score, found, wrong = SCORES[self._plan.score_of(self._rounds)], [], []
        network, inputs = self.module, self._samples.x
        if self._staged is not None:
            network, inputs = self._network, self._staged
        self.module.eval()
        with torch.no_grad():
            for x, y in zip(inputs.split(SCORED), self._samples.y.split(SCORED), strict=True):
                outputs = network(self._hardware.samples(_filled(x)))[: len(x)]
                found.append(score(outputs, y))
                wrong.append(margins_of(outputs, y) <= 0)
        self._wrong = torch.cat(wrong).numpy(force=True)
        return torch.cat(found).numpy(force=True)

    def wrong(self) -> NDArray[np.bool_]:
        """Return which examples the network of the latest scores gets wrong, (N,)."""
        return self._wrong

    def state(self) -> tuple[Masks, Weights]:
        """Return a copy of the masks and of the network's tensors."""
        return dict(self.masks), {key: tensor.clone() for key, tensor in self.module.state_dict().items()}

    def restore(self, state: tuple[Masks, Weights]) -> None:
        """Go back to what `state` returned."""
        self.masks, tensors = state
        self.module.load_state_dict(tensors)

    def start(self) -> None:
        """Train the first network on what was set aside, and prune it where there are no rounds to do so."""
        plan = self._plan
        self._learn(self._apart, plan.set_aside_steps, -1, last=not plan.rounds)

    def learn(self, picked: Indices, round: int) -> None:
        """Train on the picked examples and what was set aside; in rounds that may be the last also prune, where a density was
        asked for.
        """
        self._rounds = round + 1
        last = round >= self._plan.rounds - self._plan.candidates
        steps = self._plan.last_steps if last else self._plan.steps
        self._learn(np.concatenate([picked, self._apart]), steps, round, last=last)

    def _learn(self, chosen: Indices, steps: int, round: int, *, last: bool) -> None:
        rows = torch.from_numpy(chosen)
        x, y = self._samples.x[rows], self._samples.y[rows]
        if not last or self._density is None:
            self._train(x, y, steps, round, 0)
        else:
            self._prune_by_magnitude(x, y, steps, round)
        if last and self._plan.half:
            with torch.no_grad():
                for parameter in self.module.parameters():
                    parameter.copy_(parameter.half().float())

    def _prune_by_magnitude(self, x: Tensor, y: Tensor, steps: int, round: int) -> None:
        """Train, remove the smallest weights of all layers, rewind, and again, to the density asked for in `REWINDS`
        equal factors.
        """
        assert self._density is not None
        _, start = self.state()
        for number in range(1, REWINDS + 1):
            self._train(x, y, max(1, steps // 3), round, number)
            scores = {key: weight.detach().abs() for key, weight in weights(self.module).items()}
            self.masks = keep_best(scores, self.masks, self._density ** (number / REWINDS), "global")
            self.module.load_state_dict(start)
            apply(self.module, self.masks)
        self._train(x, y, steps, round, 0)

    def _train(self, x: Tensor, y: Tensor, steps: int, round: int, number: int) -> None:
        generator = _generator(self._seed, round, number)
        parameters = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(
            parameters, lr=self._plan.lr, weight_decay=self._plan.weight_decay, fused=True
        )
        feed = Feed(self.module, x, self._plan, steps, generator)
        pruned = [key for key, mask in self.masks.items() if not bool(mask.all())]
        owned = {
            key: (weight, self.masks[key]) for key, weight in weights(self.module).items() if key in pruned
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())  # of dropout
            self.module.train()
            for step in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] = self._plan.lr * 0.5 * (1 + math.cos(math.pi * step / steps))
                chosen = torch.randint(len(y), (self._plan.batch,), generator=generator)
                optimizer.zero_grad()
                nn.functional.cross_entropy(feed.logits(chosen), y[chosen]).backward()
                optimizer.step()
                with torch.no_grad():
                    for weight, mask in owned.values():
                        weight.mul_(mask)


def _filled(x: Tensor) -> Tensor:
    """Return a batch of examples, filled up with zeros to `SCORED`."""
    return x if len(x) == SCORED else torch.cat([x, x.new_zeros(SCORED - len(x), *x.shape[1:])])


def hardware_of(device: torch.device, plan: PickPlan) -> Hardware:
    """Return where a plan trains and how it stores images there."""
    return Hardware(device, channels_last=FEEDS[plan.feed][2])


class Feed:
    """Augmented examples on their way into a network.

    Where each example is drawn often, a number of augmented versions of all of them is made once, and what a fixed first stage
    makes of these, too (`FEEDS`); else every draw is augmented afresh.

    Args:
        module: the network.
        x: (n, ...) the examples.
        plan: its augmentation and batch.
        steps: of the training.
        generator: on the CPU.
    """

    def __init__(
        self, module: nn.Module, x: Tensor, plan: PickPlan, steps: int, generator: torch.Generator
    ) -> None:
        self._x, self._generator = x, generator
        self._augment = AUGMENTATIONS[plan.augmentation]
        stage = getattr(module, "first_stage", None)
        self._stage = stage if isinstance(stage, FirstStage) else None
        self._network = module if self._stage is None else module.get_submodule("network")
        self._hardware = hardware_of(x.device, plan)
        most, drawn, _ = FEEDS[plan.feed]
        least, most = (1, 1) if plan.augmentation == "off" else (LEAST_VERSIONS, most)
        each = steps * plan.batch // (drawn * len(x))
        room = MOST_NUMBERS // (self._inputs(x[:1]).numel() * len(x))
        self._count = min(most, each, room)
        self._versions = None if self._count < least else self._made()

    def _made(self) -> Tensor:
        """Return inputs of the network behind the first stage, (versions n, ...), version by version."""
        pieces = [self._inputs(piece) for _ in range(self._count) for piece in self._x.split(SCORED)]
        return self._hardware.samples(torch.cat(pieces))

    def _inputs(self, x: Tensor) -> Tensor:
        x = self._augment(x, self._generator)
        return x if self._stage is None else self._stage(x)

    def logits(self, chosen: Tensor) -> Tensor:
        """Return the network's outputs on augmented examples.

        Args:
            chosen: (b,) rows.
        """
        if self._versions is None:
            return self._network(self._hardware.samples(self._inputs(self._x[chosen])))
        version = torch.randint(self._count, (len(chosen),), generator=self._generator)
        return self._network(self._hardware.samples(self._versions[version * len(self._x) + chosen]))


LEAST_VERSIONS = 8
"""Smallest number of augmented versions of every example that are made in advance."""
MOST_NUMBERS = 2 * 10**8
"""Largest number of entries of these versions, and of the outputs of a first stage on the whole sample, that are kept."""
REWINDS = 4
"""Number of prunings within the last training; after each, the weights return to those at the beginning of that training."""


def _generator(seed: int, round: int, number: int) -> torch.Generator:
    digest = hashlib.sha256(f"pick {seed} {round} {number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

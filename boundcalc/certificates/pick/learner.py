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
from boundcalc.certificates.pick.plan import PickPlan
from boundcalc.certificates.pick.procedure import Indices
from boundcalc.certificates.pick.scores import SCORES
from boundcalc.errors import UsageError
from boundcalc.tickets.masks import Masks, apply, keep_best, weights
from boundcalc.tickets.samples import Samples

SCORED = 500
"""Examples of a batch when scores are computed; the last batch is filled up with zeros."""


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
    ) -> None:
        if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules()):
            raise UsageError(
                "--certify pick: BatchNorm mixes the examples of a batch; take a network without it"
            )
        self.module = module
        self.masks = masks
        self._samples = samples
        self._plan = plan
        self._seed = seed
        self._density = density

    def scores(self) -> NDArray[np.float64]:
        """Return the score of every example, (N,) float64."""
        score, found = SCORES[self._plan.score], []
        self.module.eval()
        with torch.no_grad():
            for x, y in zip(self._samples.x.split(SCORED), self._samples.y.split(SCORED), strict=True):
                filled = torch.cat([x, x.new_zeros(SCORED - len(x), *x.shape[1:])]) if len(x) < SCORED else x
                found.append(score(self.module(filled)[: len(x)], y))
        return torch.cat(found).numpy(force=True)

    def learn(self, picked: Indices, round: int) -> None:
        """Train on the picked examples; in the last round also prune, where a density was asked for."""
        rows = torch.from_numpy(picked)
        x, y = self._samples.x[rows], self._samples.y[rows]
        last = round == self._plan.rounds - 1
        steps = self._plan.last_steps if last else self._plan.steps
        if not last or self._density is None:
            self._train(x, y, steps, round, 0)
            return
        self._prune_by_magnitude(x, y, steps, round)

    def _prune_by_magnitude(self, x: Tensor, y: Tensor, steps: int, round: int) -> None:
        """Train, remove the smallest weights of all layers, rewind, and again, to the density asked for in `REWINDS`
        equal factors.
        """
        assert self._density is not None
        start = {key: tensor.clone() for key, tensor in self.module.state_dict().items()}
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
        optimizer = torch.optim.AdamW(parameters, lr=self._plan.lr, weight_decay=self._plan.weight_decay)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())  # of dropout
            self.module.train()
            for step in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] = self._plan.lr * 0.5 * (1 + math.cos(math.pi * step / steps))
                self._step(optimizer, x, y, generator)

    def _step(
        self, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> None:
        chosen = torch.randint(len(y), (self._plan.batch,), generator=generator)
        optimizer.zero_grad()
        logits = self.module(AUGMENTATIONS[self._plan.augmentation](x[chosen], generator))
        nn.functional.cross_entropy(logits, y[chosen]).backward()
        optimizer.step()
        with torch.no_grad():
            for key, weight in weights(self.module).items():
                weight.mul_(self.masks[key])


REWINDS = 4
"""Prunings within the last training, each followed by a return to the weights at its beginning."""


def _generator(seed: int, round: int, number: int) -> torch.Generator:
    digest = hashlib.sha256(f"pick {seed} {round} {number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

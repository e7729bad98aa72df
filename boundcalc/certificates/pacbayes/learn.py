"""Training the laws of a network's weights: noise on every layer's output, cross-entropy plus a multiple of the divergence.

A weight is 0 with probability 1 - keep and normal otherwise (spike and slab; for tickets: Sakamoto & Sato 2022). The output of a
layer is then nearly normal, with mean and variance from one pass each (local reparameterization: Kingma, Salimans & Welling 2015).
Nothing here needs to be exact, and no number that was drawn here is used for the network that is certified.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from boundcalc.certificates.pacbayes.draws import (
    PRIOR_KEEPS,
    PRIOR_WIDTHS,
    SCALES,
    Posterior,
    Prior,
    nearest_posterior,
)  # fmt: skip
from boundcalc.certificates.pacbayes.tables import KEEP_LEVELS, width_of
from boundcalc.errors import NotCovered
from boundcalc.network.forward import affine, evaluate_node
from boundcalc.network.ops import Affine, Node
from boundcalc.occam.refine import errors_of, loss_of

BATCH = 250
RATE = 0.01
WARM_UP_SHARE = 0.25
"""Share of the steps over which the weight of the divergence rises to its full value."""
LEAST = 1e-12
INITIAL_KEEP, INITIAL_KEEP_PRUNED = 0.9, 0.05
"""Initial probabilities of being kept: of a weight that is not 0 in the initial network, and of a weight that is 0 there."""
INITIAL_DEVIATION = 0.15
"""Initial standard deviation, as a share of the root mean square of the layer's weights."""


@dataclass(eq=False)
class Belief:
    """The laws of one layer's numbers, as parameters that are trained; weights first, biases after them.

    Attributes:
        layer: its geometry.
        mean: (n,) of what is not 0.
        log_width: (n,) log of its deviation.
        logit: (n,) of the probability that a number is not 0.
    """

    layer: Affine
    mean: Tensor
    log_width: Tensor
    logit: Tensor

    @property
    def parameters(self) -> list[Tensor]:
        """What is trained."""
        return [self.mean, self.log_width, self.logit]

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of every number, (n,) each."""
        keep = self.logit.sigmoid()
        return keep * self.mean, keep * ((2 * self.log_width).exp() + (1 - keep) * self.mean.square())

    def noisy(self, x: Tensor) -> Tensor:
        """Return the layer's output under fresh weights for every number of it, nearly."""
        means, variances = self.moments()
        mean = affine(self.layer, x, *self.split(means))
        variance = affine(self.layer, x.square(), *self.split(variances)).clamp_min(LEAST)
        return mean + variance.sqrt() * torch.randn_like(mean)

    def split(self, numbers: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias made of a vector of numbers."""
        count = self.layer.weight.numel()
        return numbers[:count].reshape(self.layer.weight.shape), numbers[
            count:
        ] if self.layer.bias is not None else None

    def grid(self) -> tuple[float, float]:
        """Return the prior that fits best: probability of not 0, and deviation."""
        with torch.no_grad():
            keep = self.logit.sigmoid()
            squares = (2 * self.log_width).exp() + self.mean.square()
            share = float(keep.mean().clamp(1e-4, 1 - 1e-4))
            return share, math.sqrt(float((keep * squares).sum() / keep.sum().clamp_min(1e-6)) + LEAST)

    def divergence(self) -> Tensor:
        """Return KL(Q || P) in nats at the prior that fits best."""
        share, deviation = self.grid()
        keep = self.logit.sigmoid()
        spike = keep * (F.logsigmoid(self.logit) - math.log(share))
        spike = spike + (1 - keep) * (F.logsigmoid(-self.logit) - math.log1p(-share))
        ratio = ((2 * self.log_width).exp() + self.mean.square()) / deviation**2
        return (spike + keep * (math.log(deviation) - self.log_width + 0.5 * (ratio - 1))).sum()

    def part(self, layer: Affine, rows: Tensor, columns: Tensor) -> Belief:
        """Return the laws of some units and of what they read of some others.

        Args:
            layer: of this part.
            rows: units that are kept.
            columns: inputs that are kept.
        """
        with torch.no_grad():
            parts = []
            for numbers in self.parameters:
                weight, bias = self.split(numbers)
                pieces = [weight[rows][:, columns].flatten(), *([] if bias is None else [bias[rows]])]
                parts.append(torch.cat(pieces))
        return Belief(layer, *(one.requires_grad_() for one in parts))

    def sample(self) -> Tensor:
        """Return numbers drawn by torch, for trials alone."""
        with torch.no_grad():
            keep = torch.rand_like(self.mean) < self.logit.sigmoid()
            return torch.where(keep, self.mean + self.log_width.exp() * torch.randn_like(self.mean), 0.0)

    def likeliest(self) -> NDArray[np.float64]:
        """Return every number's mean, 0 where it is more often 0 than not, (n,).

        Raises:
            NotCovered: training left the range of float32.
        """
        self._check_finite()
        with torch.no_grad():
            return torch.where(self.logit > 0, self.mean, 0.0).double().numpy(force=True)

    def on_grid(self) -> tuple[Prior, Posterior]:
        """Return prior and posterior as they can be saved: the nearest ones on the grid.

        Raises:
            NotCovered: training left the range of float32.
        """
        self._check_finite()
        share, deviation = self.grid()
        keep, mean, width = (part.detach().double().numpy(force=True) for part in
                             (self.logit.sigmoid(), self.mean, self.log_width.exp()))  # fmt: skip
        alive = np.sort(width[keep > 0.5]) if (keep > 0.5).any() else np.sort(width)
        scale = int(np.clip(np.rint(-np.log2(alive[len(alive) // 4] / 1.5)), SCALES[0], SCALES[-1]))
        delta = 2.0**-scale
        kept = min(
            PRIOR_KEEPS,
            key=lambda parts: -share * math.log(parts) - (1 - share) * math.log(KEEP_LEVELS - parts),
        )
        number = min(PRIOR_WIDTHS, key=lambda one: abs(math.log(width_of(one) * delta / deviation)))
        prior = Prior(scale, kept, number)
        return prior, nearest_posterior(keep, mean, width, prior)

    def _check_finite(self) -> None:
        if not all(bool(numbers.isfinite().all()) for numbers in self.parameters):
            raise NotCovered("numbers that float32, in which it is trained, does not hold", self.layer.name)


def started(layer: Affine) -> Belief:
    """Return a belief around a layer's own weights: its mask and living units are the start."""
    biases = [] if layer.bias is None else [layer.bias]
    mean = torch.cat([layer.weight.flatten(), *biases]).float()
    alive = mean != 0
    size = float(mean[alive].square().mean().sqrt()) if bool(alive.any()) else 1.0
    keep = torch.where(alive, INITIAL_KEEP, INITIAL_KEEP_PRUNED)
    return _trainable(layer, mean, torch.full_like(mean, INITIAL_DEVIATION * size), keep)


def _trainable(layer: Affine, mean: Tensor, width: Tensor, keep: Tensor) -> Belief:
    return Belief(
        layer,
        *(part.clone().requires_grad_() for part in (mean, width.log(), keep.logit())),
    )


@dataclass(eq=False)
class ChainTail:
    """The part of a chain of layers that is still to be drawn, with what it reads of every sample.

    Attributes:
        nodes: in order of execution.
        beliefs: of the layers among them, by name.
        x: (m, ...) float32, what the first node reads.
        y: (m,) int64.
        beta: of the divergence.
        generator: of the order of samples.
        progress: called after each pass.
    """

    nodes: Sequence[Node]
    beliefs: dict[str, Belief]
    x: Tensor
    y: Tensor
    beta: float
    generator: torch.Generator
    progress: Callable[[], None] = field(default=lambda: None)

    def train(self, passes: int) -> None:
        """Train the beliefs of all layers that are left."""
        parts = [belief.parameters for belief in self.beliefs.values()]
        groups = [{"params": list(params), "lr": RATE * factor} for params, factor in
                  zip(zip(*parts, strict=True), (1, 2, 5), strict=True)]  # fmt: skip
        optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
        rates = [group["lr"] for group in optimizer.param_groups]
        steps, step = passes * -(-len(self.y) // BATCH), 0
        for _ in range(passes):
            for chosen in torch.randperm(len(self.y), generator=self.generator).split(BATCH):
                done = step / steps
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * done))
                weight = self.beta * min(1.0, done / WARM_UP_SHARE) / len(self.y)
                divergence = torch.stack([belief.divergence() for belief in self.beliefs.values()]).sum()
                loss = loss_of(self._noisy(self.x[chosen]), self.y[chosen]) + weight * divergence
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
            self.progress()

    def _noisy(self, x: Tensor) -> Tensor:
        for node in self.nodes:
            x = self.beliefs[node.name].noisy(x) if isinstance(node, Affine) else evaluate_node(node, [x])
        return x.flatten(1)

    def after(self, numbers: Tensor) -> ChainTail:
        """Return what is left once the first layer's numbers are fixed; float32."""
        nodes, beliefs = list(self.nodes), dict(self.beliefs)
        done = next(place for place, node in enumerate(nodes) if isinstance(node, Affine)) + 1
        while not isinstance(nodes[done], Affine):
            done += 1
        name = next(iter(beliefs))
        with torch.no_grad():
            x = torch.cat([_through(nodes[:done], beliefs, {name: numbers}, x) for x in self.x.split(4096)])
        del beliefs[name]
        return replace(self, nodes=nodes[done:], beliefs=beliefs, x=x)

    def errors(self, numbers: dict[str, Tensor]) -> int:
        """Return how many samples the chain errs on with these numbers, in float32."""
        with torch.no_grad():
            return sum(
                errors_of(_through(self.nodes, self.beliefs, numbers, x).flatten(1), y)
                for x, y in zip(self.x.split(4096), self.y.split(4096), strict=True)
            )


def _through(
    nodes: Sequence[Node], beliefs: dict[str, Belief], numbers: dict[str, Tensor], x: Tensor
) -> Tensor:
    for node in nodes:
        match node:
            case Affine():
                x = affine(node, x, *beliefs[node.name].split(numbers[node.name]))
            case _:
                x = evaluate_node(node, [x])
    return x

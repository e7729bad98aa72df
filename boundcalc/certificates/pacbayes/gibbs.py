"""The randomized network beside the drawn one: its last layer is drawn anew for every prediction (the Gibbs form).

Setting. As in `boundcalc.certificates.pacbayes.theorem`, but for the last layer, which is not fixed: Q_L is chosen after the draws
h_1, ..., h_{L-1}, and err_S(Q) and err(Q) are means over h_L ~ Q_L.

Theorem. With probability at least 1 - delta, for every chain of draws of the first L - 1 layers and every Q_L,

    m kl(err_S(Q) || err(Q)) <= sum_{l<L} [log Q_l(h_l) / P_l(h_l) + log n_l] + KL(Q_L || P_L) + bits log 2 + log(xi(m) / delta).

Proof. Let A(h_1, ..., h_{L-1}) be the mean of exp(m kl(err_S(h) || err(h))) over h_L ~ P_L. By convexity of kl and the change of
measure of Donsker & Varadhan, m kl(err_S(Q) || err(Q)) <= KL(Q_L || P_L) + log A, for all Q_L at once. The proof of the theorem on
the drawn network, with A in place of the exponential and without layer L, bounds log A.

err_S(Q) is not known but estimated: every sample is predicted R times, each time with a last layer of its own, from the answers of
the oracle to all that was chosen. With w errors among R m, and up to 2^QUESTIONS estimates that anyone may have tried,

    kl(w / (R m) || err_S(Q)) <= (log 2^QUESTIONS + log(1 / delta')) / (R m)

(Chernoff's bound for independent errors of unequal probability: Hoeffding 1963). delta' = delta / 10, the rest is for the theorem.

Q_L is cut where P_L is 0, in its far tails: what is drawn there becomes 0, so that the divergence is finite.

Sources: Langford & Caruana 2001; Maurer 2004; Germain, Lacasse, Laviolette & Marchand 2009.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from boundcalc.certificates.file import Item
from boundcalc.certificates.pacbayes import theorem
from boundcalc.certificates.pacbayes.claim import DrawnNetwork
from boundcalc.certificates.pacbayes.draws import Oracle, SavedLayer, divergence_bits, within
from boundcalc.empirical.measure import margins_of
from boundcalc.errors import NotCovered
from boundcalc.network.forward import evaluate_node, run
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, Node
from boundcalc.norms.pass_error import pass_error
from boundcalc.norms.rounding import LIBM, up
from boundcalc.occam.kl import kl_inverse
from boundcalc.occam.skeleton import reads_all, with_weights

ANSWERS, NUMBERS = 2**16, 2**28
"""Number of predictions of an estimate, and number of draws for them, unless one pass over the sample needs more."""
ESTIMATE = 0.1
"""Share of delta for the estimate of the training error."""


@dataclass(frozen=True)
class Randomized:
    """What the bound on the randomized network follows from.

    Attributes:
        wrong: predictions in error.
        answers: R m, predictions.
        bits: log2 of Q / P of the layers that are drawn, KL(Q_L || P_L) / log 2, and everything else that is paid for.
        divergence: KL(Q_L || P_L) / log 2 alone.
    """

    wrong: int
    answers: int
    bits: float
    divergence: float

    def train_error(self, delta: float) -> float:
        """Return a bound on err_S(Q) that fails with probability delta at most."""
        nats = theorem.QUESTIONS * math.log(2.0) - math.log(delta)
        return kl_inverse(self.wrong, self.answers, up(nats / self.answers, 8))

    def bound(self, m: int, delta: float) -> float:
        """Return the bound on err(Q).

        Args:
            m: samples.
            delta: failure probability of theorem and estimate together.
        """
        wrong = up(self.train_error(ESTIMATE * delta) * m, 4)
        return theorem.error_bound(min(wrong, m), m, self.bits, (1 - ESTIMATE) * delta)


def randomized(
    found: DrawnNetwork,
    stages: Sequence[SavedLayer],
    known: Mapping[str, Any],
    common: Sequence[Item],
    samples: Iterable[tuple[torch.Tensor, torch.Tensor]],
    m: int,
) -> Randomized:
    """Estimate the training error of the network whose last layer is drawn anew, and add up what is paid for.

    Args:
        found: the drawn network.
        stages: its layers as saved.
        known: what the oracle is told, see `boundcalc.certificates.pacbayes.claim.facts`.
        common: lines of normalization and setting.
        samples: as the drawn network reads them.
        m: how many.

    Raises:
        NotCovered: the last layer does not read all of what is before it at once, so that a draw for each sample is dear.
    """
    layer, stage, size = found.frame.layers[-1], stages[-1], stages[-1].posterior.keep.size
    if not reads_all(layer):
        raise NotCovered("only a linear layer is drawn anew", layer.name)
    oracle = Oracle(known)
    for before in stages[:-1]:
        oracle.go_on(before.prior, before.posterior, before.draw)
    rounds, law = max(1, min(ANSWERS, NUMBERS // size) // m), stage.posterior.law()
    wrong, blocks = 0, itertools.count()
    for x, y in samples:
        for _ in range(rounds):
            values = law.draw(oracle.anew(stage.prior, stage.posterior, next(blocks), len(x)))
            drawn = torch.from_numpy(within(values, stage.prior) * stage.prior.delta)
            outputs = run(found.small, x, partial(_evaluated, layer, drawn))
            rounding = pass_error(_with_last(found, layer, drawn.abs().amax(0)), float(x.abs().max()))
            wrong += len(y) - int((margins_of(outputs, y) > rounding).sum())
    divergence = divergence_bits(stage.posterior, stage.prior)
    questions = theorem.question_bits(len(stages) - 1) if len(stages) > 1 else 0.0
    parts = (*(item.bits for item in (*common, *found.items[:-1])), found.frame.bits, divergence, questions)
    return Randomized(wrong, rounds * m, math.fsum(parts) + LIBM * math.fsum(map(abs, parts)), divergence)


def _evaluated(layer: Affine, drawn: torch.Tensor, node: Node, values: list[torch.Tensor]) -> torch.Tensor:
    """Evaluate a node; the last layer with numbers of its own for every sample, (b, numbers)."""
    if not isinstance(node, Affine) or node.name != layer.name:
        return evaluate_node(node, values)
    count, read = layer.weight.numel(), values[0].flatten(1)
    outputs = torch.einsum("bor,br->bo", drawn[:, :count].reshape(len(read), -1, read.shape[1]), read)
    return (outputs + drawn[:, count:] if layer.bias is not None else outputs)[:, :, None, None]


def _with_last(found: DrawnNetwork, layer: Affine, numbers: torch.Tensor) -> Network:
    """Return the drawn network with other numbers in its last layer."""
    weights = {own.name: own.weight for own in found.small.stored()}
    biases = {own.name: own.bias for own in found.small.stored() if own.bias is not None}
    weights[layer.name] = numbers[: layer.weight.numel()]
    biases |= {layer.name: numbers[layer.weight.numel() :]} if layer.bias is not None else {}
    return with_weights(found.small, weights, biases)

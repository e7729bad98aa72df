"""A network of the checkpoint's architecture that is trained afresh on a part of the sample (docs/theory/holdout.md).

Nothing of the checkpoint enters but its architecture: weights, mask and statistics may have seen the examples that certify.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from boundcalc import progress
from boundcalc.adam import Adam
from boundcalc.certificates.pick.apart import set_apart
from boundcalc.certificates.pick.claim import Counted, counted, margins_in_order
from boundcalc.empirical.behind_stage import batches, without_stage
from boundcalc.empirical.split import Split
from boundcalc.errors import NotCovered
from boundcalc.network.coverage import require
from boundcalc.network.forward import affine, evaluate_node, run
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, Node
from boundcalc.occam.refine import loss_of, single_precision
from boundcalc.occam.search import SAMPLE_BYTES, work_of
from boundcalc.occam.skeleton import with_weights
from boundcalc.threads import one_thread

BATCH, RATE = 128, 2e-3
PASSES, WORK = 20, 4e12
"""Largest number of passes over the part, and of multiplications that they take; both limits depend only on architecture and
sample size."""


@dataclass(frozen=True, eq=False)
class Retrained:
    """A network and its errors on the examples that it has not seen.

    Attributes:
        network: of the checkpoint's architecture, all weights its own.
        counted: its errors, and how many examples certify.
        fraction: of the sample on which it was trained.
    """

    network: Network
    counted: Counted
    fraction: float


def retrain(network: Network, split: Split, m: int, fraction: float, seed: int) -> Retrained:
    """Train a network afresh on a part of the sample and count its errors on the rest.

    Args:
        network: whose architecture it has; its weights do not count.
        split: training samples, normalized.
        m: how many.
        fraction: of them that training sees, drawn by `seed`.
        seed: of the part, the initial weights and the order.

    Raises:
        NotCovered: the network has parameters outside its layers, the part does not fit into memory or leaves nothing, a pass
            over it takes too long, or training left the range of float32.
    """
    stage, rest = without_stage(network)
    require(rest)
    rows = set_apart(m, fraction, seed)
    if not 0 < len(rows) < m:
        raise NotCovered(
            f"a share of {fraction:g} of {m} samples leaves no example to train on or to certify with"
        )
    if 4 * len(rows) * rest.inputs > SAMPLE_BYTES:
        raise NotCovered("the part of the sample to train on takes more memory than 512 MiB")
    chosen = torch.zeros(m, dtype=torch.bool)
    chosen[torch.from_numpy(rows)] = True
    pieces, start = [], 0
    for x, y in batches(stage, rest, split):
        own = chosen[start : start + len(y)]
        pieces.append((x[own].float(), y[own]))
        start += len(y)
    x, y = (torch.cat(parts) for parts in zip(*pieces, strict=True))
    weights, biases = train(rest, x, y, seed)
    whole = with_weights(network, weights, biases)
    return Retrained(whole, counted(margins_in_order(whole, split), (), rows), fraction)


def train(
    network: Network, x: torch.Tensor, y: torch.Tensor, seed: int
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Train a network from random weights (He et al. 2015), every position of every layer among them.

    Args:
        network: whose architecture it has.
        x: (n, *input shape) float32.
        y: (n,) int64.
        seed: of weights and order.

    Returns:
        Weights and biases by layer, float64.

    Raises:
        NotCovered: a pass takes too long, or training left the range of float32.
    """
    single, generator = single_precision(network), torch.Generator().manual_seed(seed)
    numbers: dict[str, tuple[torch.Tensor, torch.Tensor | None]] = {}
    for layer in single.stored():
        spread = math.sqrt(2 / layer.weight[0].numel())
        weight = torch.randn(layer.weight.shape, generator=generator).mul_(spread).requires_grad_()
        bias = None if layer.bias is None else torch.zeros(layer.bias.shape, requires_grad=True)
        numbers[layer.name] = weight, bias

    def evaluate(node: Node, values: list[torch.Tensor]) -> torch.Tensor:
        if isinstance(node, Affine):
            return affine(node, values[0], *numbers[node.name])
        return evaluate_node(node, values)

    passes = min(PASSES, math.floor(WORK / (3 * len(y) * work_of(single))))
    if not passes:
        raise NotCovered("a pass over the part of the sample takes more than 4e12 multiplications")
    adam = Adam([tensor for pair in numbers.values() for tensor in pair if tensor is not None])
    steps, step = passes * -(-len(y) // BATCH), 0
    with one_thread(), torch.enable_grad(), progress.counting("passes over the part set aside", passes):
        for _ in range(passes):
            for part in torch.randperm(len(y), generator=generator).split(BATCH):
                loss_of(run(single, x[part], evaluate), y[part]).backward()
                adam.step(RATE * 0.5 * (1 + math.cos(math.pi * step / steps)))
                step += 1
            progress.advance()
    made = {
        name: tuple(None if one is None else one.detach().double() for one in pair)
        for name, pair in numbers.items()
    }
    weights = {name: weight for name, (weight, _) in made.items() if weight is not None}
    biases = {name: bias for name, (_, bias) in made.items() if bias is not None}
    if not all(bool(one.isfinite().all()) for one in (*weights.values(), *biases.values())):
        raise NotCovered("numbers that float32, in which it is trained, does not hold")
    return weights, biases

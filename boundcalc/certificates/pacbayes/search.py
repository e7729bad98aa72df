"""The search for a drawn network with a small bound (docs/theory/pacbayes.md); everything that it finds is paid for in `claim`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from boundcalc.certificates.file import Item
from boundcalc.certificates.pacbayes import claim, theorem
from boundcalc.certificates.pacbayes.draws import Oracle, SavedLayer
from boundcalc.certificates.pacbayes.learn import ChainTail, started
from boundcalc.empirical.split import Split
from boundcalc.network.network import Network
from boundcalc.occam.axes import axes_of
from boundcalc.occam.refine import single_precision
from boundcalc.threads import one_thread

JOINT_SHARE = 0.6
"""Share of the passes that train all layers at once, before the first draw."""
DRAWS, LAST_DRAWS = 12, 150
"""Number of draws that are ranked for a layer, and for the last layer."""
BETA = 8.0
"""Default weight of the divergence: cross-entropy needs a multiple of its weight in the bound."""
COMPLETED = 2
"""Number of completions with which a draw of a layer before the last is evaluated."""


@dataclass(frozen=True, eq=False)
class DrawTask:
    """What is asked for.

    Attributes:
        network: where the search starts: its weights, its mask and its living units.
        split: training samples, normalized.
        data_sha256: of them as stored.
        m: how many.
        normalize: what was applied to them.
        delta: failure probability.
        passes: over the sample.
        seed: of the training.
        beta: multiple of the divergence in the training loss.
        common: lines of the ledger that do not depend on the search.
        progress: called after each pass.
    """

    network: Network
    split: Split
    data_sha256: str
    m: int
    normalize: tuple[float, ...] | None
    delta: float
    passes: int
    seed: int
    beta: float
    common: tuple[Item, ...] = ()
    progress: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True, eq=False)
class DrawResult:
    """What was found; `boundcalc.certificates.compressed` computes from it what it claims.

    Attributes:
        frame: what is kept of the network.
        stages: its layers, as saved.
    """

    frame: claim.Frame
    stages: tuple[SavedLayer, ...]


def search_draw(task: DrawTask) -> DrawResult:
    """Train laws and draw a network layer by layer.

    Raises:
        NotCovered: the network is no chain of layers.
    """
    frame = claim.frame_of(task.network)
    with one_thread(), torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(task.seed)
        return _drawn(task, frame)


def mean_network(task: DrawTask) -> Network:
    """Train laws of all layers and return the network of their means, for a search that codes a network: a number that is more
    often 0 than not is 0.

    Returns:
        The network behind a first stage, flattened, as `boundcalc.occam` takes it for a start.

    Raises:
        NotCovered: the network is no chain of layers.
    """
    frame = claim.frame_of(task.network)
    with one_thread(), torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(task.seed)
        chain = _chain(task, frame)
        chain.train(task.passes)
    return frame.filled([belief.likeliest() for belief in chain.beliefs.values()])[1]


def _drawn(task: DrawTask, frame: claim.Frame) -> DrawResult:
    chain = _chain(task, frame)
    layers = frame.layers
    first = task.passes if len(layers) == 1 else max(1, round(JOINT_SHARE * task.passes))
    if first > 1:
        chain.train(first // 2)
        frame, chain = _without_dead_units(task, frame, chain)
        layers = frame.layers
    chain.train(first - first // 2)
    oracle = Oracle(claim.facts(frame, task.data_sha256, task.normalize, task.delta))
    paid = math.fsum(item.bits for item in task.common) + frame.bits + theorem.question_bits(len(layers))
    stages = []
    for number, layer in enumerate(layers):
        if number:
            chain.train(max(1, (task.passes - first) // (len(layers) - 1)))
        prior, posterior = chain.beliefs[layer.name].on_grid()
        laws = posterior.law(), prior.law(posterior.keep.size)
        last = number == len(layers) - 1
        found = []
        for draw in range(LAST_DRAWS if last else DRAWS):
            values = laws[0].draw(oracle.uniform(prior, posterior, draw))
            items = claim.layer_items(frame, layer, prior, values, *laws)
            bits = paid + math.fsum(item.bits for item in items)
            numbers = torch.from_numpy(values * prior.delta).float()
            bound = _mean_bound(task, chain, layer.name, numbers, bits, 1 if last else COMPLETED)
            found.append((bound, draw, bits, numbers))
        _, draw, paid, numbers = min(found, key=lambda one: one[:2])
        stages.append(SavedLayer(prior, posterior, draw))
        oracle.go_on(prior, posterior, draw)
        if not last:
            chain = chain.after(numbers)
    return DrawResult(frame, tuple(stages))


def _chain(task: DrawTask, frame: claim.Frame) -> ChainTail:
    generator = torch.Generator().manual_seed(task.seed)
    pieces = [(x.float(), y) for x, y in frame.batches(task.split)]
    start = single_precision(frame.small)
    beliefs = {layer.name: started(layer) for layer in start.stored()}
    return ChainTail(
        start.nodes[1:], beliefs, torch.cat([x for x, _ in pieces]), torch.cat([y for _, y in pieces]), task.beta,
        generator, task.progress,
    )  # fmt: skip


def _without_dead_units(
    task: DrawTask, frame: claim.Frame, chain: ChainTail
) -> tuple[claim.Frame, ChainTail]:
    """Cut out the units and pixels that the laws have left dead."""
    likeliest = frame.filled([belief.likeliest() for belief in chain.beliefs.values()])[1]
    smaller = replace(claim.frame_of(likeliest), stage=frame.stage)
    axes = axes_of(frame.whole)
    places = [torch.searchsorted(old, new) for old, new in zip(frame.kept, smaller.kept, strict=True)]
    beliefs = {
        layer.name: chain.beliefs[layer.name].part(
            layer, places[axes.rows[layer.name]], places[axes.columns[layer.name]]
        )
        for layer in single_precision(smaller.small).stored()
    }
    nodes = single_precision(smaller.small).nodes[1:]
    x = chain.x[:, places[axes.nodes[0]]]
    return smaller, replace(chain, nodes=nodes, beliefs=beliefs, x=x)


def _mean_bound(
    task: DrawTask, chain: ChainTail, name: str, numbers: Tensor, bits: float, times: int
) -> float:
    """Return the mean bound of a draw over several trial draws of the later layers, which are not used again."""
    later = math.fsum(
        float(belief.divergence().detach()) for other, belief in chain.beliefs.items() if other != name
    )
    values = []
    for _ in range(times):
        given = {
            other: numbers if other == name else belief.sample() for other, belief in chain.beliefs.items()
        }
        values.append(
            theorem.error_bound(chain.errors(given), task.m, bits + later / math.log(2.0), task.delta)
        )
    return math.fsum(values) / times

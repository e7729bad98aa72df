"""The search for a quantized network with a small certificate (docs/theory/occam.md).

There are three stages, each of which gives a codeword with a valid certificate: a uniform mask code with k-means of eight
values and raw biases; dead units removed, masks coded as graphons and codebooks of the best size; everything refined
jointly. The union bound is over all codewords, so choosing the best of any number of them costs nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch

from boundcalc import progress
from boundcalc.empirical.behind_stage import batches, without_stage
from boundcalc.empirical.split import Split
from boundcalc.network.forward import run
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine
from boundcalc.occam.blocks import Groups, counts_of, find_groups, refine_groups
from boundcalc.occam.codeword import CodeLayout, Codeword, plan_of
from boundcalc.occam.kl import certificate
from boundcalc.occam.order import order_bits
from boundcalc.occam.refine import RATE, TRIM_SHARE, CompactSample, CompactTrainer, errors_of
from boundcalc.occam.skeleton import compacted, flattened, simplified
from boundcalc.occam.spelling import Quantized, Reference, dequantize, masks_of, quantize, spell
from boundcalc.occam.transmit import lengths
from boundcalc.threads import one_thread

SIZES = (2, 3, 4, 6, 8, 16)
"""Codebook sizes tried by k-means."""
JOINT_SIZES, MANY = (4, 3), 200
"""Codebook sizes of the joint refinement: only the first one with fewer than `MANY` passes, else all of them, with an equal
share of the passes each."""
MOST_NATS_PER_SAMPLE = 8.0
"""Length of the plain code, in nats per sample, above which no further code is tried: the certificate would be above 0.999."""
MOST_PASSES, LEAST_PASSES = 24, 3
"""Largest default number of passes of the joint refinement, and the smallest: if fewer are affordable, there are none."""
FULL_SEARCH_EVERY = 5
"""One in this many partitions is searched from the start; the others are only refined."""
SETTLE, CYCLE, ROUNDS = 0.25, 2, 50
"""Share of the passes that only settle the result without pruning; smallest number of the other passes between two rounds of
pruning; and number of rounds above which more passes are spent on each round instead."""
WORK, SLIDING = 6e11, 8
"""Largest number of multiplications of the joint refinement, where those of a sliding kernel count eightfold because they are
slower; the number of passes depends only on the network and the sample size."""
TRIAL_WORK, TRIAL_SAMPLES = 3e10, 500
"""Number of multiplications for trying a codebook size, and the smallest number of samples for it; all samples are used if
that is cheap."""
SAMPLE_BYTES = 2**29
"""Bytes of training data that the search holds in memory; its result is measured on all the data."""
BATCH_ENTRIES = 2**22


@dataclass(frozen=True)
class SearchTask:
    """The task of a search.

    Attributes:
        network: the network, with weights in float64.
        split: training samples, streamed.
        m: number of training samples.
        delta: probability of failure.
        reference: weights that are independent of the sample; empty if unknown.
        device: device for the computations.
        seed: seed for the order of samples.
        passes: number of passes over the sample in the joint refinement; None for as many as are affordable.
        price: bits paid in addition to the codeword's, for a normalization computed from the sample.
        start: weights from which the second and third stage start, in the form of the flattened network behind a first
            stage; None for the network's own.
    """

    network: Network
    split: Split
    m: int
    delta: float
    reference: Reference
    device: str
    seed: int
    passes: int | None
    price: float = 0.0
    start: Network | None = None


@dataclass(frozen=True, eq=False)
class CertifiedCodeword:
    """A codeword and its certificate.

    Attributes:
        name: ``"uniform"``, ``"relative"``, ``"graphon"`` or ``"joint"``.
        word: the codeword.
        network: the network it describes.
        bits: number of bits of each section.
        errors: number of training samples on which that network errs, in float64.
        value: the certified error.
    """

    name: str
    word: Codeword
    network: Network
    bits: dict[str, float]
    errors: int
    value: float


@dataclass(frozen=True, eq=False)
class OccamSearchResult:
    """The result of a search.

    Attributes:
        plan: the layout that sender and receiver know beforehand.
        stages: the codewords found, in order of effort.
        passes: number of passes over the sample in the joint refinement.
        remark: the reason why a stage was skipped, or "".
    """

    plan: CodeLayout
    stages: tuple[CertifiedCodeword, ...]
    passes: int
    remark: str

    @property
    def best(self) -> CertifiedCodeword:
        """The stage with the smallest certificate."""
        return min(self.stages, key=lambda stage: stage.value)


def search(task: SearchTask) -> OccamSearchResult:
    """Search for a codeword with a small certificate.

    Raises:
        NotCovered: when the network has an operation with parameters that the code does not describe, or one that cannot be
            run.
    """
    with one_thread():  # sums round alike whatever the number of threads
        return _search(task)


def _search(task: SearchTask) -> OccamSearchResult:
    base = flattened(without_stage(task.network)[1])
    plan = plan_of(base)
    words = {"uniform": spell(plan, quantize(plan, base, 8, "raw"), None)}
    if task.reference:
        changes = quantize(plan, base, 8, "own", task.reference)
        words["relative"] = spell(plan, changes, None, relative=True)
    shortest = min(_bits(plan, word) for word in words.values())
    if not task.passes and shortest * math.log(2) > MOST_NATS_PER_SAMPLE * task.m:
        remark = "the plain code needs more than 8 nats per sample, so no shorter code was searched for"
        return OccamSearchResult(plan, _measured(task, plan, base, words), 0, remark)
    passes = _search_further(task, plan, base, words)
    remark = (
        "" if passes or task.passes == 0 else "a pass over the sample takes too long for joint refinement"
    )
    return OccamSearchResult(plan, _measured(task, plan, base, words), passes, remark)


def _search_further(task: SearchTask, plan: CodeLayout, base: Network, words: dict[str, Codeword]) -> int:
    simple = simplified(base if task.start is None else task.start)
    compact, kept = compacted(simple)
    sample = _load(task, base, compact, kept[plan.axes.nodes[0]])
    groups = find_groups(plan, counts_of(masks_of(plan, simple)), relative=False)
    words["graphon"] = _best_by_k_means(task, plan, simple, compact, sample, groups)
    passes = _passes(compact, task)
    if passes and any(bool(layer.weight.any()) for layer in compact.layers()):
        sizes = JOINT_SIZES if passes >= MANY else JOINT_SIZES[:1]
        joint = partial(_joint, task, plan, compact, kept, sample, groups, passes // len(sizes))
        with progress.counting("passes over the sample", passes):
            words["joint"] = min(map(joint, sizes), key=lambda found: found[0])[1]
    return passes


def _best_by_k_means(
    task: SearchTask,
    plan: CodeLayout,
    simple: Network,
    compact: Network,
    sample: CompactSample,
    groups: Groups,
) -> Codeword:
    small = plan_of(compact)
    tried = max(TRIAL_SAMPLES, math.floor(TRIAL_WORK / work_of(compact)))
    sample = CompactSample(sample.x[:tried], sample.y[:tried])
    found: list[tuple[float, Codeword]] = []
    for size in SIZES:
        for mode in ("own", "shared"):
            word = spell(plan, quantize(plan, simple, size, mode), groups)
            trial = dequantize(small, spell(small, quantize(small, compact, size, mode), None), compact)
            found.append((_value(task, plan, word, sample.errors(trial), sample), word))
    return min(found, key=lambda pair: pair[0])[1]


def _joint(
    task: SearchTask,
    plan: CodeLayout,
    compact: Network,
    kept: tuple[torch.Tensor, ...],
    sample: CompactSample,
    groups: Groups,
    passes: int,
    size: int,
) -> tuple[float, Codeword]:
    trainer, small = CompactTrainer(compact, sample, size, task.seed), plan_of(compact)
    settle, cycle = math.floor(SETTLE * passes), max(CYCLE, passes // ROUNDS)
    best_value, best_word, best_state = math.inf, None, trainer.snapshot()
    best_layers: list[Quantized] = []
    numbers = itertools.count(1)

    def judge() -> tuple[float, Codeword, list[Quantized]]:
        nonlocal groups
        layers = trainer.quantized(small, kept, plan)
        counts = counts_of([layer.mask for layer in layers])
        groups = refine_groups(plan, counts, False, groups)
        word = spell(plan, layers, groups)
        if next(numbers) % FULL_SEARCH_EVERY == 0:
            afresh = find_groups(plan, counts, relative=False)
            again = spell(plan, layers, afresh)
            if _bits(plan, again) < _bits(plan, word):
                groups, word = afresh, again
        return _value(task, plan, word, trainer.errors(), sample), word, layers

    for start in range(0, passes - settle, cycle):
        trainer.cool(RATE, RATE / 10, min(cycle, passes - settle - start))
        value, word, layers = judge()
        if value < best_value:
            best_value, best_word, best_layers, best_state = value, word, layers, trainer.snapshot()
        trainer.trim(TRIM_SHARE)
    trainer.restore(best_state)
    for step in range(settle):
        trainer.cool(RATE / 2 * (1 - step / settle), RATE / 2 * (1 - (step + 1) / settle), 1)
        value, word, layers = judge()
        if value < best_value:
            best_value, best_word, best_layers = value, word, layers
    assert best_word is not None
    afresh = find_groups(plan, counts_of([layer.mask for layer in best_layers]), relative=False)
    again = spell(plan, best_layers, afresh)
    return best_value, min(best_word, again, key=partial(_bits, plan))


def _bits(plan: CodeLayout, word: Codeword) -> float:
    return math.fsum(lengths(plan, word).values())


def _value(task: SearchTask, plan: CodeLayout, word: Codeword, errors: int, sample: CompactSample) -> float:
    bits = _bits(plan, word)
    scaled = round(errors * task.m / sample.y.numel())
    return certificate(scaled, task.m, bits + task.price, task.delta)


def _measured(
    task: SearchTask, plan: CodeLayout, base: Network, words: dict[str, Codeword]
) -> tuple[CertifiedCodeword, ...]:
    networks = {name: dequantize(plan, word, base, task.reference or None) for name, word in words.items()}
    errors = dict.fromkeys(words, 0)
    with torch.no_grad():
        for x, y in _batches(task, base):
            for name, network in networks.items():
                outputs = run(network, x.to(task.device))
                errors[name] += errors_of(outputs, y.to(task.device))
    stages = []
    for name, word in words.items():
        bits = {**lengths(plan, word), "order of hidden units": order_bits(plan, word)}
        value = certificate(errors[name], task.m, math.fsum(bits.values()) + task.price, task.delta)
        stages.append(CertifiedCodeword(name, word, networks[name], bits, errors[name], value))
    return tuple(stages)


def _batches(task: SearchTask, network: Network) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    widest = max(math.prod(node.shape) for node in network.nodes)
    stage, _ = without_stage(task.network)
    yield from batches(stage, network, task.split, max(1, min(4096, BATCH_ENTRIES // widest)))


def _load(task: SearchTask, base: Network, compact: Network, kept: torch.Tensor) -> CompactSample:
    """Read as many samples as fit in `SAMPLE_BYTES` into one block of memory; joining separate pieces afterwards would take
    twice as much.
    """
    room = min(task.m, max(1, SAMPLE_BYTES // (4 * compact.inputs)))
    images = torch.empty(room, *compact.nodes[0].shape, dtype=torch.float32)
    labels = torch.empty(room, dtype=torch.int64)
    count = 0
    for x, y in _batches(task, base):
        end = min(room, count + y.numel())
        images[count:end] = x.reshape(x.shape[0], *base.nodes[0].shape)[: end - count, kept]
        labels[count:end] = y[: end - count]
        count = end
        if count == room:
            break
    return CompactSample(images[:count].to(task.device), labels[:count].to(task.device))


def _passes(network: Network, task: SearchTask) -> int:
    if task.passes is not None:
        return task.passes
    possible = math.floor(WORK / (3 * task.m * work_of(network)))
    return min(MOST_PASSES, possible) if possible >= LEAST_PASSES else 0


def work_of(network: Network) -> int:
    """Return the number of multiplications in a forward pass of one sample; those of a sliding kernel count `SLIDING`
    times.
    """
    return sum(_work(layer) for layer in network.layers())


def _work(layer: Affine) -> int:
    positions = math.prod(layer.shape[1:])
    return layer.weight.numel() * positions * (SLIDING if positions > 1 else 1)

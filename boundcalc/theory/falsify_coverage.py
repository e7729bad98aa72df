"""Attacks on bounds on the error: a known distribution, a training set, and a network chosen after seeing it.

The distribution has finitely many points, so that the true error is a finite sum. Several networks of one
architecture are trained on the sample from random starts, and the one with the largest true error minus training
error is taken. A bound with probability of failure delta may be exceeded on at most a share delta of independent
training sets.

A certificate by code lengths is also attacked directly: all codewords of a small class are enumerated,
each with its own errors, and the worst one is tested.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

from boundcalc.adam import Adam
from boundcalc.bounds.bound_inputs import BoundInputs, BoundSettings, chain_of
from boundcalc.bounds.candidates import Architecture
from boundcalc.bounds.catalogue import Bound
from boundcalc.bounds.evaluate import evaluate
from boundcalc.empirical.energies import Energies
from boundcalc.empirical.measure import margins_of
from boundcalc.empirical.patches import PatchNorms
from boundcalc.empirical.split import split_of_batches
from boundcalc.network.forward import run
from boundcalc.network.network import Network
from boundcalc.norms.rounding import up_all
from boundcalc.occam.kl import certificate
from boundcalc.theory.falsify_blueprint import Blueprint
from boundcalc.theory.falsify_draw import convolutional, drawn_data, perceptron, seed_of, stacked

DELTA = 0.05
POINTS = 24
LARGE_SAMPLE = 50_000
"""Size at which labels are nearly certain and networks shallow and well trained: bounds by norms come below 1, where a true
error can pass them."""
SAMPLES = (50, 300, 2000, LARGE_SAMPLE)
CANDIDATES = 12
STEPS, EASY_STEPS = 12, 60
CODEWORD_BITS = 8
CODEWORD_SAMPLES = 60


@dataclass(frozen=True, eq=False)
class World:
    """A uniform distribution on finitely many points, with a distribution of labels at each point.

    Attributes:
        blueprint: architecture of the networks.
        points: (K, channels, height, width) float64.
        labels: probability of each label at each point, (K, classes).
    """

    blueprint: Blueprint
    points: torch.Tensor
    labels: torch.Tensor

    def error(self, network: Network) -> float:
        """Return the true error of a network; ties count as errors."""
        with torch.no_grad():
            outputs = run(network, self.points)
        return float(
            (self.labels * _misclassified(outputs[None], self.labels.shape[1])[0]).sum() / len(self.points)
        )


@dataclass(frozen=True, eq=False)
class Trained:
    """A training set and the network chosen after seeing it.

    Attributes:
        world: distribution of the training set.
        problem: inputs of the bounds.
    """

    world: World
    problem: BoundInputs


def _misclassified(outputs: torch.Tensor, classes: int) -> torch.Tensor:
    """Return 1.0 for each label whose margin would be <= 0: (B, K, outputs) -> (B, K, classes)."""
    batch, count, _ = outputs.shape
    flat = outputs.flatten(0, 1)
    margins = [margins_of(flat, torch.full((batch * count,), label)) for label in range(classes)]
    return (torch.stack(margins, -1) <= 0).double().reshape(batch, count, classes)


def train(seed: int, trial: int) -> Trained:
    """Draw a world and a training set, and choose a network adversarially."""
    rng = random.Random(seed_of("world", seed, trial))
    generator = torch.Generator().manual_seed(seed_of("coverage", seed, trial))
    m = rng.choice(SAMPLES)
    easy = m == LARGE_SAMPLE
    blueprint = shallow(rng) if easy else rng.choice((perceptron, perceptron, convolutional))(rng)
    points = drawn_data(rng.choice(("gaussian", "uniform", "signs")), POINTS, blueprint.shape, generator)
    classes = max(2, blueprint.value_shapes()[-1][0])
    sharpness = 30.0 if easy else rng.choice((0.0, 1.0, 6.0))
    labels = (sharpness * torch.randn(POINTS, classes, generator=generator, dtype=torch.float64)).softmax(1)
    world = World(blueprint, points, labels)
    drawn = torch.multinomial(labels.flatten(), m, replacement=True, generator=generator)
    x, y = points[drawn // classes], drawn % classes
    counts = torch.bincount(drawn, minlength=labels.numel()).reshape(labels.shape)
    network = _adversary(world, counts, generator, easy=easy)
    patches = PatchNorms(network)
    with torch.no_grad():
        margins = margins_of(run(network, x, patches), y).sort().values
    arrays = x.reshape(m, *blueprint.shape).numpy(), y.numpy()
    problem = BoundInputs(
        network, Energies(m, up_all(x.square().sum(0), m), float(x.abs().max())), margins,
        BoundSettings(delta=DELTA, passes=0), chain=chain_of(network, spectral=True), patches=patches.norms(),
        split=split_of_batches("drawn", lambda: [arrays], m),
    )  # fmt: skip
    return Trained(world, problem)


def shallow(rng: random.Random) -> Blueprint:
    """Draw a perceptron with few inputs and at most one hidden layer."""
    return stacked(rng.choice((1, 2)), *rng.choice(((), (4,))), rng.choice((1, 2)))(rng)


def _adversary(
    world: World, counts: torch.Tensor, generator: torch.Generator, *, easy: bool = False
) -> Network:
    """Return the trained network with the largest true error minus training error.

    On an easy world return the one with the fewest training errors, because there the two errors differ little.
    """
    blueprint, m = world.blueprint, float(counts.sum())
    zeros = {
        f"{name}.weight": torch.zeros(shape).double() for name, shape in blueprint.kernel_shapes().items()
    }
    zeros |= {
        f"{name}.bias": torch.zeros(shape[0]).double()
        for name, shape in blueprint.kernel_shapes().items()
        if blueprint.steps[blueprint.layers[name] - 1].get("bias")
    }
    leaves = {
        name: torch.randn(CANDIDATES, *value.shape, generator=generator, dtype=torch.float64).requires_grad_()
        for name, value in zeros.items()
    }
    architecture = Architecture(blueprint.network(zeros))
    by_index = {
        index: (leaves[f"{layer.name}.weight"], leaves.get(f"{layer.name}.bias"))
        for index, layer in architecture.layers.items()
    }
    classes, x = world.labels.shape[1], world.points.flatten(1)
    optimizer = Adam(list(leaves.values()))
    for _ in range(EASY_STEPS if easy else STEPS):
        outputs = architecture.with_weights(by_index).outputs(x)
        outputs = torch.cat([-outputs, outputs], 2) if outputs.shape[2] == 1 else outputs
        (-(outputs.log_softmax(2) * counts / m).sum()).backward()
        optimizer.step(0.1)
    with torch.no_grad():
        wrong = _misclassified(architecture.with_weights(by_index).outputs(x), classes)
        excess = (wrong * (world.labels / len(x) - counts / m)).sum((1, 2))
        chosen = int((wrong * counts).sum((1, 2)).argmin() if easy else excess.argmax())
    return blueprint.network({name: leaf.detach()[chosen] for name, leaf in leaves.items()})


@dataclass(frozen=True)
class Compared:
    """Comparison of a bound on the error with the true error.

    Attributes:
        exceeded: whether the true error is above the bound.
        is_nonvacuous: whether the bound is below 1; otherwise no error could exceed it.
    """

    exceeded: bool
    is_nonvacuous: bool


def compared(bound: Bound, trained: Trained) -> Compared | None:
    """Compare the true error with the bound on it; None if the bound does not cover the network."""
    result = evaluate(bound, trained.problem)
    if result.risk is None:
        return None
    coded = result.risk.coded
    network = trained.problem.network if coded is None else coded.network
    log_value = result.risk.log_value
    exceeded = bool(torch.tensor(log_value).exp() < trained.world.error(network) - 1e-12)
    return Compared(exceeded, log_value < 0)


def worst_codeword(seed: int, trial: int) -> Compared:
    """Compare the worst codeword of a small class with its certificate.

    Each of 2^CODEWORD_BITS predictors errs on an iid sample with one known probability, independently of the
    others; each has a codeword of CODEWORD_BITS bits.
    """
    rng = random.Random(seed_of("codewords", seed, trial))
    error, m = rng.choice((0.05, 0.2, 0.5)), CODEWORD_SAMPLES
    generator = torch.Generator().manual_seed(seed_of("words", seed, trial))
    errors = (torch.rand(2**CODEWORD_BITS, m, generator=generator) < error).sum(1)
    found = certificate(int(errors.min()), m, CODEWORD_BITS, DELTA)
    return Compared(found < error, found < 1)

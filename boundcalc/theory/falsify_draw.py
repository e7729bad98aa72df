"""Draw the case of one trial from a seed: a small network, a sample, labels, a reference and a margin.

The first trials are edge cases in a fixed order; all later cases are random.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from boundcalc.bounds.bound_inputs import BoundInputs, BoundSettings, chain_of
from boundcalc.empirical.energies import Energies, SecondMoments, declared
from boundcalc.empirical.measure import margins_of
from boundcalc.empirical.patches import PatchNorms
from boundcalc.network.forward import run
from boundcalc.norms.rounding import up_all
from boundcalc.theory.falsify_blueprint import Blueprint, Drafter

SAMPLES = (1, 2, 3, 5, 8, 13)
DATA = ("gaussian", "uniform", "one-hot", "disjoint", "repeated", "signs", "declared")


@dataclass(frozen=True, eq=False)
class Case:
    """A network and a sample.

    Attributes:
        blueprint: the architecture.
        weights: weights and biases of the drawn network; pruned weights are 0.
        x: samples, (m, channels, height, width) float64.
        y: labels, (m,) int64.
        gamma: margin at which a loss class is attacked.
        reference: weights that distances are measured from; empty for zero.
        data: keyword for how the sample was drawn.
        input_bound: B if the energies are the declared worst case |x| <= B; None if they are measured.
    """

    blueprint: Blueprint
    weights: Mapping[str, torch.Tensor]
    x: torch.Tensor
    y: torch.Tensor
    gamma: float
    reference: Mapping[str, torch.Tensor] = field(default_factory=dict)
    data: str = "given"
    input_bound: float | None = None

    @property
    def words(self) -> str:
        """A description of the case in words."""
        share = sum(int((w != 0).sum()) for w in self._kernels()) / sum(w.numel() for w in self._kernels())
        start = ", around a reference" if self.reference else ""
        return f"{self.blueprint.words}; {share:.0%} of weights; m {len(self.x)} {self.data}{start}"

    def _kernels(self) -> list[torch.Tensor]:
        return [weight for name, weight in self.weights.items() if name.endswith(".weight")]

    def problem(self) -> BoundInputs:
        """Return the inputs of the bounds."""
        network = self.blueprint.network(self.weights)
        patches = PatchNorms(network)
        with torch.no_grad():
            margins = margins_of(run(network, self.x, patches), self.y).sort().values
        settings = BoundSettings(margin=self.gamma, passes=0)
        return BoundInputs(
            network, self.energies(), margins, settings, dict(self.reference), chain_of(network, spectral=True),
            patches.norms(),
        )  # fmt: skip

    def energies(self) -> Energies:
        """Return the measured or the declared energies of the sample."""
        m = len(self.x)
        if self.input_bound is not None:
            return declared(m, self.input_bound, self.blueprint.shape)
        moments = SecondMoments(self.blueprint.shape, 1)
        moments.add(self.x, torch.zeros(m, dtype=torch.int64))
        energy = up_all(self.x.square().sum(0), m)
        return Energies(m, energy, float(self.x.abs().max()), gram=moments.gram())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "blueprint": self.blueprint.to_dict(),
            "weights": {name: value.tolist() for name, value in self.weights.items()},
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "gamma": self.gamma,
            "reference": {name: value.tolist() for name, value in self.reference.items()},
            "data": self.data,
            "input_bound": self.input_bound,
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Case:
        """Rebuild a case from the result of `to_dict`."""

        def tensors(values: Mapping[str, Any]) -> dict[str, torch.Tensor]:
            return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}

        return cls(
            Blueprint.of(plain["blueprint"]), tensors(plain["weights"]),
            torch.tensor(plain["x"], dtype=torch.float64), torch.tensor(plain["y"], dtype=torch.int64),
            float(plain["gamma"]), tensors(plain["reference"]), str(plain["data"]), plain["input_bound"],
        )  # fmt: skip


def seed_of(*parts: int | str) -> int:
    """Return a seed that depends only on these parts, and not on the process."""
    return random.Random(":".join(map(str, parts))).getrandbits(63)


def draw(seed: int, trial: int) -> Case:
    """Return the case of one trial.

    Args:
        seed: seed of the whole search.
        trial: number of the trial, from 0; the first `len(EDGES)` trials are edge cases.
    """
    rng = random.Random(seed_of("case", seed, trial))
    edge = EDGES[trial] if trial < len(EDGES) else None
    families = GRAPHS if trial % 4 == 3 and not edge else FAMILIES
    if trial >= SETTLED and trial % 4 == 1:
        families = (grouped,)
    blueprint = edge[0](rng) if edge else rng.choice(families)(rng)
    data = edge[1] if edge else rng.choice(DATA)
    m = edge[2] if edge else rng.choice(SAMPLES)
    generator = torch.Generator().manual_seed(seed_of("weights", seed, trial))
    density = 1.0 if edge or rng.random() < 0.5 else rng.choice((0.3, 0.6, 0.8))
    weights = drawn_weights(blueprint, generator, density)
    x = drawn_data(data, m, blueprint.shape, generator)
    classes = max(2, blueprint.value_shapes()[-1][0])
    y = torch.randint(0, classes, (m,), generator=generator)
    gamma = 10.0 ** rng.uniform(-2.0, 1.0)
    case = Case(blueprint, weights, x, y, gamma, data=data, input_bound=1.0 if data == "declared" else None)
    if not edge and rng.random() < 0.3 and not _biased(blueprint):
        case = replace(case, reference=drawn_weights(blueprint, generator, 1.0))
    return case


def _biased(blueprint: Blueprint) -> bool:
    return any(step.get("bias") for step in blueprint.steps)


def drawn_weights(
    blueprint: Blueprint, generator: torch.Generator, density: float
) -> dict[str, torch.Tensor]:
    """Draw weights, each kept with probability `density` and at least one per layer, and unpruned biases."""
    weights = {}
    for name, shape in blueprint.kernel_shapes().items():
        weight = torch.randn(shape, generator=generator, dtype=torch.float64)
        kept = torch.rand(shape, generator=generator) < density
        kept.view(-1)[int(torch.randint(0, kept.numel(), (), generator=generator))] = True
        weights[f"{name}.weight"] = weight * kept
        if blueprint.steps[blueprint.layers[name] - 1].get("bias"):
            weights[f"{name}.bias"] = 0.3 * torch.randn(shape[0], generator=generator, dtype=torch.float64)
    return weights


def drawn_data(kind: str, m: int, shape: tuple[int, int, int], generator: torch.Generator) -> torch.Tensor:
    """Draw m samples of one of the kinds in `DATA`, (m, channels, height, width) float64."""
    size = shape[0] * shape[1] * shape[2]
    match kind:
        case "uniform":
            x = torch.rand(m, size, generator=generator, dtype=torch.float64)
        case "one-hot":
            x = torch.eye(size, dtype=torch.float64)[torch.arange(m) % size]
        case "disjoint":
            x = (torch.arange(size)[None] % m == torch.arange(m)[:, None]).double()
        case "repeated":
            x = torch.randn(1, size, generator=generator, dtype=torch.float64).repeat(m, 1)
        case "signs" | "declared":
            x = torch.randint(0, 2, (m, size), generator=generator).double() * 2 - 1
        case _:
            x = torch.randn(m, size, generator=generator, dtype=torch.float64)
    return x.reshape(m, *shape)


# ---------------------------------------------------------------------------------------- architectures

Family = Callable[[random.Random], Blueprint]


def perceptron(rng: random.Random) -> Blueprint:
    """Draw a multilayer perceptron: linear layers with ReLUs between them."""
    draft, at = Drafter((rng.choice((1, 2, 4, 8)), 1, 1)), 0
    bias = rng.random() < 0.3
    for _ in range(rng.randint(0, 3)):
        at = draft.relu(draft.linear(at, rng.choice((1, 2, 4, 6)), bias=bias))
    draft.linear(at, rng.choice((1, 1, 2, 3, 10)), bias=bias)
    return draft.blueprint()


def convolutional(rng: random.Random) -> Blueprint:
    """Draw a convolutional network: convolutions with or without stride and padding, then a linear layer."""
    side = rng.choice((3, 4, 5))
    draft, at = Drafter((rng.choice((1, 2)), side, side)), 0
    bias = rng.random() < 0.3
    for _ in range(rng.randint(1, 2)):
        kernel, padding = rng.choice(((1, 0), (2, 0), (3, 1)))
        stride = rng.choice((1, 1, 2))
        conv = draft.conv(at, rng.choice((1, 2, 4)), kernel, stride=stride, padding=padding, bias=bias)
        if min(draft.blueprint().value_shapes()[-1][1:]) < 2:
            at = draft.relu(conv)
            break
        at = draft.relu(conv)
    draft.linear(at, rng.choice((1, 1, 2, 5)), bias=bias)
    return draft.blueprint()


def pooled(rng: random.Random) -> Blueprint:
    """Draw a network of a convolution, a pooling and a linear layer."""
    draft = Drafter((rng.choice((1, 2)), 4, 4))
    conv = draft.conv(0, rng.choice((1, 3)), rng.choice((1, 3)), padding=1, bias=rng.random() < 0.3)
    at = draft.pool(draft.relu(conv), rng.choice(("avg", "max")), 2, stride=rng.choice((1, 2)))
    draft.linear(at, rng.choice((1, 2, 4)))
    return draft.blueprint()


def residual(rng: random.Random) -> Blueprint:
    """Draw a residual network of linear layers; each block adds an identity or a projection before the ReLU."""
    draft, width = Drafter((rng.choice((2, 4, 8)), 1, 1)), rng.choice((1, 3, 6))
    at = draft.relu(draft.linear(0, width))
    for _ in range(rng.randint(1, 2)):
        inner = draft.linear(draft.relu(draft.linear(at, rng.choice((2, width)))), width)
        skip = at if rng.random() < 0.6 else draft.linear(at, width)
        at = draft.relu(draft.add(inner, skip))
    draft.linear(at, rng.choice((1, 3)))
    return draft.blueprint()


def pixelwise(side: int, outputs: int) -> Family:
    """Return a family of networks: a 1x1 convolution of one channel, then a linear layer of large fan-in."""

    def make(rng: random.Random) -> Blueprint:
        draft = Drafter((1, side, side))
        draft.linear(draft.relu(draft.conv(0, 1, 1)), outputs)
        return draft.blueprint()

    return make


def stacked(*sizes: int) -> Family:
    """Return a family with one member: the multilayer perceptron of these sizes."""

    def make(rng: random.Random) -> Blueprint:
        draft, at = Drafter((sizes[0], 1, 1)), 0
        for size in sizes[1:-1]:
            at = draft.relu(draft.linear(at, size))
        draft.linear(at, sizes[-1])
        return draft.blueprint()

    return make


def residual_image(rng: random.Random) -> Blueprint:
    """Build a network with one convolutional residual block."""
    draft = Drafter((1, 3, 3))
    stem = draft.relu(draft.conv(0, 2, 3, padding=1))
    inner = draft.conv(draft.relu(draft.conv(stem, 2, 3, padding=1)), 2, 1)
    draft.linear(draft.relu(draft.add(inner, stem)), 2)
    return draft.blueprint()


def dense_block(rng: random.Random) -> Blueprint:
    """Draw a dense block: a value concatenated with its convolution, then a diagonal layer, a ReLU and a linear layer."""
    draft, width = Drafter((rng.choice((1, 2)), 3, 3)), rng.choice((1, 2))
    at = draft.relu(draft.conv(0, width, rng.choice((1, 3)), padding=1))
    at = draft.concat(at, draft.conv(at, 2, 3, padding=1))
    at = draft.relu(_diagonal(draft, at, rng, width + 2))
    draft.linear(draft.pool(at, "max", 2, stride=1) if rng.random() < 0.5 else at, rng.choice((1, 2, 4)))
    return draft.blueprint()


def pre_activation(rng: random.Random) -> Blueprint:
    """Draw a pre-activation residual network, with a diagonal layer and a ReLU before each layer."""
    draft, width = Drafter((rng.choice((2, 4)), 1, 1)), rng.choice((1, 3))
    stem = draft.linear(0, width)
    inner = draft.linear(draft.relu(_diagonal(draft, stem, rng, width)), width)
    at = draft.relu(_diagonal(draft, draft.add(stem, inner), rng, width))
    draft.linear(at, rng.choice((1, 3)))
    return draft.blueprint()


def averaged(rng: random.Random) -> Blueprint:
    """Draw a network whose outputs are spatial averages of feature maps, or of their ReLUs."""
    draft = Drafter((rng.choice((1, 2)), 2, 2))
    at = draft.conv(draft.relu(draft.conv(0, 3, rng.choice((1, 2)), padding=1)), rng.choice((1, 3)), 1)
    at = draft.relu(at) if rng.random() < 0.5 else at
    draft.pool(at, "avg", draft.blueprint().value_shapes()[-1][1])
    return draft.blueprint()


def leaky(rng: random.Random) -> Blueprint:
    """Draw a multilayer perceptron with leaky ReLUs."""
    draft, at = Drafter((rng.choice((1, 2, 4)), 1, 1)), 0
    for _ in range(rng.randint(1, 2)):
        at = draft.leaky(
            draft.linear(at, rng.choice((1, 3)), bias=rng.random() < 0.3), rng.choice((0.0, 0.1, 0.5))
        )
    draft.linear(at, rng.choice((1, 2, 3)))
    return draft.blueprint()


def clamped(rng: random.Random) -> Blueprint:
    """Draw linear layers with clamps between them, written as ReLUs, with or without a residual sum (a small block of ReLU6)."""
    draft, width = Drafter((rng.choice((1, 2, 4)), 1, 1)), rng.choice((1, 3))
    stem = _clamp(draft, draft.linear(0, width, bias=rng.random() < 0.5), width, rng)
    at = draft.linear(_clamp(draft, draft.linear(stem, width), width, rng), width)
    draft.linear(draft.add(at, stem) if rng.random() < 0.5 else at, rng.choice((1, 2)))
    return draft.blueprint()


def grouped(rng: random.Random) -> Blueprint:
    """Draw two grouped or circular convolutions and a linear layer."""
    groups, side = rng.choice((1, 2)), rng.choice((3, 4))
    draft = Drafter((groups * rng.choice((1, 2)), side, side))
    circular = groups == 1 or rng.random() < 0.5
    first = draft.conv(0, 2 * groups, 3, padding=1, groups=groups, circular=circular, bias=rng.random() < 0.3)
    stride = 1 if circular else rng.choice((1, 2))
    at = draft.conv(draft.relu(first), groups, 3, stride=stride, padding=1, groups=groups, circular=circular)
    draft.linear(draft.relu(at), rng.choice((1, 2)))
    return draft.blueprint()


def branched(rng: random.Random) -> Blueprint:
    """Draw a network with two concatenated branches, one of them a max pooling."""
    draft = Drafter((1, 3, 3))
    at = draft.relu(draft.conv(0, 2, 1))
    parts = draft.relu(draft.conv(at, 1, 2)), draft.pool(at, "max", 2, stride=1)
    draft.linear(draft.concat(*parts), rng.choice((1, 2)))
    return draft.blueprint()


def _diagonal(draft: Drafter, at: int, rng: random.Random, channels: int) -> int:
    shifts = [rng.choice((0.0, rng.gauss(0.0, 0.3))) for _ in range(channels)]
    return draft.diagonal(at, [rng.gauss(0.0, 1.0) for _ in range(channels)], shifts)


def _clamp(draft: Drafter, at: int, channels: int, rng: random.Random) -> int:
    high = rng.choice((0.1, 1.0, 6.0))
    for scale, shift in ((-1.0, high), (-1.0, high)):
        at = draft.diagonal(draft.relu(at), [scale] * channels, [shift] * channels)
    return at


GRAPHS: tuple[Family, ...] = (dense_block, pre_activation, averaged, leaky, branched, clamped)
"""The families of which one is drawn in every fourth trial."""

SETTLED = 60
"""From this trial on every fourth draws grouped or circular convolutions; those before it stay the ones of the published page."""

FAMILIES: tuple[Family, ...] = (perceptron, convolutional, pooled, residual, residual_image)

EDGES: tuple[tuple[Family, str, int], ...] = (
    (stacked(1, 1), "gaussian", 1),
    (stacked(4, 8), "gaussian", 1),
    (stacked(4, 8), "repeated", 5),
    (stacked(6, 1), "one-hot", 6),
    (stacked(3, 16), "gaussian", 8),
    (pixelwise(8, 1), "disjoint", 8),
    (pixelwise(8, 4), "uniform", 13),
    (pixelwise(4, 1), "declared", 5),
    (stacked(2, 1, 16), "gaussian", 3),
    (stacked(1, 1, 1, 1), "repeated", 8),
    (stacked(8, 8, 1), "one-hot", 8),
    (stacked(1, 2, 1), "signs", 2),
    (stacked(64, 2, 1), "signs", 13),
    (residual_image, "one-hot", 8),
    (pooled, "one-hot", 13),
)

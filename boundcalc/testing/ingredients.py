"""Recompute the intermediate numbers of an evaluation from weights, energies and the choices that the evaluation made.

A symbolic form is filled with recorded numbers, so that a wrong one would be wrong on both sides of the comparison. Here
the size of the network is measured on explicit matrices (`boundcalc.bounds.classes`), and the second moments of
`boundcalc.rademacher.second_moment` are minimized over lambda and s directly from their formulas, over sets of inputs that
are enumerated node by node.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.candidates import Architecture
from boundcalc.bounds.classes import NormBalls, Scale, parts_of
from boundcalc.bounds.distances import weight_minus_init
from boundcalc.bounds.margin_networks import with_layer_at_end
from boundcalc.bounds.outcome import ClassComplexity, Formula, LossComplexity, NormComplexity
from boundcalc.network.chain import ToeplitzLayer
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, LeakyReLU, MaxPool, Node, ReLU
from boundcalc.testing.toeplitz import matrix_of
from boundcalc.theory.forms.gouk2021 import Z
from boundcalc.theory.symbolic import Evaluation, Filled
from boundcalc.theory.symbolic_interval import log_middle

STEP = math.log(1.5)
SEARCHED = 1e-3
"""Amount by which the result of the coarse search for lambda and s may exceed the minimum."""
ROUNDED = 1e-9
LEAST = 1e-6
SINGLE = ("golowich2018_1inf", "neyshabur2015_1inf", "gouk2021_1inf")
"""Bounds whose sets of inputs are single coordinates."""


@dataclass(frozen=True)
class Moment:
    """Logs of z, of z with one step less, and of w, the largest root of a sum of squares that a unit attains."""

    z: float
    top: float
    width: float


def check_ingredients(evaluation: Evaluation, filled: Filled) -> None:
    """Check the sizes, norms and moments that an evaluation recorded.

    Args:
        evaluation: evaluation of a bound by norms; the other bounds record nothing that is checked.
        filled: numbers of its symbolic form.

    Raises:
        AssertionError: a recorded logarithm is below the true one, or exceeds it by more than the tolerance of its search.
    """
    name = evaluation.bound.name
    for what, found, true, room in (*_sizes(evaluation), *_moments(evaluation, filled)):
        told = f"{name}: {what}: log {found!r} recorded, {true!r} computed anew"
        assert found >= true - ROUNDED, f"{told}, which is more"
        assert found <= true + room, f"{told}, which is less"


Compared = tuple[str, float, float, float]
"""Name of a number, its recorded and its true logarithm, and by how much the recorded one may be larger."""


def _sizes(evaluation: Evaluation) -> Iterator[Compared]:
    """Yield rho or the norms of the layers; with pooling or repeated taps the recorded norms are only upper bounds.

    Nothing is yielded if a layer has only very small weights, because the class norms are smoothed at 0 and lose digits there.
    """
    if any(float(layer.weight.abs().max()) < LEAST for layer in evaluation.problem.network.layers()):
        return
    outcome, hypotheses, problem = evaluation.outcome, evaluation.bound.hypotheses, evaluation.problem
    if isinstance(hypotheses, Scale) and isinstance(outcome, NormComplexity) and outcome.log_rho > -math.inf:
        network = (
            with_layer_at_end(problem.network) if evaluation.bound.name == "peeling" else problem.network
        )
        own = float(hypotheses.log_number(Architecture(network).own(), outcome.terms)[0])
        yield "rho", outcome.log_rho, own, ROUNDED if _is_plain(network) else math.inf
    if (
        isinstance(hypotheses, Scale)
        and isinstance(outcome, Formula)
        and None not in outcome.terms["norms"].values()
    ):
        found = math.fsum(map(math.log, outcome.terms["norms"].values()))
        own = float(hypotheses.log_number(Architecture(problem.network).own(), outcome.terms)[0])
        yield "product of norms", found, own, ROUNDED
    if evaluation.bound.name == "longsedghi2020":
        for link in problem.toeplitz().links:
            true = torch.linalg.matrix_norm(matrix_of(link, weight_minus_init(problem, link.layer)), ord=2)
            yield (
                f"distance.{link.layer.name}",
                math.log(outcome.terms["distances"][link.layer.name]),
                float(true.log()),
                1.0,
            )
    if isinstance(hypotheses, NormBalls) and isinstance(outcome, LossComplexity | ClassComplexity):
        yield from _norms(hypotheses, outcome, problem)


def _norms(
    hypotheses: NormBalls, outcome: LossComplexity | ClassComplexity, problem: BoundInputs
) -> Iterator[Compared]:
    architecture = Architecture(problem.network)
    own = architecture.own()
    moved = architecture.with_weights({
        index: (weight_minus_init(problem, layer)[None], own.kernels[index][1])
        for index, layer in architecture.layers.items()
    })  # fmt: skip
    constant = outcome.terms.get("constant") or 1.0
    for part, less in zip(parts_of(own, constant), parts_of(moved, constant), strict=True):
        for kind, norm in hypotheses.norms.items():
            found = outcome.numbers.get(f"{kind}.{part.link.layer.name}")
            pooled = (
                kind == "distance" and part.link.pools
            )  # of a kernel, times the norm of the pooling before it
            if found is None or found == -math.inf or pooled or (kind == "shift" and problem.reference):
                continue
            true = float(norm(less if kind == "distance" and hypotheses.reference else part).log())
            exact = not part.link.pools and kind != "spectral" and _is_plain(problem.network)
            yield f"{kind}.{part.link.layer.name}", found, true, ROUNDED if exact else math.inf


def _is_plain(network: Network) -> bool:
    """Return whether the size of each layer equals that of its matrix: no pooling, and no sum of branches."""
    return all(isinstance(node, Affine | ReLU) for node in network.nodes[1:]) and not any(
        layer.circular for layer in network.layers()
    )


# ---------------------------------------------------------------------------------------- moments


def _moments(evaluation: Evaluation, filled: Filled) -> Iterator[Compared]:
    """Yield the recorded and the true moments of the bounds of kind F."""
    terms, problem, name = evaluation.outcome.terms, evaluation.problem, evaluation.bound.name
    if name == "peeling" and terms["log_moments"]["z"] is not None:
        yield from _of_peeling(evaluation)
    elif name == "path_norm" and terms["log_moment"] is not None:
        sets = _coordinates(problem, terms["constant"])
        k = _relu_factor(problem.network.nodes, terms["log_relu_factor"]) + math.log(problem.network.outputs)
        yield "second moment", terms["log_moment"], root_second_moment(sets, k), SEARCHED
    elif name.startswith(("golowich2018", "neyshabur2015")) and terms["log_sum"] is not None:
        yield "largest sum of signs", terms["log_sum"], _sum_of_signs(evaluation), SEARCHED
    elif name.startswith("gouk2021"):
        layers = [index for index, node in enumerate(problem.network.nodes) if isinstance(node, Affine)]
        for place, index in enumerate(layers, start=1):
            k = _relu_factor(problem.network.nodes[:index], -math.inf)
            if k > -math.inf:
                k += math.log(problem.network.outputs) if place == len(layers) else 0.0
                yield (
                    f"Z[{place}]",
                    log_middle(filled.values[Z[place]]),
                    _whole(problem, None, k, name in SINGLE),
                    SEARCHED,
                )


def _sum_of_signs(evaluation: Evaluation) -> float:
    """Return log(m R_S(F)) at size 1, for the bounds by norms of Toeplitz matrices."""
    terms, problem, name = evaluation.outcome.terms, evaluation.problem, evaluation.bound.name
    network, t = problem.network, terms["constant"]
    k = _relu_factor(network.nodes, terms["log_factor"])
    if name in SINGLE:
        z = (
            _whole(problem, t, k, single=True)
            if name.startswith("golowich")
            else k + _whole(problem, t, 0.0, single=True)
        )
        return math.log(network.outputs) + z
    energy, constant = problem.energies.frobenius_squared, problem.energies.m * (t or 0.0) ** 2
    largest = energy if problem.energies.spectrum is None else problem.energies.spectrum[0]
    free = STEP if terms["contractions"] and k <= STEP * terms["contractions"] + ROUNDED else 0.0
    z, top = (
        _whole(problem, t, each, single=False)
        if name.startswith("golowich")
        else 0.5 * (each + math.log(energy + constant))
        for each in (k, k - free)
    )
    return _over_outputs(network.outputs, Moment(z, top, 0.5 * math.log(max(largest, constant))))


def _whole(problem: BoundInputs, t: float | None, k: float, single: bool) -> float:
    """Return log z over the whole input, or over single coordinates, plus the constant unit if there is one."""
    if single:
        return root_second_moment(_coordinates(problem, t), k)
    energies = problem.energies
    constant = [] if t is None else [energies.m * t**2]
    found = root_second_moment([energies.frobenius_squared, *constant], k)
    if energies.spectrum is None:
        return found
    return min(
        found, _by_directions([np.array(energies.spectrum), *map(np.array, zip(constant, strict=True))], k)
    )


def _over_outputs(classes: int, z: Moment) -> float:
    """Return log min(sqrt(C) z, sqrt(pi/2) (sqrt(C) w + z_top))."""
    chevet = math.sqrt(math.pi / 2) * (math.sqrt(classes) * math.exp(z.width - z.z) + math.exp(z.top - z.z))
    return z.z + math.log(min(math.sqrt(classes), chevet))


def _of_peeling(evaluation: Evaluation) -> Iterator[Compared]:
    """Yield z, z_top and w of the family of input sets with the smallest complexity."""
    terms, problem = evaluation.outcome.terms, evaluation.problem
    network, moments = problem.network, terms["log_moments"]
    k, classes = _relu_factor(network.nodes, terms["log_relu_factor"]), network.outputs
    free = STEP if moments["z_top"] < moments["z"] - 1e-6 else 0.0
    ended = with_layer_at_end(network)
    biased = any(_fed(layer, evaluation).any() for layer in ended.layers())
    constant = problem.energies.m * terms["constant"] ** 2 * biased
    coordinate, gram = problem.energies.coordinate.flatten().numpy(), problem.energies.gram
    found = []
    for sets in _families(ended, evaluation):
        energies = [float(row @ coordinate) + flag * constant for row, flag in sets]
        spectra = None if gram is None else [_spectrum(gram.matrix.numpy(), *each, constant) for each in sets]

        def moment(
            step: float, sizes: list[float] = energies, rows: list[np.ndarray] | None = spectra
        ) -> float:
            plain = root_second_moment(sizes, step)
            return plain if rows is None else min(plain, _by_directions(rows, step))

        if terms["output_norm"] == "l1":
            z = moment(k + math.log(classes))
            found.append(Moment(z, z, math.inf))
            continue
        width = max(energies) if spectra is None else max(float(each.max()) for each in spectra)
        found.append(Moment(moment(k), moment(k - free), 0.5 * math.log(width)))
    units = terms["output_norm"] == "l1 over units"
    best = min(found, key=lambda each: _over_outputs(classes, each) if units else each.z)
    yield "z", moments["z"], best.z, SEARCHED
    yield "z_top", moments["z_top"], best.top, SEARCHED
    if units and moments["w"] is not None:
        yield "w", moments["w"], best.width, SEARCHED


_Set = tuple[np.ndarray, bool]
"""Which inputs a set holds, (inputs,) bool, and whether the constant belongs to it."""


def _spectrum(gram: np.ndarray, row: np.ndarray, flag: bool, constant: float) -> np.ndarray:
    """Return the squared singular values of the sample on a set of inputs; the constant's energy is added to the largest."""
    values = np.append(np.linalg.eigvalsh(gram[row][:, row]), 0.0).clip(min=0.0)
    values[values.argmax()] += flag * constant
    return values


def _families(network: Network, evaluation: Evaluation) -> Iterator[list[_Set]]:
    """Yield three families of input sets: one set per node, one per position, and the set of all inputs."""
    terms = evaluation.outcome.terms
    layers = [layer for layer in network.layers() if layer.inputs[0] == 0]
    nodes: list[_Set] = []
    positions: list[_Set] = []
    everything = np.zeros(network.inputs, bool)
    joined, held = False, False
    for layer in layers:
        links = (layer.weight != 0).double() if _is_masked(evaluation) else torch.ones_like(layer.weight)
        read = (matrix_of(ToeplitzLayer(layer, ()), links) != 0).numpy()
        used = read.reshape(layer.shape[0], -1, network.inputs)
        everything |= read.any(0)
        if terms["norms"][layer.name] == "l1":
            alone = [(row, False) for row in np.eye(network.inputs, dtype=bool)[read.any(0)]]
            nodes, positions = nodes + alone, positions + alone
            continue
        size, flags = terms["split"][layer.name], _fed(layer, evaluation)
        kinds: dict[tuple[bytes, bool], np.ndarray] = {}
        for i in range(0, layer.shape[0], size):
            together = np.asarray(used[i : i + size].any(0))
            kinds[together.tobytes(), bool(flags[i : i + size].any())] = together
        for (_, flag), each in kinds.items():
            nodes += [(row, flag) for row in each]
            held |= flag
        positions += [(row, bool(flags.any())) for row in np.asarray(used.any(0))]
        joined = True
    lonely = [] if held else [(np.zeros(network.inputs, bool), True)]
    yield [*nodes, *lonely]
    if joined:
        yield [*positions, *lonely]
    yield [(everything, True)]


def _is_masked(evaluation: Evaluation) -> bool:
    return (
        evaluation.outcome.terms["structure"] == "masked"
        and evaluation.problem.settings.mask_origin == "data"
    )


def _fed(layer: Affine, evaluation: Evaluation) -> np.ndarray:
    """Return which outputs of a layer count as having a bias."""
    if layer.bias is None:
        return np.zeros(layer.shape[0], bool)
    return (layer.bias != 0).numpy() if _is_masked(evaluation) else np.ones(layer.shape[0], bool)


def _coordinates(problem: BoundInputs, t: float | None) -> list[float]:
    """Return the energy of every coordinate, and of the constant unit if there is one."""
    energies = problem.energies
    return [*energies.coordinate.flatten().tolist(), *([] if t is None else [energies.m * t**2])]


def _relu_factor(nodes: Sequence[Node], recorded: float) -> float:
    """Return log(3/2) per ReLU on the longest path, or the recorded value if other contractions or skips of raw
    inputs occur.
    """
    raw = {0}
    for index, node in enumerate(nodes[1:], start=1):
        if isinstance(node, MaxPool | LeakyReLU):
            return recorded
        if not isinstance(node, ReLU) and raw & set(node.inputs):
            if not raw.issuperset(node.inputs):
                return recorded
            raw.add(index)

    def relus(index: int) -> int:
        node = nodes[index]
        return isinstance(node, ReLU) + max(map(relus, node.inputs), default=0)

    return STEP * relus(len(nodes) - 1)


def root_second_moment(energies: Sequence[float], k: float) -> float:
    """Return form A: log inf_lambda (1/lambda) arccosh(1 + e^K sum_S [exp(lambda^2 E_S / 2) - 1]).

    Args:
        energies: energies E_S of the sets.
        k: exponent K.
    """
    known = np.array([energy for energy in energies if energy > 0])
    shares = known / known.max()

    def at(log_lambda: float) -> float:
        total = np.expm1(0.5 * math.exp(2 * log_lambda) * shares).sum()
        return float(np.log(np.arccosh(1 + math.exp(k) * total))) - log_lambda

    at_zero = 0.5 * (k + math.log(shares.sum()))
    return 0.5 * math.log(known.max()) + min(
        at_zero, minimize_scalar(at, bounds=(-6.0, 3.0), method="bounded").fun
    )


def _by_directions(spectra: Sequence[np.ndarray], k: float) -> float:
    """Return form B: log inf_s [(1/s) log(1 + e^K sum_S [prod_k (1 - 2 s sigma_k^2)^(-1/2) - 1])]^(1/2)."""
    top = max(float(each.max()) for each in spectra)

    def at(logit: float) -> float:
        s = 0.5 / (1 + math.exp(-logit))
        total = sum(math.expm1(-0.5 * np.log1p(-2 * s * each / top).sum()) for each in spectra)
        return math.log(math.log1p(math.exp(k) * total) / s)

    return 0.5 * (math.log(top) + minimize_scalar(at, bounds=(-8.0, 12.0), method="bounded").fun)

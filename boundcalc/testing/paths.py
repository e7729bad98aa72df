"""The published peeling theorem for a multilayer perceptron in exact arithmetic: nodes, predecessors and paths."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import mpmath
from mpmath import iv

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.peeling import dense_structure, masked_structure, positions_for, search_published
from boundcalc.bounds.peeling.kernels import Choice, Kernels, KernelStructure
from boundcalc.bounds.peeling.theorem import PeelingResult
from boundcalc.network.ops import Affine
from boundcalc.theory.symbolic_interval import Interval, exact, precision

ROOT = 1e-4
"""Amount that rounding log N = 0 up may add to a logarithm, through the root of 2 log N."""


@dataclass(frozen=True)
class Reached:
    """A predecessor, or a node after its predecessors are combined.

    Attributes:
        scale: norm of its weights times the scales below.
        energy: largest product of fan-ins and input energy over its paths.
        paths: number of its paths.
    """

    scale: Interval
    energy: Fraction
    paths: int


@dataclass(frozen=True)
class Theorem:
    """Ingredients and value of the theorem; the intervals have about 50 digits."""

    rho: Interval
    pairs: int
    energy: Fraction
    paths: int
    complexity: Interval


def check_peeling_paths(problem: BoundInputs, tolerance: float = 1e-9) -> None:
    """Check the published peeling bound of a multilayer perceptron against exact arithmetic, for masked and dense node graphs.

    Scales, fan-ins, energies and path counts of the split chosen by the search are recomputed with fractions and
    intervals. The printed logarithm must lie in [true, true + tolerance]; where log N = 0 and there is no hidden layer,
    in [true, true + `ROOT`].

    Raises:
        AssertionError: the printed logarithm lies outside this range.

    Source: theory of `boundcalc.bounds.peeling`.
    """
    for structure in (masked_structure("data"), dense_structure()):
        kernels = Kernels(structure, positions_for(problem.network))
        walk, t = search_published(problem, structure, kernels)
        true = theorem(problem, structure, walk.split, Fraction(t))
        found = walk.log_complexity(problem.energies.m)
        with precision():
            if true.complexity.b <= 0:
                assert found == -math.inf, f"peeling, {structure.name}: {found!r} for a network that is 0"
                continue
            low = iv.log(iv.mpf(true.complexity.a)).a
            told = _differences(walk, true)
            assert mpmath.mpf(found) >= mpmath.mpf(low), (
                f"peeling, {structure.name}: log {found!r} is below {mpmath.nstr(mpmath.mpf(low), 20)}; {told}"
            )
            hidden = len(list(problem.network.layers())) > 1
            room = tolerance if hidden or true.paths > 1 else max(tolerance, ROOT)
            assert mpmath.mpf(found) <= mpmath.mpf(low) + room, (
                f"peeling, {structure.name}: log {found!r} is above {mpmath.nstr(mpmath.mpf(low), 20)}; {told}"
            )


def _differences(walk: PeelingResult, true: Theorem) -> str:
    rho = mpmath.nstr(mpmath.mpf(true.rho.mid.a), 12)
    return (
        f"rho {math.exp(walk.log_rho):.12g} and {rho}, pairs {math.exp(walk.log_output_pairs):.6g} and {true.pairs}, "
        f"path product {math.exp(walk.log_energy):.12g} and {float(true.energy):.12g}, "
        f"paths {math.exp(walk.log_paths):.6g} and {true.paths}"
    )


def theorem(
    problem: BoundInputs, structure: KernelStructure, split: dict[str, Choice], t: Fraction
) -> Theorem:
    """Return the theorem for a chain of linear layers on vectors with a ReLU between consecutive layers.

    Args:
        problem: network and energies.
        structure: structure that determines which connections exist.
        split: node size and norm of every layer.
        t: value of the constant unit.
    """
    layers = list(problem.network.layers())
    inputs = [Fraction(value) for value in problem.energies.coordinate.flatten().tolist()]
    constant = problem.energies.m * t**2
    with precision():
        below: list[Reached | None] | None = None
        size = 1
        for layer in layers[:-1]:
            choice = split[layer.name]
            nodes = _groups(layer.shape[0], choice.group)
            found = [
                _predecessors(layer, rows, structure, below, size, choice, inputs, constant, t)
                for rows in nodes
            ]
            below, size = [_node(each, choice) for each in found], choice.group
        return _output(
            problem, layers[-1], structure, below, size, split[layers[-1].name], inputs, constant, t
        )


def _groups(channels: int, size: int) -> list[range]:
    return [range(start, min(start + size, channels)) for start in range(0, channels, size)]


def _predecessors(
    layer: Affine, rows: range, structure: KernelStructure, below: list[Reached | None] | None, size: int, choice: Choice,
    inputs: list[Fraction], constant: Fraction, t: Fraction,
) -> list[Reached]:  # fmt: skip
    weight = layer.weight.flatten(1).tolist()
    linked = structure.connections(layer).flatten(1).tolist()
    fed = structure.biases(layer)
    offsets = [] if layer.bias is None else [Fraction(float(layer.bias[row])) / t for row in rows]
    constant_scale = _norm(offsets)
    there = fed is not None and any(bool(fed[row]) for row in rows)
    used = [i for i in range(len(weight[0])) if any(linked[row][i] for row in rows)]
    if below is None and choice.norm.name == "l2":
        energy = sum((inputs[i] for i in used), constant if there else Fraction(0))
        scale = _norm([*(Fraction(weight[row][i]) for row in rows for i in used), *offsets])
        return [Reached(scale, energy, 1)] if used or there else []
    found = []
    if below is None:
        found = [Reached(_norm([Fraction(weight[row][i]) for row in rows]), inputs[i], 1) for i in used]
    else:
        for node, columns in zip(below, _groups(len(weight[0]), size), strict=True):
            if node is not None and any(i in columns for i in used):
                block = _norm([Fraction(weight[row][i]) for row in rows for i in columns])
                found.append(Reached(node.scale * block, node.energy, node.paths))
    if there:
        found.append(Reached(constant_scale, constant, 1))
    return found


def _node(found: list[Reached], choice: Choice) -> Reached | None:
    if not found:
        return None
    fan_in = len(found) if choice.norm.name == "l2" else 1
    return Reached(
        _scale([each.scale for each in found], choice),
        fan_in * max(each.energy for each in found),
        sum(each.paths for each in found),
    )


def _output(
    problem: BoundInputs, layer: Affine, structure: KernelStructure, below: list[Reached | None] | None, size: int, choice: Choice,
    inputs: list[Fraction], constant: Fraction, t: Fraction,
) -> Theorem:  # fmt: skip
    found = [
        each
        for row in range(layer.shape[0])
        for each in _predecessors(
            layer, range(row, row + 1), structure, below, size, choice, inputs, constant, t
        )
    ]
    m, outputs = problem.energies.m, layer.shape[0]
    if not found:
        return Theorem(iv.mpf(0), 0, Fraction(0), 0, iv.mpf(0))
    rho = _scale([each.scale for each in found], choice)
    energy = max(each.energy for each in found)
    pairs = len(found) if choice.norm.name == "l2" else 1
    paths, relus = sum(each.paths for each in found), len(list(problem.network.layers())) - 1
    spread = 1 + iv.sqrt(2 * (relus * iv.log(iv.mpf(2)) + iv.log(iv.mpf(paths))))
    if below is None and choice.norm.name == "l2":
        everything = _predecessors(layer, range(outputs), structure, None, 1, choice, inputs, constant, t)
        pairs, energy, spread = outputs, everything[0].energy, iv.mpf(1)
    value = rho * iv.sqrt(exact(pairs * energy)) * spread / m
    return Theorem(rho, pairs, energy, paths, value if energy > 0 else iv.mpf(0))


def _norm(values: Iterable[Fraction]) -> Interval:
    return iv.sqrt(exact(sum((value**2 for value in values), Fraction(0))))


def _scale(scales: list[Interval], choice: Choice) -> Interval:
    if choice.norm.name == "l1":
        return sum(scales, iv.mpf(0))
    return iv.sqrt(sum((scale**2 for scale in scales), iv.mpf(0)))

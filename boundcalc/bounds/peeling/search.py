"""The search for node sizes, norms and the constant t, in a grid that was fixed before the sample and is paid for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from boundcalc import progress
from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.code_lengths import CONSTANTS, descend
from boundcalc.bounds.margin_networks import is_two_classes, same_margins
from boundcalc.bounds.path_lengths import has_constant, log_factor, output_reads_rectified
from boundcalc.bounds.peeling.dynamic_program import PeelingProgram
from boundcalc.bounds.peeling.input_sets import InputSetFamily, MomentSample, families
from boundcalc.bounds.peeling.kernels import Choice, Kernels, KernelStructure, group_sizes
from boundcalc.bounds.peeling.norms import NORMS
from boundcalc.bounds.peeling.rules import PublishedRules, Rules, Setting, SharpRules
from boundcalc.bounds.peeling.state import PreActivation
from boundcalc.bounds.peeling.theorem import PeelingResult, Sharp, sharp
from boundcalc.network.network import Network
from boundcalc.network.nodes import ExactPositions, GeneralPosition, Positions
from boundcalc.norms.rounding import log_product

EXACT_WORK = 3e7
"""Largest number of connections (weights times positions) for which every position of an image is walked."""
SEARCHED_APART = 2**22
"""Largest number of weights for which the published form has its own search; above it, the split found for the sharper form is
used."""


DESCENDED = 2**22
"""Largest number of weights for which t is searched; above it, t is 1. The whole grid is paid for in both cases."""


def positions_for(network: Network) -> Positions:
    """Return exact positions if the network has few connections, otherwise one general position."""
    work = sum(
        layer.weight.numel() * layer.groups * math.prod(layer.window.out) for layer in network.layers()
    )
    return ExactPositions() if work <= EXACT_WORK else GeneralPosition()


def split_options(network: Network) -> int:
    """Return the size of the grid of the published form: node sizes of all layers but the last, norms of all layers."""
    layers = list(network.layers())
    return math.prod(len(group_sizes(layer.shape[0])) for layer in layers[:-1]) * len(NORMS) ** len(layers)


def sharp_options(network: Network) -> int:
    """Return the size of the grid of the sharper theorem.

    It has the node sizes of all layers but the last, two norms for each of those that read the input, and three norms of the output.
    """
    layers = list(network.layers())
    sizes = math.prod(len(group_sizes(layer.shape[0])) for layer in layers[:-1])
    return sizes * 2 ** sum(layer.inputs[0] == 0 for layer in layers[:-1]) * 3


def search_published(
    problem: BoundInputs,
    structure: KernelStructure,
    kernels: Kernels,
    given: tuple[dict[str, Choice], float] | None = None,
    split: dict[str, Choice] | None = None,
) -> tuple[PeelingResult, float]:
    """Return the best walk and constant t for the published form: splits by beam, t by descent along its grid.

    Args:
        problem: network and sample.
        structure: which connections exist.
        kernels: grouped kernels of the structure.
        given: split and t to take instead of searching.
        split: of another structure, to take instead of a search for splits.

    Raises:
        NotCovered: the theorem does not cover an operation.
    """
    network, positions, m = problem.network, positions_for(problem.network), problem.energies.m
    setting, rules = Setting(structure, positions, problem.energies), PublishedRules()

    def walk(t: float, fixed: dict[str, Choice] | None = None) -> PeelingResult:
        return PeelingProgram(network, setting, kernels, t, rules).best(fixed)

    if given is not None:
        return walk(given[1], given[0]), given[1]
    best = walk(1.0, split)
    if not has_constant(network) or best.log_rho == -math.inf:
        return best, 1.0
    chosen = best.split
    constant = descend(CONSTANTS, CONSTANTS.index(1.0), lambda t: walk(t, chosen).log_complexity(m))
    if constant == 1.0:
        return best, constant
    found = [walk(constant, chosen)] + ([] if split else [walk(constant)])
    return min(found, key=lambda each: each.log_complexity(m)), constant


@dataclass(frozen=True)
class PeelingSearchResult:
    """The sharper theorem for what a search found.

    Attributes:
        outputs: walk over the network itself.
        margins: walk over a network with the same margins, by whose complexity the search chose.
        sharp_outputs: theorem evaluated for `outputs`.
        sharp_margins: theorem evaluated for `margins`.
        constant: value t of the constant unit.
        log_factor: exponent K.
    """

    outputs: PeelingResult
    margins: PeelingResult
    sharp_outputs: Sharp
    sharp_margins: Sharp
    constant: float
    log_factor: float

    @property
    def log_outputs(self) -> float:
        """Log R_S of the outputs at the network's own rho."""
        return log_product([self.outputs.log_rho, self.sharp_outputs.log_outputs])

    @property
    def log_margins(self) -> float:
        """Log R_S of the margins at the network's own rho."""
        return log_product([self.margins.log_rho, self.sharp_margins.log_margins])


_Priced = tuple[float, PeelingResult, Sharp]


class SharpSearch:
    """Searches one structure of one network.

    Args:
        problem: network and sample.
        structure: which connections exist.
        kernels: grouped kernels of the structure.
    """

    def __init__(self, problem: BoundInputs, structure: KernelStructure, kernels: Kernels) -> None:
        self._problem = problem
        self._structure = structure
        self._kernels = kernels
        self._setting = Setting(structure, positions_for(problem.network), problem.energies)
        self._k = log_factor(problem.network)
        self._rules: Rules = SharpRules(self._k)
        self._top_free = output_reads_rectified(problem.network)
        self._families: dict[tuple[tuple[str, int, str], ...], list[InputSetFamily]] = {}
        self._samples = {t: MomentSample(problem.energies, t) for t in CONSTANTS}

    def run(self, given: PeelingSearchResult | None = None) -> PeelingSearchResult:
        """Return the best result of the search.

        Args:
            given: result for another structure, whose split is used instead of searching.

        Raises:
            NotCovered: the theorem does not cover an operation.
        """
        network = self._problem.network
        first = given.constant if given else 1.0
        by_mean = same_margins(network, "mean")
        start = self._best(by_mean, first, None if given is None else given.margins.split)
        walk = start[1]
        split, constant = walk.split, first
        few = network.parameters <= DESCENDED
        if has_constant(network) and walk.log_rho > -math.inf and few:
            fixed = dict(split)
            constant = descend(
                CONSTANTS, CONSTANTS.index(first), lambda t: self._best(by_mean, t, fixed, last=True)[0]
            )
        found = [start if given and constant == first else self._best(by_mean, constant, split)]
        if network.outputs > 1 and not is_two_classes(network):
            by_median = self._best(same_margins(network, "median"), constant, split)
            found.append(by_median)
        if given is None and constant != 1.0 and few:
            found.append(self._best(by_mean, constant, None))
        _, margins, sharp_margins = min(found, key=lambda each: each[0])
        outputs, sharp_outputs = self._outputs(constant, margins.split)
        return PeelingSearchResult(outputs, margins, sharp_outputs, sharp_margins, constant, self._k)

    def _best(
        self, network: Network, t: float, split: dict[str, Choice] | None, *, last: bool = False
    ) -> _Priced:
        """Return the best walk by the complexity of the margins, over all norms of the output unless `last` is given."""
        priced = [self._priced(network, walk, t) for walk in self._walks(network, t, split, last=last)]
        return min(priced, key=lambda each: each[0])

    def _outputs(self, t: float, split: dict[str, Choice]) -> tuple[PeelingResult, Sharp]:
        network = self._problem.network
        priced = [self._priced(network, walk, t)[1:] for walk in self._walks(network, t, split)]
        return min(priced, key=lambda each: log_product([each[0].log_rho, each[1].log_outputs]))

    def _walks(
        self, network: Network, t: float, split: dict[str, Choice] | None, *, last: bool = False
    ) -> list[PeelingResult]:
        progress.advance()
        rules = self._rules if split is None or last else _FreeOutput(self._k)
        return PeelingProgram(network, self._setting, self._kernels, t, rules).walks(split)

    def _priced(self, network: Network, walk: PeelingResult, t: float) -> _Priced:
        readers = [layer.name for layer in network.layers() if layer.inputs[0] == 0]
        key = tuple((name, walk.split[name].group, walk.split[name].norm.name) for name in readers)
        if key not in self._families:
            self._families[key] = families(network, self._structure, walk.split)
        theorem = sharp(
            walk, self._families[key], self._samples[t], self._k, network.outputs, top_free=self._top_free
        )
        return log_product([walk.log_rho, theorem.log_margins]), walk, theorem


class _FreeOutput(SharpRules):
    """Rules for a fixed split with every norm of the output."""

    def last(self, value: PreActivation, fixed: dict[str, Choice] | None) -> list[Choice]:
        """Return the choices that are allowed without a fixed split."""
        return super().last(value, None)

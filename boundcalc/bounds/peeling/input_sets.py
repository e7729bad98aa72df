"""The sets of inputs that a peeling ends in: which inputs a node of a first layer reads, and their energies.

Three families cover the same class: the distinct sets of the nodes, one set per position (for all channels of the layer), and one
set of all inputs that are read. Each family gives a valid bound for the class, so the smallest value is taken without paying for the
choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from boundcalc.bounds.peeling.kernels import Choice, KernelStructure
from boundcalc.empirical.energies import Energies, Gram
from boundcalc.network.network import Network
from boundcalc.network.nodes import ExactPositions, group_sum, ungrouped, window_columns
from boundcalc.network.ops import Affine, ChannelAffine
from boundcalc.norms.rounding import log_product, logsumexp, slack
from boundcalc.rademacher.margin import Moments
from boundcalc.rademacher.relu_cost import LOG_STEP
from boundcalc.rademacher.second_moment import Array, log_root_second_moment

MOST_CLASSES = 64
MOST_SETS = 2**21
"""Largest number of classes, and of sets times classes, for which energies are computed class by class."""

MOST_WORK = 2**31
"""Largest number of multiplications for computing the singular values of the sample on each set."""

_Measure = Callable[[torch.Tensor], torch.Tensor]
_Members = Callable[[], list[torch.Tensor]]


@dataclass(frozen=True, eq=False)
class InputSetFamily:
    """A family of sets of inputs that covers the class.

    Attributes:
        name: ``"nodes"``, ``"positions"`` or ``"all inputs"``.
        measure: sums of squares of the coordinates -> energies of the sets, without the constant.
        constant: whether each set contains the constant, (sets,).
        terms: largest number of inputs of a set.
        members: returns the indices of each set's inputs, (s,) int64; an input that is read twice occurs twice. None if the sets
            are single coordinates, for which the energies suffice.
    """

    name: str
    measure: _Measure
    constant: torch.Tensor
    terms: int
    members: _Members | None = None
    _spectra: dict[Gram, Array] = field(default_factory=dict)

    def log_energies(self, coordinate: torch.Tensor, constant_energy: float) -> Array:
        """Return upper bounds of the logs of the sets' energies; -inf for a set without energy."""
        energies = self.measure(coordinate) + self.constant * constant_energy
        logs = np.full(energies.numel(), -math.inf)
        values = energies.double().numpy()
        alive = values > 0
        logs[alive] = np.log(values[alive]) + slack(self.terms + 8)
        return logs

    def spectra(self, gram: Gram | None) -> Array | None:
        """Return upper bounds of the sample's squared singular values on each set, ascending, (sets, r); None if too costly."""
        if (
            gram is None
            or self.members is None
            or self.constant.numel() * min(self.terms, len(gram.matrix)) > MOST_WORK
        ):
            return None
        if gram not in self._spectra:
            sets = self.members()
            if len(sets) * max(len(members) for members in sets) ** 3 > MOST_WORK:
                return None
            self._spectra[gram] = gram.spectra(sets).numpy()
        return self._spectra[gram]


def families(network: Network, structure: KernelStructure, split: dict[str, Choice]) -> list[InputSetFamily]:
    """Return the families for the node sizes and norms of the layers that read the input.

    Args:
        network: the network.
        structure: which connections exist.
        split: layer -> node size and norm; with ``"l2"`` the inputs of a node form one set, with ``"l1"`` each input is a set.
    """
    readers = [node for node in network.layers() if node.inputs[0] == 0]
    biased = _constant_enters(network, structure)
    distinct = [_of_layer(layer, structure, split[layer.name], apart=True) for layer in readers]
    found = [_united("nodes", distinct, biased)]
    if any(split[layer.name].norm.name == "l2" for layer in readers):
        joined = [_of_layer(layer, structure, split[layer.name], apart=False) for layer in readers]
        if sum(len(each[1]) for each in joined) < sum(len(each[1]) for each in distinct):
            found.append(_united("positions", joined, biased))
    used = torch.stack([_read(layer, structure.connections(layer)) for layer in readers]).any(0)
    found.append(
        InputSetFamily(
            "all inputs", lambda energies: (energies * used).sum().reshape(1),
            torch.tensor([biased], dtype=torch.float64), network.inputs, lambda: [used.flatten().nonzero()[:, 0]],
        )
    )  # fmt: skip
    return found


def _constant_enters(network: Network, structure: KernelStructure) -> bool:
    if any(isinstance(node, ChannelAffine) for node in network.nodes):
        return True
    for layer in network.layers():
        fed = structure.biases(layer)
        if fed is not None and bool(fed.any()):
            return True
    return False


_Part = tuple[_Measure, torch.Tensor, int, _Members]


def _united(name: str, parts: list[_Part], biased: bool) -> InputSetFamily:
    constant = torch.cat([part[1] for part in parts])
    lonely = biased and not bool(constant.any())
    if lonely:
        constant = torch.cat([constant, torch.ones(1, dtype=torch.float64)])

    def measure(energies: torch.Tensor) -> torch.Tensor:
        found = [part[0](energies) for part in parts]
        return torch.cat([*found, torch.zeros(int(lonely), dtype=torch.float64)])

    def members() -> list[torch.Tensor]:
        own = [found for part in parts for found in part[3]()]
        return [*own, torch.zeros(0, dtype=torch.int64)] if lonely else own

    return InputSetFamily(name, measure, constant, max(part[2] for part in parts), members)


def _of_layer(layer: Affine, structure: KernelStructure, choice: Choice, *, apart: bool) -> _Part:
    links, fed = structure.connections(layer), structure.biases(layer)
    if choice.norm.name == "l1":
        used = _read(layer, links)
        alone = torch.zeros(int(used.sum()), dtype=torch.float64)
        return lambda energies: energies[used], alone, 1, lambda: list(used.flatten().nonzero())
    rows = ungrouped(links.double(), layer.groups)
    nodes = group_sum(rows, choice.group, 0) > 0
    bias = torch.zeros(layer.shape[0]) if fed is None else fed.double()
    flags = group_sum(bias.double(), choice.group, 0) > 0
    if not apart:
        nodes, flags = nodes.any(0, keepdim=True), flags.any().reshape(1)
    keyed = torch.cat([nodes.flatten(1), flags[:, None]], 1)
    unique = torch.unique(keyed, dim=0)
    kernel = unique[:, :-1].reshape(-1, *nodes.shape[1:]).double()
    constant = unique[:, -1].double()[:, None].expand(-1, math.prod(layer.window.out)).flatten()

    def measure(energies: torch.Tensor) -> torch.Tensor:
        return ExactPositions.total(energies, kernel, layer).flatten()

    def members() -> list[torch.Tensor]:
        shape = kernel.shape[1], layer.window.height.size, layer.window.width.size
        numbers = torch.arange(1.0, math.prod(shape) + 1, dtype=torch.float64).reshape(shape)
        read = window_columns(numbers, layer).long().T
        inside = [columns[links] for links in kernel.flatten(1) > 0 for columns in read]
        return [columns[columns > 0] - 1 for columns in inside]

    return measure, constant, kernel[0].numel(), members


def _read(layer: Affine, links: torch.Tensor) -> torch.Tensor:
    """Return a mask of the inputs that the layer reads through an existing connection."""
    kernel = ungrouped(links.double(), layer.groups).sum(0, keepdim=True)
    window = layer.window
    shape = (kernel.shape[1], window.height.size, window.width.size)
    marks = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        ExactPositions.total(marks, kernel, layer).sum().backward()
    assert marks.grad is not None
    return marks.grad > 0


@dataclass(frozen=True, eq=False)
class MomentSample:
    """The quantities of the sample that determine moments.

    Attributes:
        energies: energies of the sample.
        constant: value t of the constant unit.
        known: moments that were asked for before, by what they depend on: a search asks for most of them repeatedly.
    """

    energies: Energies
    constant: float
    known: dict[tuple[object, ...], Moments] = field(default_factory=dict, repr=False)

    def moments(
        self, family: InputSetFamily, log_factor: float, *, inner: float, log_weights: Array | None = None
    ) -> Moments:
        """Return the moments of one class for a family of sets.

        Args:
            family: sets of inputs.
            log_factor: exponent K.
            inner: K without the outermost step if that step is free, otherwise K.
            log_weights: logs of the weights n_c of the classes in `own` and `others`; None for weights 1.
        """
        key = family, log_factor, inner, None if log_weights is None else log_weights.tobytes()
        if key not in self.known:
            self.known[key] = self._moments(family, log_factor, inner, log_weights)
        return self.known[key]

    def _moments(
        self, family: InputSetFamily, log_factor: float, inner: float, log_weights: Array | None
    ) -> Moments:
        e = self.energies
        logs = family.log_energies(e.coordinate, e.m * self.constant**2)
        spectrum = self._spectrum(family, logs)
        whole = log_root_second_moment(logs, log_factor, spectrum)
        top = whole if inner == log_factor else log_root_second_moment(logs, inner, spectrum)
        own, others = self._by_class(family, log_factor, whole, log_weights)
        return Moments(whole, top, own, others, self._width(family, logs))

    def summed(self, family: InputSetFamily, log_factor: float, classes: int) -> Moments:
        """Return the moments of the largest sum over all classes, for the norm "l1"."""
        key = family, log_factor, classes
        if key not in self.known:
            self.known[key] = self._summed(family, log_factor, classes)
        return self.known[key]

    def _summed(self, family: InputSetFamily, log_factor: float, classes: int) -> Moments:
        e = self.energies
        logs = family.log_energies(e.coordinate, e.m * self.constant**2)
        spectrum = self._spectrum(family, logs)
        whole = log_root_second_moment(logs, log_factor + math.log(classes) * (1 + 2.0**-50), spectrum)
        parts = self._class_energies(family, classes)
        if parts is None:
            return Moments(whole, whole)
        own, others = (log_root_second_moment(np.concatenate(each), log_factor) for each in parts)
        return Moments(whole, whole, own, others)

    def _class_energies(self, family: InputSetFamily, classes: int) -> tuple[list[Array], list[Array]] | None:
        """Return, for every class, the logs of the sets' energies on its samples, and on all other samples; None if not available."""
        e = self.energies
        if e.classes is None or e.counts is None or classes != len(e.counts):
            return None
        if classes > MOST_CLASSES or classes * family.constant.numel() > MOST_SETS:
            return None
        square = self.constant**2
        own, others = [], []
        for c in range(classes):
            rest = torch.cat([e.classes[:c], e.classes[c + 1 :]]).sum(0)
            own.append(family.log_energies(e.classes[c], float(e.counts[c]) * square))
            others.append(family.log_energies(rest, float(e.m - e.counts[c]) * square) + slack(classes))
        return own, others

    def _by_class(
        self, family: InputSetFamily, log_factor: float, whole: float, log_weights: Array | None
    ) -> tuple[float, float]:
        """Return the logs of z_own and z_others. For a declared sample, energies are proportional to the number of samples."""
        e = self.energies
        if e.declared:
            return (
                whole if log_weights is None else log_product([whole, 0.5 * float(log_weights.max())])
            ), math.inf
        parts = None if e.counts is None else self._class_energies(family, len(e.counts))
        if parts is None:
            return math.inf, math.inf
        weights = np.zeros(len(parts[0])) if log_weights is None else log_weights
        if len(weights) != len(parts[0]):
            return math.inf, math.inf
        own, others = (
            0.5
            * logsumexp(
                [
                    2 * log_root_second_moment(logs, log_factor) + float(weight)
                    for logs, weight in zip(each, weights, strict=True)
                ]
            )
            for each in parts
        )
        return own, others

    def _spectrum(self, family: InputSetFamily, logs: Array) -> Array | None:
        """Return upper bounds of the sample's squared singular values on each set, divided by the largest energy; None if unknown.

        The energy of the constant's column is added to the largest value. This only increases the sums of the largest values (Ky
        Fan), and so the product of form B, which is Schur-convex.
        """
        e, top = self.energies, float(logs.max())
        found = family.spectra(e.gram)
        if found is None or top == -math.inf:
            return None
        values = found.copy()
        values[:, -1] += family.constant.numpy() * (e.m * self.constant**2 * (1 + 2.0**-50))
        with np.errstate(divide="ignore"):
            logs_of_values = np.log(values) - top
        if float(logs_of_values.max()) > 1.0:
            return None
        return np.asarray(np.exp(logs_of_values) * (1 + 2.0**-40))

    def _width(self, family: InputSetFamily, logs: Array) -> float:
        """Return log w. A unit reads one set, so w is at most the largest singular value of the sample on any set."""
        e = self.energies
        width = 0.5 * float(logs.max())
        if width == -math.inf:
            return width
        spectra = family.spectra(e.gram)
        if spectra is None:
            if e.spectrum is None:
                return width
            values = np.array(
                [e.spectrum[0] + (e.m * self.constant**2 if bool(family.constant.any()) else 0.0)]
            )
        else:
            values = spectra[:, -1] + family.constant.numpy() * (e.m * self.constant**2)
        largest = float(values.max())
        if largest <= 0:
            return width
        return min(width, log_product([0.5 * (math.log(largest) + slack(4))]))


def without_outermost(log_factor: float) -> float:
    """Return K minus the cost of one step, at least 0."""
    return max(0.0, log_factor - LOG_STEP * (1 - 2.0**-50))

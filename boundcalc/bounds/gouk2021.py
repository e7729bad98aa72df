"""Bounds by distances from the initialization, after Gouk, Hospedales & Pontil 2021 (Distance-based regularisation of deep
networks for fine-tuning), Theorems 1 and 2, derived here with different constants, on any graph of layers
(docs/theory/gouk2021.md).

Class: networks whose layers have ||A^l|| <= B_l, ||b^l|| <= c_l, distances ||A^l - A^l_0|| <= D_l (largest l1 norm of a row in
the form 1inf, largest l2 norm of a row in the form fro) and max |b^l - b^l_0| <= beta_l. With N_l = ||A^l_0||_{1,inf} of the
fixed reference, the largest E_v(p) = E sup sum_i xi_i (v_p - v^0_p)(x_i) over the units p of a value v satisfies

    input: 0,   layer: E <= D_l H_{l-1} + beta_l sqrt m + N_l E_{l-1},   ReLU: E <= E_below,   maximum over k: E <= k E_below,
    sum: E_u + E_v,   side by side: max(E_u, E_v),   average: at most its largest row sum times E_below,

and R_S <= C E_output / m. If the last step is a layer, its D and beta are sums over its rows, H and the sum of signs are taken
over the largest of C outputs with separate signs, and N sums over rows: R_S <= E_output / m. H_{l-1} is the largest sum of
signs along the value that layer l reads: the size of this value by B and c times (E Z^2)^(1/2). The constant t that carries
biases may be chosen freely, because the class is fixed (`boundcalc.bounds.toeplitz.scale`).

As first derived here, for chains without biases (`as_published`), a ReLU cost 2, D_l of the form fro was a Frobenius norm, and

    1inf:  R_S <= (C/m) max_coordinate ||X_coordinate|| sum_j D_j prod_{k<j} B_k prod_{k>j} N_k sqrt(2 ((j-1) log 2 + log(2 d_in)))
    fro:   R_S <= (C/m) ||X|| sum_j D_j prod_{k<j} B_k prod_{k>j} N_k (1 + sqrt(2 (j-1) log 2)).

Without a reference N_l = 0, and only the last layer has a distance. B_l, c_l, D_l and beta_l were chosen by training, so each is
rounded up to its own grid. N_l was not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import AROUND_FROBENIUS, AROUND_L1_INF
from boundcalc.bounds.code_lengths import CONSTANTS, descend
from boundcalc.bounds.distances import REFERENCE, names_of, origin, start_of, unbiased, weight_minus_init
from boundcalc.bounds.outcome import ClassComplexity, Terms
from boundcalc.bounds.toeplitz.loss import GRAPH, Latest, bias_moved, by_name
from boundcalc.bounds.toeplitz.reach import Numbers, largest
from boundcalc.bounds.toeplitz.scale import FRO, ONE_INF, LogSizes, ToeplitzNorm, contractions, log_sizes
from boundcalc.bounds.toeplitz.steps import (
    Block,
    Fixed,
    InputStep,
    LayerStep,
    Stack,
    SumStep,
    ToeplitzStep,
    never_biased,
)
from boundcalc.bounds.toeplitz.units import Bottom, log_matrix_norm, norms_of
from boundcalc.errors import NotCovered
from boundcalc.norms.rounding import LOG2, log_product, log_up, logsumexp, shown
from boundcalc.norms.toeplitz import Rows, rows_of
from boundcalc.rademacher.margin import HALF_LOG_PI
from boundcalc.rademacher.second_moment import log_root_second_moment

FACTOR = (
    "distances and norms of the Toeplitz matrices, each rounded up to a grid; l1-inf norms of the reference"
)


@dataclass(frozen=True)
class Moved:
    """The change of a layer from its reference, in logs.

    Attributes:
        distance: D_l; for the network's last layer the sum over rows.
        shift: beta_l times the largest sum of signs; for the last layer the sum over rows; -inf if no bias changed.
        start: N_l; for the last layer the sum over rows; -inf without a reference.
    """

    distance: float
    shift: float
    start: float


def log_differences(
    steps: Sequence[ToeplitzStep],
    names: Sequence[str],
    layers: Mapping[str, Moved],
    reads: Mapping[str, float],
) -> float:
    """Return the log of the largest E_v of the network's output, summed over the classes if the last step is a layer.

    Args:
        steps: steps of the network.
        names: names of the steps.
        layers: change of each layer; the change of a layer that is left out does not reach the output.
        reads: log H of the value that each layer reads; for the last layer over all classes.
    """
    found: list[float] = []
    for step, name in zip(steps, names, strict=True):
        below = [found[i] for i in step.inputs]
        match step:
            case InputStep():
                found.append(-math.inf)
            case SumStep():
                found.append(logsumexp(below))
            case Stack():
                found.append(max(below))
            case Fixed():
                found.append(log_product([step.log_row, below[0]]))
            case _:
                own = layers.get(name)
                if own is None:
                    found.append(-math.inf)
                    continue
                moved = log_product([own.distance, reads[name]])
                found.append(logsumexp([moved, own.shift, log_product([own.start, below[0]])]))
    return found[-1]


# ---------------------------------------------------------------------------------------- numbers of a network


def log_row(rows: Rows, form: ToeplitzNorm, *, summed: bool) -> float:
    """Return the log of the largest row norm, l1 or l2 depending on the form, or of the sum over all rows if `summed`."""
    if form is ONE_INF:
        return (rows.l1_sum() if summed else rows.l1_inf()).log
    return (rows.two_one() if summed else rows.l2_inf()).log


class Differences:
    """The class around one network: its numbers, and R_S as a function of them.

    Args:
        problem: network, sample and reference.
        form: form of the norms.
    """

    def __init__(self, problem: BoundInputs, form: ToeplitzNorm) -> None:
        self.problem, self.form = problem, form
        self.chain = problem.toeplitz().homogeneous(problem.network, smooth=form is ONE_INF)
        self.last = self.chain.steps[-1]
        self.blocks = dict(self.chain.blocks())
        self.starts = {name: self._start(step) for name, step in self.blocks.items()}
        self.needed, self.below = self._needed()
        every = norms_of(self.chain, form)
        self.fixed = {key: every[key] for key in every if not _trained(self.blocks[_layer(key)])}
        self.numbers = {
            key: value for key, value in every.items() if key not in self.fixed and _layer(key) in self.below
        }
        for name in self.below:
            step = self.blocks[name]
            if step.bias is None and not never_biased(step):
                self.numbers[f"bias.{name}"] = -math.inf
        for name in self.needed:
            self.numbers |= self._moved(name, self.blocks[name])
        self._latest = Latest()

    def _start(self, step: Block) -> float:
        """Return log N_l of the reference; a fixed block is its own reference."""
        if not isinstance(step, LayerStep):
            return -math.inf if step.trained else largest(step)
        start = start_of(self.problem, step.link.layer)
        return (
            -math.inf
            if start is None
            else log_row(rows_of(step.link, start), ONE_INF, summed=step is self.last)
        )

    def _needed(self) -> tuple[list[str], set[str]]:
        """Return the layers whose distance reaches the output through nonzero references, and all layers below one of them."""
        chain = self.chain
        alive, under = {len(chain.steps) - 1}, set()
        for place in range(len(chain.steps) - 1, -1, -1):
            name, inputs = chain.names[place], set(chain.steps[place].inputs)
            if place in alive and (not name or self.starts[name] > -math.inf):
                alive |= inputs
            if place in under or (place in alive and name):
                under |= inputs
        named = [(place, name) for place, name in enumerate(chain.names) if name]
        return [name for place, name in named if place in alive], {
            name for place, name in named if place in under
        }

    def _moved(self, name: str, step: Block) -> dict[str, float]:
        """Return logs of D_l and beta_l; for the last layer, of the sums over rows."""
        summed = step is self.last
        if isinstance(step, LayerStep):
            known = start_of(self.problem, step.link.layer) is not None
            rows = (
                rows_of(step.link, weight_minus_init(self.problem, step.link.layer))
                if known
                else self.chain.rows[step.place]
            )
            found = {f"distance.{name}": log_row(rows, self.form, summed=summed)}
        elif step.trained:
            total = float(step.scale.abs().sum() * step.positions if summed else step.scale.abs().max())
            found = {f"distance.{name}": log_up(total, step.scale.numel())}
        else:
            return {}
        shift = bias_moved(self.problem, step)
        if shift is None and not never_biased(step):
            found[f"shift.{name}"] = -math.inf
        elif shift is not None:
            total = float(shift.abs().sum() * step.positions if summed else shift.abs().max())
            found[f"shift.{name}"] = log_up(total, shift.numel())
        return found

    def log_complexity(self, numbers: Numbers) -> float:
        """Return the log of an upper bound of R_S of the class with these numbers; the last result is cached."""
        found: float = self._latest.of(numbers, lambda: self._log_complexity(numbers))
        return found

    def _log_complexity(self, numbers: Numbers) -> float:
        m = self.problem.energies.m
        layers = {}
        for name in self.needed:
            sums = log_root_second_moment(np.array([math.log(m)]), math.log(self._classes(name)))
            shift = log_product([numbers.get(f"shift.{name}", -math.inf), sums])
            layers[name] = Moved(numbers.get(f"distance.{name}", -math.inf), shift, self.starts[name])
        total = log_differences(self.chain.steps, self.chain.names, layers, self._reads(numbers))
        outputs = 0.0 if isinstance(self.last, Block) else math.log(self.problem.network.outputs)
        return log_product([outputs, total, -math.log(m)])

    def _classes(self, name: str) -> int:
        """Return the number of outputs with separate signs for a layer's distance."""
        return self.problem.network.outputs if self.blocks[name] is self.last else 1

    def log_margins(self, numbers: Numbers) -> float:
        """Return log R_S of the margins: for one or two outputs it is at most that of the outputs, for more at most
        sqrt(pi) times it.
        """
        own = self.log_complexity(numbers)
        return own if self.problem.network.outputs <= 2 else log_product([HALF_LOG_PI, own])

    def _reads(self, numbers: Numbers) -> dict[str, float]:
        """Return log H of the value that each needed layer reads, with the t that seems best for it."""
        chain, energies = self.chain, self.problem.energies
        norms = {**{f"norm.{name}": -math.inf for name in self.blocks}, **self.fixed, **numbers}
        biased = any(key.startswith("bias.") for key in norms)

        @cache
        def sizes(t: float) -> list[LogSizes]:
            return log_sizes(
                chain.steps, chain.names, norms, self.form, self.problem.network.inputs, math.log(t)
            )

        data = log_up(energies.frobenius_squared if self.form is FRO else energies.max_coordinate, 1)
        found = {}
        for name in self.needed:
            place = self.blocks[name].inputs[0]

            def looks(t: float, place: int = place) -> float:
                return sizes(t)[place].along + 0.5 * max(data, math.log(energies.m) + 2 * math.log(t))

            t = descend(CONSTANTS, CONSTANTS.index(1.0), looks) if biased else 1.0
            bottom = Bottom.of(energies, self.form, math.log(t), contractions(chain.steps, place))
            found[name] = log_product(
                [sizes(t)[place].along, bottom.within_exponential(classes=self._classes(name))]
            )
        return found


def _layer(key: str) -> str:
    return key.partition(".")[2]


def _trained(step: Block) -> bool:
    return isinstance(step, LayerStep) or step.trained


def compute_1inf(problem: BoundInputs) -> ClassComplexity:
    """Evaluate the bound by l1 norms of rows.

    Raises:
        NotCovered: an operation has no step in `boundcalc.bounds.toeplitz`.
    """
    return _evaluate(problem, ONE_INF)


def compute_fro(problem: BoundInputs) -> ClassComplexity:
    """Evaluate the bound by Frobenius norms, like `compute_1inf`."""
    return _evaluate(problem, FRO)


def _evaluate(problem: BoundInputs, form: ToeplitzNorm) -> ClassComplexity:
    around = Differences(problem, form)
    names = list(around.blocks)
    terms: Terms = {
        "norms": by_name(names, around.numbers, "norm"),
        "biases": by_name(names, around.numbers, "bias"),
        "distances": by_name(names, around.numbers, "distance"),
        "bias_distances": by_name(names, around.numbers, "shift"),
        "reference_norms": {name: shown(value) for name, value in around.starts.items()},
        "distance_from": origin(problem, around.chain),
    }
    return ClassComplexity(
        around.numbers, around.log_complexity, terms=terms, log_margins=around.log_margins,
        published=_published(problem, form),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------- as first derived


def log_as_published(
    norms: Sequence[float],
    distances: Sequence[float],
    starts: Sequence[float],
    log_front: float,
    factors: Sequence[float],
) -> float:
    """Return the log of front sum_j D_j prod_{k<j} B_k prod_{k>j} N_k factor_j, rounded up; all arguments are logs.

    Args:
        norms: B_1..B_{L-1}.
        distances: D_1..D_L.
        starts: N_1..N_L.
        log_front: C / m times the norm of the data.
        factors: factors of the layers.
    """
    return logsumexp([
        log_product([log_front, *norms[:j], distances[j], *starts[j + 1 :], factors[j]])
        for j in range(len(distances))
        if all(value > -math.inf for value in starts[j + 1 :])
    ])  # fmt: skip


def _published(problem: BoundInputs, form: ToeplitzNorm) -> ClassComplexity | None:
    try:
        chain = unbiased(problem)
    except NotCovered:
        return None
    names, inputs, m = names_of(chain), problem.network.inputs, problem.energies.m
    starts = [start_of(problem, link.layer) for link in chain.links]
    shifted = [
        own if start is None else rows_of(link, weight_minus_init(problem, link.layer))
        for link, own, start in zip(chain.links, chain.rows, starts, strict=True)
    ]
    fixed = [
        -math.inf if start is None else rows_of(link, start).l1_inf().log
        for link, start in zip(chain.links, starts, strict=True)
    ]
    used = [j for j in range(len(names)) if all(value > -math.inf for value in fixed[j + 1 :])]
    measured = {
        f"norm.{name}": log_matrix_norm(rows, form)
        for name, rows in zip(names[:-1], chain.rows, strict=False)
    }
    measured |= {f"distance.{names[j]}": log_matrix_norm(shifted[j], form) for j in used}
    energy = problem.energies.frobenius_squared if form is FRO else problem.energies.max_coordinate
    front = log_product([math.log(problem.network.outputs), 0.5 * log_up(energy, 1), -math.log(m)])
    factors = [_factor(j, inputs, form) for j in range(1, len(names) + 1)]

    def complexity(numbers: Numbers) -> float:
        distances = [numbers.get(f"distance.{name}", -math.inf) for name in names]
        return log_as_published(
            [numbers[f"norm.{name}"] for name in names[:-1]], distances, fixed, front, factors
        )

    return ClassComplexity(measured, complexity)


def _factor(j: int, inputs: int, form: ToeplitzNorm) -> float:
    """Return the log of the factor of layer j, counted from 1."""
    if form is FRO:
        return math.log1p(math.sqrt(2 * (j - 1) * LOG2))
    return 0.5 * math.log(2 * ((j - 1) * LOG2 + math.log(2 * inputs)))


for _name, _number, _compute, _hypotheses in (
    ("gouk2021_1inf", 1, compute_1inf, AROUND_L1_INF),
    ("gouk2021_fro", 2, compute_fro, AROUND_FROBENIUS),
):
    register(
        Bound(
            _name, "F", "theorem",
            f"after Gouk, Hospedales & Pontil 2021, Theorem {_number}; derived here with its own constants, on any graph"
            " (docs/theory/gouk2021.md)",
            (GRAPH, REFERENCE, FACTOR), _compute, toeplitz=True, hypotheses=_hypotheses,
        )
    )  # fmt: skip

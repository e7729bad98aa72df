"""Deliberate errors in formulas, each of about one character: a property that the formula as it stands has must catch it.

A mutant is an object in the place of another: a wrong function, the right one called with a wrong argument or with a wrong
function at hand, or its result made wrong afterwards. No text of the package is read.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import distance_twins
import numpy as np
import peeling_networks
import pytest
import torch
from subjects import problem

from boundcalc import testing
from boundcalc.bounds import registry
from boundcalc.occam.codeword import plan_of


def form(name: str, subject: str = "perceptron") -> Callable[[], None]:
    return lambda: testing.check_symbolic_form(registry[name], problem(subject))


def upwards(name: str, subject: str = "perceptron") -> Callable[[], None]:
    return lambda: testing.check_rounds_up(registry[name], problem(subject))


def twin(module: str, test: str, *given: object) -> Callable[[], None]:
    """Return a comparison with dense matrices or loops of another test module."""
    return lambda: getattr(import_module(module), test)(*given)


def product_as_published(name: str, *, bias: bool = False) -> Callable[[], None]:
    return twin("test_toeplitz_bounds", "test_products_of_norms", name, bias, 0)


def graf_as_published(kind: str) -> Callable[[], None]:
    return twin("test_graf2022", "test_graf", distance_twins.conv_chain, False, kind)


BARTLETT_AS_PUBLISHED = twin("test_toeplitz_bounds", "test_bartlett", False, 0, False)
CAPACITIES = twin(
    "test_toeplitz_graphs", "test_capacities_are_those_of_dense_matrices", peeling_networks.projection_skips
)
BIASED_CAPACITIES = twin(
    "test_toeplitz_graphs",
    "test_capacities_are_those_of_dense_matrices",
    lambda seed: import_module("test_toeplitz_graphs").dense_block(seed),
)
MULTISETS = twin("rademacher.test_lemmas", "test_cover_sizes_count_multisets")


def kraft() -> None:
    plan = plan_of(testing.mlp((2, 1, 1)))
    testing.check_kraft(plan, testing.small_codewords(plan), testing.fixed_bits)


def bytes_taken() -> None:
    plan = plan_of(testing.mlp((2, 1, 1)))
    for word in testing.small_codewords(plan):
        testing.check_code(plan, word)


def cuts() -> None:
    testing.check_cut_norm(np.random.default_rng(0).normal(size=(6, 6)))


def kernel() -> None:
    testing.check_gntk_power_law([(3, 4), (2, 3)], np.random.default_rng(0).normal(size=(5, 4)), 0.3, 1.5)


def overlap() -> None:
    testing.check_r_tilde(np.random.default_rng(0).random((1, 5, 6)) < 0.5)


Make = Callable[[Any], Any]
"""From the right object to the wrong one."""


def given(change: Callable[..., tuple[Any, ...]]) -> Make:
    """The right function, called with other arguments."""
    return lambda right: lambda *words: right(*change(*words))


def after(change: Callable[..., Any]) -> Make:
    """The right function, its result changed; the arguments come behind it."""
    return lambda right: lambda *words, **named: change(right(*words, **named), *words)


def plus(number: float) -> Make:
    return after(lambda found, *_: found + number)


def times(factor: float) -> Make:
    return after(lambda found, *_: factor * found)


def during(name: str, make: Make) -> Make:
    """The right function, while its module has another object of a name."""

    def make_wrong(right: Any) -> Any:
        def wrong(*words: Any, **named: Any) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                held = right.__globals__
                patch.setitem(held, name, make(held.get(name)))
                return right(*words, **named)

        return wrong

    return make_wrong


def instead(wrong: Any) -> Make:
    return lambda right: wrong


def without_m_beside_seven(right: Any) -> Any:
    return lambda terms: right([terms[0], *terms[2:]] if terms[0] == math.log(7) else terms)


def one_position(problem_: Any, numbers: dict[str, float]) -> tuple[Any, dict[str, float]]:
    """The shifts of biases as if each had one position."""
    places = {
        f"shift.{name}": step.positions
        for name, step in problem_.toeplitz().blocks()
        if hasattr(step, "positions")
    }
    return problem_, {key: value - 0.5 * math.log(places.get(key, 1)) for key, value in numbers.items()}


def own_norm_left_in(
    found: list[float], names: Any, numbers: dict[str, float], log_scale: float
) -> list[float]:
    return [value + numbers[f"spectral.{name}"] for value, name in zip(found, names, strict=True)]


def difference_of_halves(q: float, excess: float) -> tuple[float, float]:
    first, second = -q * math.log1p(excess / q) if q > 0 else 0.0, -(1 - q) * math.log1p(-excess / (1 - q))
    return first - second, abs(first) + abs(second)


def last_length(factor: float) -> Make:
    """The length that a meter notes, times a factor."""

    def change(found: int, meter: Any, *_: Any) -> int:
        meter._terms[meter._section][-1] *= factor
        return found

    return after(change)


def corner_forgotten(found: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    found[:, 0] = 0
    return found


def diagonal_of_one_layer_less(found: np.ndarray, maps: Any, *_: Any) -> np.ndarray:
    layers = len(maps.hidden)
    for one in found:
        np.fill_diagonal(one, np.diagonal(one) * layers / (layers + 1))
    return found


def sigma_forgotten(found: Any, graphons: Any, inputs: int, sigma_w2: float = 1.0, *_: Any) -> Any:
    return replace(found, hidden=(found.hidden[0], *(matrix / sigma_w2 for matrix in found.hidden[1:])))


def half_margin(found: Any, *_: Any) -> Any:
    if found is None:
        return None
    return replace(
        found,
        log_complexity=lambda numbers, log_gamma: found.log_complexity(numbers, log_gamma + math.log(2)),
    )


@dataclass(frozen=True)
class Mutation:
    """One error.

    Attributes:
        what: in words.
        place: ``module:function`` or ``module:Class.method``.
        make: the wrong object from the right one.
        check: the property that must catch it.
    """

    what: str
    place: str
    make: Make
    check: Callable[[], None]


MUTATIONS = (
    Mutation("C dropped", "bounds.golowich2018:log_factor_fro", after(lambda found, shape: found - math.log(shape.classes)),
             product_as_published("golowich2018_fro")),
    Mutation("L for L + 1", "bounds.golowich2018:log_factor_1inf", given(lambda shape: (replace(shape, depth=shape.depth - 1),)),
             product_as_published("golowich2018_1inf")),
    Mutation("log 2 missing", "bounds.golowich2018:log_factor_fro",
             given(lambda shape: (replace(shape, depth=shape.depth / math.log(2)),)), product_as_published("golowich2018_fro")),
    Mutation("L - 2 for L - 1", "bounds.neyshabur2015:log_factor_fro", plus(-math.log(2)), product_as_published("neyshabur2015_fro")),
    Mutation("constant unit not counted among inputs", "bounds.toeplitz_product:_product",
             during("DimensionFree", given(lambda depth, classes, inputs: (depth, classes, inputs - 1))),
             product_as_published("golowich2018_1inf", bias=True)),
    Mutation("the constant not handed on", "bounds.bound_inputs:ToeplitzView.carries_constant", instead(lambda chain, index: False),
             product_as_published("golowich2018_fro", bias=True)),
    Mutation("the root of ||A||_F for it", "bounds.toeplitz.units:log_matrix_norm", times(0.5),
             upwards("golowich2018_fro", "convolutions")),
    Mutation("a change of radius without its Lipschitz constant", "bounds.toeplitz.reach:log_radii",
             during("log_lipschitz", instead(lambda *_: 0.0)), CAPACITIES),
    Mutation("1 for sqrt 2 in the margin", "bounds.toeplitz.loss:log_capacities",
             after(lambda found, *_: {name: value - 0.5 * math.log(2) for name, value in found.items()}), CAPACITIES),
    Mutation("positions of a moved bias not counted", "bounds.toeplitz.loss:log_capacities", given(one_position), BIASED_CAPACITIES),
    Mutation("one reader for all of them", "bounds.toeplitz.reach:_backwards", during("logsumexp", instead(max)), CAPACITIES),
    Mutation("one atom too few", "rademacher.maurey_chaining:sparsity", after(lambda found, ratio: max(0, found - 1)), MULTISETS),
    Mutation("max for sum over rows", "norms.toeplitz:Rows.two_one",
             given(lambda rows, *column: (replace(rows, squares=rows.squares.amax(0, keepdim=True)), *column)),
             lambda: testing.check_toeplitz(problem("convolutions").network)),
    Mutation("how many positions share a pattern forgotten", "norms.toeplitz:Rows.frobenius_squared",
             given(lambda rows: (replace(rows, counts=torch.ones_like(rows.counts)),)),
             lambda: testing.check_toeplitz(problem("convolutions").network)),
    Mutation("a kernel entry dropped in the (2,1) norm", "norms.kernels:two_one", given(lambda weight: (weight[..., 1:],)),
             graf_as_published("norms")),
    Mutation("2 / gamma for 4 / gamma", "bounds.bartlett2017:_published", after(half_margin), BARTLETT_AS_PUBLISHED),
    Mutation("log W for log 2W", "bounds.bartlett2017:log_as_published", given(lambda sizes, entries, m: (sizes, entries / 2, m)),
             BARTLETT_AS_PUBLISHED),
    Mutation("the layer's own spectral norm not divided out", "bounds.bartlett2017:capacities", after(own_norm_left_in),
             BARTLETT_AS_PUBLISHED),
    Mutation("H_m for H_(m-1)", "bounds.graf2022:log_by_norms", during("harmonic", given(lambda n: (n + 1,))),
             graf_as_published("norms")),
    Mutation("L for L^2", "bounds.graf2022:log_by_parameters",
             given(lambda sizes, *rest: ([size - 0.5 * math.log(len(sizes)) for size in sizes], *rest)), graf_as_published("params")),
    Mutation("min for max over layers ahead", "bounds.ledent2021:log_reaches", during("max", instead(min)), form("ledent2021")),
    Mutation("7 without its m", "bounds.ledent2021:log_complexity", during("log_product", without_m_beside_seven),
             form("ledent2021", "one layer")),
    Mutation("W for W^2", "bounds.lin2019:log_complexity",
             given(lambda reaches, weights, *rest: (reaches, [math.sqrt(count) for count in weights], *rest)), form("lin2019")),
    Mutation("sum_j without the layers below", "bounds.gouk2021:log_differences",
             given(lambda steps, names, layers, reads: (steps, names, layers, dict.fromkeys(reads, 0.0))), form("gouk2021_fro")),
    Mutation("fan-in missing", "bounds.peeling.norms:L2.log_fan_in", times(0.0),
             lambda: testing.check_peeling_paths(problem("perceptron"))),
    Mutation("paths not counted", "bounds.peeling.theorem:log_published_unit",
             lambda right: lambda log_b, factor, paths, m, **named: right(log_b, factor, 0.0, m, **named),
             lambda: testing.check_peeling_paths(problem("perceptron"))),
    Mutation("biases not divided by t", "bounds.peeling.dynamic_program:PeelingProgram._biases_of",
             given(lambda walker, layer, group: (walker, replace(layer, bias=None if layer.bias is None else 0 * layer.bias), group)),
             lambda: testing.check_peeling_paths(problem("with biases"))),
    Mutation("the unit's bias left out of the path norm", "norms.path:_affine",
             lambda right: lambda node, value, *, biases: right(node, value, biases=False),
             lambda: testing.check_path_norm(problem("with biases").network)),
    Mutation("m^2 for m", "bounds.path_norm:compute",
             after(lambda found, given_: replace(found, log_unit=found.log_unit - math.log(given_.energies.m))), form("path_norm")),
    Mutation("1 for 2 in the risk factor of kind F", "bounds.risk:_of_norms", during("LOG2", instead(0.0)),
             form("path_norm")),
    Mutation("1 for 2 in the risk factor", "bounds.risk:_of_loss_class", during("LOG2", instead(0.0)), form("lin2019")),
    Mutation("wrong sign in the grid's weight", "bounds.code_lengths:log2_weight",
             after(lambda found, k: found - 2 * math.log2(abs(k) + 1)), testing.check_grid_weights),
    Mutation("1 for 1.5 in the grid's weight", "bounds.code_lengths:log2_weight", plus(-math.log2(1.5)), testing.check_grid_weights),
    Mutation("delta not divided among choices", "rademacher.confidence:confidence", given(lambda delta, bits, m: (delta, 0.0, m)),
             lambda: testing.check_confidence(0.05, 10.0, 100)),
    Mutation("grid points not paid", "bounds.risk:_of_loss_class", during("log2_weight", instead(lambda k: 0.0)), form("lin2019")),
    Mutation("a grid point below the number", "bounds.risk:grid_above", plus(-1), form("lin2019")),
    Mutation("m for 2m in the confidence term", "rademacher.confidence:confidence", times(0.5**0.5),
             lambda: testing.check_confidence(0.05, 10.0, 100)),
    Mutation("log 2 missing in the certificate", "occam.kl:certificate",
             given(lambda errors, m, bits, delta: (errors, m, bits * 0.5 / math.log(2), delta)),
             lambda: testing.check_certificate(3, 100, 20.0, 0.05)),
    Mutation("wrong half of kl", "occam.kl:_divergence", instead(difference_of_halves),
             lambda: testing.check_certificate(3, 100, 20.0, 0.05)),
    Mutation("multinomial without one factor", "occam.coder:log2_multinomial",
             after(lambda found, counts: found - 0.5 * math.lgamma(sum(counts) + 1) / math.log(2)), kraft),
    Mutation("log2(n + 1) shortened", "occam.coder:Meter.uniform", last_length(0.9), bytes_taken),
    Mutation("an index of the codebook too cheap", "occam.coder:Meter.uniform", last_length(0.99), kraft),
    Mutation("4 for 8 in r~", "samples.zhang2021:r_tilde", times(2), overlap),
    Mutation("8 for 4 in the cut norm's dual", "graphon.cut:_semidefinite", times(0.5), cuts),
    Mutation("the corner of the bordered matrix forgotten", "graphon.cut:border", after(corner_forgotten), cuts),
    Mutation("L for L + 1 on the kernel's diagonal", "graphon.ntk_numpy:theta", after(diagonal_of_one_layer_less), kernel),
    Mutation("1 for 1/2 in k1 at angle 0", "graphon.ntk_numpy:diagonals",
             after(lambda found, *_: tuple(2**layer * one for layer, one in enumerate(found))), kernel),
    Mutation("pi for 2 pi in the output's kernel", "graphon.ntk_numpy:_plan",
             after(lambda found, *_: replace(found, output=2 * found.output)), kernel),
    Mutation("4 pi for 2 pi between hidden layers", "graphon.ntk_numpy:_plan",
             after(lambda found, *_: replace(found, lefts=(found.lefts[0], *(left / 2 for left in found.lefts[1:])))), kernel),
    Mutation("S~ for Theta in the backward sum", "graphon.ntk_numpy:_arc_cosine", given(lambda a, b, *rest: (a, a, *rest)), kernel),
    Mutation("sigma_w^2 forgotten between hidden layers", "graphon.ntk_maps:from_graphons", after(sigma_forgotten), kernel),
)  # fmt: skip


def mutate(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the mutant wherever boundcalc, or a test that is asked, holds the original."""
    home, _, path = mutation.place.partition(":")
    module = import_module(f"boundcalc.{home}")
    owner = module
    *outer, name = path.split(".")
    for step in outer:
        owner = getattr(owner, step)
    original = vars(owner)[name]
    mutant = mutation.make(original)
    if owner is not module:
        monkeypatch.setattr(owner, name, mutant)
        return
    for key, bound in registry.items():
        if bound.compute is original:
            monkeypatch.setitem(registry._bounds, key, replace(bound, compute=mutant))
    for other in [loaded for key, loaded in sys.modules.items() if key.startswith(("boundcalc", "test_"))]:
        if vars(other).get(name) is original:
            monkeypatch.setattr(other, name, mutant)


def test_the_table_is_long_enough_and_has_no_twins():
    assert len(MUTATIONS) >= 50
    assert len({(each.place, each.what) for each in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: f"{each.place.split(':')[1]}: {each.what}")
def test_mutation_is_caught(mutation, monkeypatch):
    mutation.check()
    mutate(mutation, monkeypatch)
    with pytest.raises(AssertionError):
        mutation.check()


@pytest.mark.parametrize(
    "make", [after(lambda found, *_: found), given(lambda *words: words), during("math", instead(math))]
)
def test_a_mutant_that_changes_nothing_passes(make, monkeypatch):
    """The harness itself breaks no check."""
    same = Mutation(
        "nothing", "rademacher.confidence:confidence", make, lambda: testing.check_confidence(0.1, 3.0, 9)
    )
    mutate(same, monkeypatch)
    same.check()

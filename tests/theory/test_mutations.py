"""Deliberate errors of about one character in formulas: each must be caught by a property that the formula as it stands has."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module

import distance_twins
import numpy as np
import peeling_networks
import pytest
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


@dataclass(frozen=True)
class Mutation:
    """One error.

    Attributes:
        what: in words.
        place: ``module:function`` or ``module:Class.method``.
        old: text of the formula.
        new: what it becomes.
        check: the property that must catch it.
    """

    what: str
    place: str
    old: str
    new: str
    check: Callable[[], None]


MUTATIONS = (
    Mutation("C dropped", "bounds.golowich2018:log_factor_fro", "math.log(shape.classes), ", "",
             product_as_published("golowich2018_fro")),
    Mutation("L for L + 1", "bounds.golowich2018:log_factor_1inf", "shape.depth + 1", "shape.depth",
             product_as_published("golowich2018_1inf")),
    Mutation("log 2 missing", "bounds.golowich2018:log_factor_fro", "shape.depth * LOG2", "shape.depth",
             product_as_published("golowich2018_fro")),
    Mutation("L - 2 for L - 1", "bounds.neyshabur2015:log_factor_fro", "shape.depth - 1", "shape.depth - 2",
             product_as_published("neyshabur2015_fro")),
    Mutation("constant unit not counted among inputs", "bounds.toeplitz_product:_product",
             "problem.network.inputs + chain.biased)", "problem.network.inputs)",
             product_as_published("golowich2018_1inf", bias=True)),
    Mutation("the constant not handed on", "bounds.toeplitz_product:log_frobenius_squared", "0.0 if chain", "-1e9 if chain",
             product_as_published("golowich2018_fro", bias=True)),
    Mutation("the root of ||A||_F for it", "bounds.toeplitz.units:log_matrix_norm", "0.5 * rows", "0.25 * rows",
             upwards("golowich2018_fro", "convolutions")),
    Mutation("a change of radius without its Lipschitz constant", "bounds.toeplitz.reach:log_radii",
             "log_lipschitz(step, name, numbers), below[0]", "below[0]", CAPACITIES),
    Mutation("1 for sqrt 2 in the margin", "bounds.toeplitz.loss:log_capacities", "0.5 * math.log(2), ", "", CAPACITIES),
    Mutation("positions of a moved bias not counted", "bounds.toeplitz.loss:log_capacities", "0.5 * math.log(step.positions)", "0.0",
             BIASED_CAPACITIES),
    Mutation("one reader for all of them", "bounds.toeplitz.reach:_backwards", "logsumexp(arriving[place])", "max(arriving[place])",
             CAPACITIES),
    Mutation("one atom too few", "rademacher.maurey_chaining:sparsity", "(ratio - 1) ** 2", "(ratio - 1) ** 2 - 1", MULTISETS),
    Mutation("max for sum over rows", "norms.toeplitz:Rows.two_one", "squares.sqrt().sum(0)", "squares.sqrt().amax(0)",
             lambda: testing.check_toeplitz(problem("convolutions").network)),
    Mutation("how many positions share a pattern forgotten", "norms.toeplitz:Rows.frobenius_squared", " * self.counts", "",
             lambda: testing.check_toeplitz(problem("convolutions").network)),
    Mutation("a kernel entry dropped in the (2,1) norm", "norms.kernels:two_one", "_summed(weight, (1,))",
             "_summed(weight[..., 1:], (1,))", graf_as_published("norms")),
    Mutation("2 / gamma for 4 / gamma", "bounds.bartlett2017:_published", "math.log(4), -log_gamma", "math.log(2), -log_gamma",
             BARTLETT_AS_PUBLISHED),
    Mutation("log W for log 2W", "bounds.bartlett2017:log_as_published", "2 * entries", "entries", BARTLETT_AS_PUBLISHED),
    Mutation("the layer's own spectral norm not divided out", "bounds.distances:capacities", "*norms[:place], *norms[place + 1 :]",
             "*norms", BARTLETT_AS_PUBLISHED),
    Mutation("H_m for H_(m-1)", "bounds.graf2022:log_by_norms", "harmonic(m - 1)", "harmonic(m)", graf_as_published("norms")),
    Mutation("L for L^2", "bounds.graf2022:log_by_parameters", "2 * (log_depth + value)", "log_depth + 2 * value",
             graf_as_published("params")),
    Mutation("min for max over layers ahead", "bounds.ledent2021:log_reaches", "max([_sum", "min([_sum", form("ledent2021")),
    Mutation("7 without its m", "bounds.ledent2021:log_complexity", "math.log(7), math.log(m)", "math.log(7)",
             form("ledent2021", "one layer")),
    Mutation("W for W^2", "bounds.lin2019:log_complexity", "2 * math.log(count)", "math.log(count)", form("lin2019")),
    Mutation("sum_j without the layers below", "bounds.gouk2021:log_differences", "own.distance, reads[name]", "own.distance",
             form("gouk2021_fro")),
    Mutation("fan-in missing", "bounds.peeling.norms:L2.log_fan_in", "fan_in.clamp(min=1).log()", "fan_in * 0",
             lambda: testing.check_peeling_paths(problem("perceptron"))),
    Mutation("paths not counted", "bounds.peeling.theorem:log_published_unit", "log_factor + log_paths", "log_factor",
             lambda: testing.check_peeling_paths(problem("perceptron"))),
    Mutation("biases not divided by t", "bounds.peeling.dynamic_program:PeelingProgram._biases_of",
             "layer.bias / self.constant", "layer.bias * 0",
             lambda: testing.check_peeling_paths(problem("with biases"))),
    Mutation("the unit's bias left out of the path norm", "norms.path:_affine", "node.bias.abs()", "node.bias * 0",
             lambda: testing.check_path_norm(problem("with biases").network)),
    Mutation("m^2 for m", "bounds.path_norm:compute", "log_product([z, -log_m])", "log_product([z, -2 * log_m])", form("path_norm")),
    Mutation("1 for 2 in the risk factor of kind F", "bounds.risk:_of_norms", "[LOG2, k", "[0.0, k",
             form("path_norm")),
    Mutation("1 for 2 in the risk factor", "bounds.risk:_of_loss_class", "[LOG2, ", "[", form("lin2019")),
    Mutation("wrong sign in the grid's weight", "bounds.code_lengths:log2_weight", "1.5 * (abs(k) + 1)", "1.5 / (abs(k) + 1)",
             testing.check_grid_weights),
    Mutation("1 for 1.5 in the grid's weight", "bounds.code_lengths:log2_weight", "1.5", "1.0", testing.check_grid_weights),
    Mutation("delta not divided among choices", "rademacher.confidence:confidence", "bits * math.log", "0.0 * math.log",
             lambda: testing.check_confidence(0.05, 10.0, 100)),
    Mutation("the price of the margin's grid point not paid", "bounds.risk:_of_loss_class", "price + log2_weight(k)", "price",
             form("lin2019")),
    Mutation("a grid point below the number", "bounds.risk:grid_above", "return k if", "return k - 1 if", form("lin2019")),
    Mutation("m for 2m in the confidence term", "rademacher.confidence:confidence", "2.0 * m", "4.0 * m",
             lambda: testing.check_confidence(0.05, 10.0, 100)),
    Mutation("log 2 missing in the certificate", "occam.kl:certificate", "bits * math.log(2.0)", "bits * 0.5",
             lambda: testing.check_certificate(3, 100, 20.0, 0.05)),
    Mutation("wrong half of kl", "occam.kl:_divergence", "first + second, ", "first - second, ",
             lambda: testing.check_certificate(3, 100, 20.0, 0.05)),
    Mutation("multinomial without one factor", "occam.coder:log2_multinomial", "whole - math.fsum(parts)",
             "0.5 * whole - math.fsum(parts)", kraft),
    Mutation("log2(n + 1) shortened", "occam.coder:Meter.uniform", "1 + LIBM", "0.9", bytes_taken),
    Mutation("an index of the codebook too cheap", "occam.coder:Meter.uniform", "1 + LIBM", "0.99", kraft),
    Mutation("4 for 8 in r~", "samples.zhang2021:r_tilde", "** 2 / 8", "** 2 / 4", overlap),
    Mutation("8 for 4 in the cut norm's dual", "graphon.cut:_semidefinite", "/ 4, 1", "/ 8, 1", cuts),
    Mutation("the corner of the bordered matrix forgotten", "graphon.cut:border", "columns.sum(axis=1, keepdims=True)",
             "0 * columns.sum(axis=1, keepdims=True)", cuts),
    Mutation("L for L + 1 on the kernel's diagonal", "graphon.ntk_numpy:theta", "(len(maps.hidden) + 1) / 2", "len(maps.hidden) / 2",
             kernel),
    Mutation("1 for 1/2 in k1 at angle 0", "graphon.ntk_numpy:diagonals", "found[-1] / 2", "found[-1] / 1", kernel),
    Mutation("pi for 2 pi in the output's kernel", "graphon.ntk_numpy:_plan", "(2 * math.pi)", "(1 * math.pi)", kernel),
    Mutation("pi for 2 pi between hidden layers", "graphon.ntk_numpy:_row", "/ (2 * math.pi)", "/ (1 * math.pi)", kernel),
    Mutation("S~ for Theta in the backward sum", "graphon.ntk_numpy:_arc_cosine", "psi *= b", "psi *= a", kernel),
    Mutation("sigma_w^2 forgotten between hidden layers", "graphon.ntk_maps:from_graphons", "sigma_w2 * after.values",
             "after.values", kernel),
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
    source = textwrap.dedent(inspect.getsource(original))
    assert source.count(mutation.old) >= 1, f"{mutation.place} has no {mutation.old!r} any more"
    found: dict[str, object] = {}
    exec(compile(source.replace(mutation.old, mutation.new), "mutant", "exec"), vars(module), found)  # noqa: S102
    mutant = found[name]
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
    assert len(MUTATIONS) >= 10
    assert len({(each.place, each.old, each.new) for each in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: f"{each.place.split(':')[1]}: {each.what}")
def test_mutation_is_caught(mutation, monkeypatch):
    mutation.check()
    mutate(mutation, monkeypatch)
    with pytest.raises(AssertionError):
        mutation.check()


def test_a_mutant_that_changes_nothing_passes(monkeypatch):
    """The harness itself breaks no check."""
    same = Mutation(
        "nothing",
        "rademacher.confidence:confidence",
        "2.0",
        "2.00",
        lambda: testing.check_confidence(0.1, 3.0, 9),
    )
    mutate(same, monkeypatch)
    same.check()

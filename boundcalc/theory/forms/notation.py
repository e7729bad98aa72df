"""Symbols shared by the forms, their meanings, and functions that take their numbers from an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import sympy
from sympy import Expr, IndexedBase, Rational, Symbol, sqrt

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.outcome import ClassComplexity, LossComplexity
from boundcalc.theory.symbolic import DEPTH, INDEX, Evaluation, NotFilled, Promise
from boundcalc.theory.symbolic_interval import Interval
from boundcalc.theory.symbolic_interval import exact as exact  # noqa: PLC0414 (handed on to the forms)
from boundcalc.theory.symbolic_interval import exp_of as exp_of  # noqa: PLC0414 (handed on to the forms)
from boundcalc.theory.symbolic_interval import root_of as root_of  # noqa: PLC0414 (handed on to the forms)

m = Symbol("m", positive=True)
C = Symbol("C", positive=True)
d = Symbol("d", positive=True)
E = Symbol("E", positive=True)
X = Symbol("X", positive=True)
gamma = Symbol("gamma", positive=True)
delta = Symbol("delta", positive=True)
W = Symbol("W", positive=True)
a = IndexedBase("a", positive=True)
s = IndexedBase("s", positive=True)
D = IndexedBase("D", positive=True)
L = DEPTH
l = INDEX  # noqa: E741
k = Symbol("k", integer=True, positive=True)
Ctilde = IndexedBase("Ctilde", positive=True)

MEANINGS: Mapping[Expr, str] = {
    m: "number of training samples",
    C: "number of outputs",
    d: "number of inputs, the constant unit counted",
    L: "number of layers with weights",
    gamma: "margin",
    delta: "probability that the bound fails",
    X: "Frobenius norm of the data, all samples",
    s[l]: "spectral norm of layer l's Toeplitz matrix, from above",
}

BIAS = "biases through a constant unit of value t: their entries divided by t, the constant handed on with weight 1"
THREE_HALVES, TWO_THIRDS = Rational(3, 2), Rational(2, 3)


def meanings(*symbols: Expr) -> dict[Expr, str]:
    """Return the shared meanings of the given symbols."""
    return {symbol: MEANINGS[symbol] for symbol in symbols}


def spread(exponents: Expr) -> Expr:
    """Return 1 + sqrt(2 exponents), the factor for exp(exponents) terms by Jensen's inequality with exp(lambda .)."""
    return 1 + sqrt(2 * exponents)


def capacity(scale: Expr) -> Expr:
    """Return scale prod_k s_k D_l / s_l."""
    return scale * sympy.Product(s[k], (k, 1, L)) * D[l] / s[l]


def sum_of(expr: Expr) -> Expr:
    """Return the sum over layers."""
    return sympy.Sum(expr, (l, 1, L))


def product_of(expr: Expr) -> Expr:
    """Return the product over layers."""
    return sympy.Product(expr, (l, 1, L))


FALLS_IN_M = Promise(m, "falls", "derivative")
FALLS_IN_MARGIN = Promise(gamma, "falls", "derivative")


def grows(symbol: Expr, shown: str = "derivative") -> Promise:
    """Return the promise that a formula grows with a symbol."""
    return Promise(symbol, "grows", shown)


def energy(problem: BoundInputs, added: Fraction = Fraction(0)) -> Fraction:
    """Return ||X||_F^2 exactly, from the recorded energies of the coordinates, plus the energy of the constant unit."""
    return sum(map(Fraction, problem.energies.coordinate.flatten().tolist()), added)


def constant_energy(evaluation: Evaluation) -> Fraction:
    """Return m t^2 for the recorded t; 0 if there are no biases."""
    t = evaluation.outcome.terms.get("constant")
    return Fraction(0) if t is None else evaluation.problem.energies.m * Fraction(t) ** 2


def data_norm(evaluation: Evaluation) -> Interval:
    """Return ||X~||_F, the norm of the data including the constant unit."""
    return root_of(energy(evaluation.problem, constant_energy(evaluation)))


def sizes(evaluation: Evaluation) -> dict[Expr, Interval]:
    """Return the numbers of m, C and d; d includes the constant unit if there are biases."""
    network = evaluation.problem.network
    inputs = network.inputs + (evaluation.outcome.terms.get("constant") is not None)
    return {m: exact(evaluation.problem.energies.m), C: exact(network.outputs), d: exact(inputs)}


def margin(evaluation: Evaluation) -> dict[Expr, Interval]:
    """Return the number of gamma.

    Raises:
        NotFilled: no margin was chosen.
    """
    if evaluation.risk.margin is None:
        raise NotFilled("no margin")
    return {gamma: exact(evaluation.risk.margin)}


def by_layer(base: IndexedBase, values: Sequence[Interval]) -> dict[Expr, Interval]:
    """Return the map base[1], base[2], ... -> values."""
    return {base[index]: value for index, value in enumerate(values, start=1)}


def recorded(evaluation: Evaluation, key: str) -> dict[str, float]:
    """Return the numbers that the terms of an outcome record for each layer.

    Raises:
        NotFilled: a number overflows a double, or a module is used several times but has only one recorded number.
    """
    found = evaluation.outcome.terms[key]
    if len(found) != len(evaluation.problem.toeplitz().links):
        raise NotFilled("a module is used several times: its numbers are recorded once")
    for name, value in found.items():
        if value is None:
            raise NotFilled(f"the number of {name} overflows a double")
    return dict(found)


def post_hoc(
    outcome: LossComplexity | ClassComplexity, names: Sequence[str], **bases: IndexedBase
) -> dict[str, Expr]:
    """Return name -> symbol for the post-hoc numbers of an outcome; ``kind=base`` sets the base of ``"kind.NAME"``."""
    return {
        f"{kind}.{name}": base[index]
        for kind, base in bases.items()
        for index, name in enumerate(names, start=1)
        if f"{kind}.{name}" in outcome.numbers
    }


def at_numbers(
    outcome: LossComplexity | ClassComplexity, numbers: Mapping[str, Expr]
) -> dict[Expr, Interval]:
    """Return symbol -> exp of the recorded logarithm; the logarithm is taken as exact."""
    return {symbol: exp_of(outcome.numbers[name]) for name, symbol in numbers.items()}

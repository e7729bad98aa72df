"""Symbolic form of a bound: a sympy formula, the meanings of its symbols, and how an evaluation fills in their numbers.

The numeric code of a bound and its symbolic form were written independently, and tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sympy
from sympy import Expr

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound
from boundcalc.bounds.outcome import Outcome
from boundcalc.bounds.risk import RiskBound
from boundcalc.theory.symbolic_interval import Interval, Values, interval_of

Numbers = Mapping[str, Expr]
"""Name of a number in an outcome (``"spectral.fc1"``) -> its symbol."""


class NotFilled(ValueError):
    """The numbers of this evaluation cannot be filled into a form; the message gives the reason."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The evaluation of a bound on a network and a sample.

    Attributes:
        bound: the registry's entry.
        problem: network and sample.
        outcome: what the bound computed.
        risk: the bound on the error.
    """

    bound: Bound
    problem: BoundInputs
    outcome: Outcome
    risk: RiskBound


@dataclass(frozen=True)
class Definition:
    """An abbreviation in a formula, one for each layer.

    Attributes:
        symbol: symbol of the abbreviation at layer l.
        expr: definition at layer l; it may refer to layer l + 1.
        last: definition at layer L if it differs.
    """

    symbol: sympy.Indexed
    expr: Expr
    last: Expr | None = None

    def at(self, layer: int, depth: int) -> Expr:
        """Return the definition at one layer of a network of `depth` layers."""
        chosen = self.last if layer == depth and self.last is not None else self.expr
        return chosen.subs({INDEX: layer, DEPTH: depth}).doit()


@dataclass(frozen=True)
class Promise:
    """A claim of the theory about how a formula changes with one symbol.

    Attributes:
        symbol: quantity that changes while the others are fixed.
        direction: ``"grows"`` or ``"falls"``.
        shown: ``"derivative"`` if sympy proves the sign of the derivative, ``"grid"`` if it is tested on numbers.
        where: condition in words.
        at_least: smallest value of the symbol for which the claim is made.
    """

    symbol: Expr
    direction: str
    shown: str
    where: str = ""
    at_least: int = 1


@dataclass(frozen=True)
class Filled:
    """Numbers for the symbols of a form.

    Attributes:
        layers: names of the layers with index l = 1, 2, ...
        values: symbol -> exact number as an interval.
        numbers: name of each post-hoc number of the outcome -> its symbol in the formula.
        notes: remarks for the reader on choices made while filling in.
    """

    layers: tuple[str, ...]
    values: Values
    numbers: Numbers = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _always(evaluation: Evaluation) -> bool:
    del evaluation
    return True


@dataclass(frozen=True)
class SymbolicForm:
    """The symbolic form of one bound.

    Attributes:
        bound: name of the bound.
        left: quantity that the formula bounds, in words.
        formula: expression in the symbols of `meanings` and `definitions`, with L layers.
        meanings: symbol -> meaning, without markup.
        sketch: why the bound holds, or that it is not derived here, or the counter-example.
        fill: function that takes the numbers from an evaluation; raises `NotFilled`.
        definitions: abbreviations used in the formula.
        promises: how the formula changes with its symbols.
        condition: when this form applies, in words.
        applies: whether this form applies to an evaluation.
        rho: in the formula of a `NormComplexity` outcome, the positively homogeneous number of the network.
        value: published value of the bound if the formula is only a part of it.
    """

    bound: str
    left: str
    formula: Expr
    meanings: Mapping[Expr, str]
    sketch: tuple[str, ...]
    fill: Callable[[Evaluation], Filled]
    definitions: tuple[Definition, ...] = ()
    promises: tuple[Promise, ...] = ()
    condition: str = ""
    applies: Callable[[Evaluation], bool] = _always
    rho: Expr | None = None
    value: Expr | None = None

    def at_depth(self, depth: int, expr: Expr | None = None) -> Expr:
        """Return the formula, or another expression in its symbols, written out for `depth` layers.

        Example:
            >>> from boundcalc.theory.forms import forms_of
            >>> forms_of("neyshabur2015_fro")[0].at_depth(2)
            Z*a[1]*a[2]/m
        """
        whole = (self.formula if expr is None else expr).subs(DEPTH, depth).doit()
        bases = {definition.symbol.base: definition for definition in self.definitions}
        while True:
            found = {
                atom: bases[atom.base].at(int(atom.indices[0]), depth)
                for atom in whole.atoms(sympy.Indexed)
                if atom.base in bases
            }
            if not found:
                return whole
            whole = whole.xreplace(found)

    def evaluate(self, filled: Filled, expr: Expr | None = None) -> Interval:
        """Return an interval at about 50 digits that contains the value of the formula for exact inputs."""
        return interval_of(self.at_depth(len(filled.layers), expr), filled.values)


INDEX = sympy.Symbol("l", integer=True, positive=True)
"""The layer l."""
DEPTH = sympy.Symbol("L", integer=True, positive=True)
"""The number of layers L."""

"""What a symbolic form is: a formula of sympy, what its symbols mean, and how an evaluation fills it.

The numeric code of a bound and its form were written independently of each other and are tested against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sympy
from sympy import Basic, Expr

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound
from boundcalc.bounds.outcome import Outcome
from boundcalc.bounds.risk import RiskBound
from boundcalc.theory.symbolic_interval import Interval, Values, interval_of

Numbers = Mapping[str, Expr]
"""Name of a number in an outcome (``"spectral.fc1"``) -> its symbol."""


class NotFilled(ValueError):
    """A form cannot be filled with the numbers of this evaluation; the message says why."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A real evaluation of a bound.

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
        symbol: the abbreviation at layer l.
        expr: its meaning at layer l; may speak of layer l + 1.
        last: its meaning at layer L, where that differs.
    """

    symbol: sympy.Indexed
    expr: Expr
    last: Expr | None = None

    def at(self, layer: int, depth: int) -> Expr:
        """Return the meaning at one layer of a network of `depth` layers."""
        chosen = self.last if layer == depth and self.last is not None else self.expr
        return chosen.subs({INDEX: layer, DEPTH: depth}).doit()


@dataclass(frozen=True)
class Promise:
    """How theory says that a formula moves.

    Attributes:
        symbol: the quantity that changes, the others fixed.
        direction: ``"grows"`` or ``"falls"``.
        shown: ``"derivative"`` where sympy finds the derivative's sign, else ``"grid"`` where it is tested on numbers.
        where: a condition, in words.
        at_least: values from which on it is promised.
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
        layers: names of the layers, for the index l.
        values: symbol -> exact number as an interval.
        numbers: where each post-hoc number of the outcome stands in the formula.
        notes: what was chosen on the way, for the reader.
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
        bound: its name.
        left: what the formula bounds.
        formula: in the symbols of `meanings` and `definitions`, with L layers.
        meanings: symbol -> what it is, without markup.
        sketch: why it holds, or that this is not derived here, or the counter-example.
        fill: takes the numbers out of an evaluation; raises `NotFilled`.
        definitions: abbreviations.
        promises: how it moves.
        condition: when this form is the one, in words.
        applies: when this form is the one.
        rho: the positively homogeneous number of the network in the formula of a `NormComplexity` outcome.
        value: the number itself where the formula is a part of a published one.
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
        """Return the formula, or another expression in its symbols, written out for a number of layers.

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
        """Return an interval of about 50 digits that contains the formula's value for exact inputs."""
        return interval_of(self.at_depth(len(filled.layers), expr), filled.values)


INDEX = sympy.Symbol("l", integer=True, positive=True)
"""The layer l."""
DEPTH = sympy.Symbol("L", integer=True, positive=True)
"""The number of layers L."""


COUNTS = {"m", "C", "d", "W", "N", "q_max"}
"""Names of symbols that are at least 1."""


def unindexed(expr: Expr) -> tuple[Expr, dict[Basic, Basic]]:
    """Return an expression with plain positive symbols for indexed ones, and which became which."""
    found = {
        atom: sympy.Symbol(f"{atom.base}_{atom.indices[0]}", positive=True)
        for atom in sorted(expr.atoms(sympy.Indexed), key=str)
    }
    return expr.xreplace(found), dict(found)


def derivative_sign(form: SymbolicForm, promise: Promise, depth: int = 3) -> str | None:
    """Return ``"grows"`` or ``"falls"`` where sympy proves the sign of a derivative at a number of layers, else None.

    Args:
        form: the form.
        promise: names the symbol; an indexed one stands for each layer of the `depth` layers.
        depth: number of layers; ignored where the depth itself moves, all indexed symbols being 1 then.
    """
    if promise.symbol == DEPTH:
        real = sympy.Symbol("L", positive=True)
        ones = {base[INDEX]: 1 for base in form.formula.atoms(sympy.IndexedBase)}
        moving = form.formula.xreplace(ones).doit().subs(DEPTH, real)
        return _sign(sympy.diff(moving, real), {})
    expr, renamed = unindexed(form.at_depth(depth))
    if isinstance(promise.symbol, sympy.Indexed):
        moved = [new for old, new in renamed.items() if old.base == promise.symbol.base]
    else:
        moved = [promise.symbol]
    signs = {_sign(sympy.diff(expr, symbol), {symbol: promise.at_least}) for symbol in moved}
    return signs.pop() if len(signs) == 1 else None


def _sign(derivative: Expr, least: Mapping[Basic, int]) -> str | None:
    """Return the direction of a derivative; counts are at least 1, which is put in by a shift."""
    shifts = {
        symbol: symbol + least.get(symbol, 1) for symbol in derivative.free_symbols if symbol.name in COUNTS
    }
    shifted = derivative.subs(shifts)
    for candidate in (shifted, sympy.factor(shifted), sympy.simplify(shifted)):
        if candidate.is_positive:
            return "grows"
        if candidate.is_negative:
            return "falls"
    return None

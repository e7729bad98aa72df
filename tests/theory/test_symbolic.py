"""Symbolic forms: one for every bound, written out at a depth, and moving as they promise."""

from __future__ import annotations

import itertools
import math

import pytest
import sympy

from boundcalc.bounds import registry
from boundcalc.theory.forms import all_forms, forms_of
from boundcalc.theory.forms.notation import C, E, L, X, a, gamma, m
from boundcalc.theory.symbolic import DEPTH, INDEX, Filled
from boundcalc.theory.symbolic_interval import exact, interval_of, log_middle
from boundcalc.theory.symbolic_ledger import CONFIDENCE, VALUES, grid_point, weight

EVERY = [form for forms in all_forms().values() for form in forms]
PROMISES = [(form, promise) for form in EVERY for promise in form.promises]


def test_every_bound_has_a_form():
    assert set(all_forms()) == set(registry)
    assert forms_of("of somebody else") == ()


@pytest.mark.parametrize("form", EVERY, ids=lambda form: f"{form.bound} {form.condition}")
def test_every_symbol_is_explained(form):
    defined = {definition.symbol.base for definition in form.definitions}
    exprs = [
        form.formula,
        *(d.expr for d in form.definitions),
        *([form.value] if form.value is not None else []),
    ]
    used = {
        atom
        for expr in exprs
        for atom in expr.free_symbols
        if not isinstance(atom, sympy.tensor.indexed.IndexedBase)
    }
    meant = {symbol.base if isinstance(symbol, sympy.Indexed) else symbol for symbol in form.meanings}
    names = {str(symbol) for symbol in meant} | {str(base) for base in defined} | {"l", "k"}
    left = {str(symbol) for symbol in used if not isinstance(symbol, sympy.Indexed)} - names
    assert not left, f"{form.bound}: {left} without a meaning"
    assert form.sketch
    assert form.promises


COUNTS = {"m", "C", "d", "W", "N", "q_max"}
"""Names of symbols that are at least 1."""


def unindexed(expr):
    """Return an expression with its indexed symbols replaced by plain positive symbols, and the map of replacements."""
    found = {
        atom: sympy.Symbol(f"{atom.base}_{atom.indices[0]}", positive=True)
        for atom in sorted(expr.atoms(sympy.Indexed), key=str)
    }
    return expr.xreplace(found), dict(found)


def derivative_sign(form, promise, depth=3):
    """Return ``"grows"`` or ``"falls"`` if sympy proves the sign of the derivative at `depth` layers, otherwise None.

    Args:
        form: the form.
        promise: claim that names the symbol; an indexed symbol stands for each of the `depth` layers.
        depth: number of layers; ignored if the promise is about the depth itself, where all indexed symbols are 1.
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


def _sign(derivative, least):
    """Return the direction given by the sign of a derivative; a shift of the symbols expresses that counts are at least 1."""
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


@pytest.mark.parametrize(
    ("form", "promise"),
    [pair for pair in PROMISES if pair[1].shown == "derivative"],
    ids=lambda value: getattr(value, "bound", None) or str(value.symbol),
)
def test_promises_by_derivative(form, promise):
    assert derivative_sign(form, promise) == promise.direction


def filled_with(form, depth, changed):
    """Numbers for all symbols: m = 50, the others about 2."""
    expr = form.at_depth(depth)
    symbols = sorted(
        (s for s in expr.atoms(sympy.Symbol, sympy.Indexed) if not isinstance(s, sympy.Idx)), key=str
    )
    values = {symbol: 1.5 + 0.25 * place for place, symbol in enumerate(symbols)}
    values |= {symbol: 0.3 for symbol in symbols if str(symbol) == "delta"}
    return {**values, m: 50.0, **changed}


def size(form, depth, changed):
    values = filled_with(form, depth, changed)
    return log_middle(interval_of(form.at_depth(depth), {s: exact(v) for s, v in values.items()}))


@pytest.mark.parametrize(
    ("form", "promise"), PROMISES, ids=lambda value: getattr(value, "bound", None) or str(value.symbol)
)
def test_promises_on_a_grid(form, promise):
    depth, symbol = 3, promise.symbol
    if symbol == L:
        ones = {a[index]: 1.0 for index in range(1, 9)}
        sizes = [size(form, depth, {**ones, L: float(depth)}) for depth in range(1, 7)]
    elif isinstance(symbol, sympy.Indexed):
        moved = [{symbol.base[2]: value} for value in (1.1, 2.0, 9.0, 80.0)]
        sizes = [size(form, depth, change) for change in moved]
    else:
        grid = (
            (9.0, 20.0, 100.0, 900.0)
            if symbol == m
            else (0.05, 0.2, 0.6, 0.9)
            if str(symbol) == "delta"
            else (1.5, 3.0, 20.0, 400.0)
        )
        scale = math.sqrt if symbol == m and X in form.at_depth(depth).free_symbols else None
        sizes = [size(form, depth, {symbol: v, **({X: scale(v)} if scale else {})}) for v in grid]
    steps = [right - left for left, right in itertools.pairwise(sizes)]
    sign = 1 if promise.direction == "grows" else -1
    assert all(sign * step >= -1e-12 for step in steps), (form.bound, symbol, sizes)
    assert sign * (sizes[-1] - sizes[0]) > 0, (form.bound, symbol, sizes)


@pytest.mark.parametrize("name", ["peeling", "path_norm"])
def test_kind_f_vanishes_like_one_over_root_m(name):
    """With an energy of e per sample, sqrt(m) R_S does not depend on m."""
    e, P, z = sympy.symbols("e P z", positive=True)
    formula = forms_of(name)[0].formula.subs({E: e * m, P: e * m, z: sympy.sqrt(e * m)})
    assert sympy.limit(formula, m, sympy.oo) == 0
    assert not sympy.simplify(formula * sympy.sqrt(m)).has(m)


def test_the_margin_error_terms_vanish():
    share, samples = sympy.symbols("share m", positive=True)
    assert sympy.limit(CONFIDENCE, samples, sympy.oo) == 0
    assert sympy.limit(CONFIDENCE.subs(samples, 1), share, 0) == sympy.oo
    assert all(expr.has(share) for expr in VALUES.values())


def test_written_out():
    form = forms_of("gouk2021_fro")[0]
    assert str(form.at_depth(1)) == "D[1]*Z[1]/m"
    bartlett = forms_of("bartlett2017")[0].at_depth(2)
    assert bartlett.has(gamma)
    assert {str(atom.base) for atom in bartlett.atoms(sympy.Indexed)} == {"G", "r", "D", "O", "beta", "w"}


def test_intervals_refuse_what_they_cannot_enclose():
    with pytest.raises(ValueError, match="cannot evaluate sin"):
        interval_of(sympy.sin(m), {m: exact(1)})
    with pytest.raises(KeyError, match="no number for C"):
        interval_of(C * m, {m: exact(1)})
    form = forms_of("neyshabur2015_fro")[0]
    with pytest.raises(KeyError, match="no number for"):
        form.evaluate(Filled(("fc",), {}))


def test_harmonic_numbers_on_both_sides_of_the_switch():
    n = sympy.Symbol("n", positive=True)
    for k in (1, 7, 1000, 1001, 5000):
        true = math.fsum(1 / i for i in range(1, k + 1))
        found = interval_of(sympy.harmonic(n), {n: exact(k)})
        assert float(found.a) == pytest.approx(true, rel=1e-14)
        assert found.a <= found.b


def test_grid_points_in_exact_arithmetic():
    from boundcalc.bounds.risk import LOG_STEP, LOWEST, grid_above

    for value in (0.0, 1e-15, -3.7, 12.0, 5 * LOG_STEP, -math.inf):
        assert grid_point(value) == grid_above(value)
    assert grid_point(-math.inf) == LOWEST
    assert float(sum(weight(k) for k in range(-500, 501))) == pytest.approx(1 - 4 / (3 * 502), abs=1e-5)

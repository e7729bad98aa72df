"""Symbolic forms of the peeling bound."""

from __future__ import annotations

import math

from sympy import Expr, Symbol, pi, sqrt

from boundcalc.bounds.outcome import NormComplexity
from boundcalc.theory.forms.notation import C, exact, exp_of, grows, m, meanings
from boundcalc.theory.symbolic import Evaluation, Filled, NotFilled, Promise, SymbolicForm
from boundcalc.theory.symbolic_interval import Interval

rho, z, z_top, w, n = (Symbol(name, positive=True) for name in ("rho", "z", "z_top", "w", "n"))
_FALLS = Promise(m, "falls", "derivative")


def fill(evaluation: Evaluation) -> Filled:
    """Fill in the scale of the output and the moments that the chosen variant recorded.

    Raises:
        NotFilled: the network is 0, or all inputs are 0.
    """
    terms, problem = evaluation.outcome.terms, evaluation.problem
    outcome = evaluation.outcome
    assert isinstance(outcome, NormComplexity)
    moments = terms["log_moments"]
    if moments["z"] is None or outcome.log_rho == -math.inf:
        raise NotFilled("the network is 0, and so is the bound")
    values: dict[object, Interval] = {
        m: exact(problem.energies.m), C: exact(problem.network.outputs), rho: exp_of(outcome.log_rho),
        z: exp_of(moments["z"]), z_top: exp_of(moments["z_top"]), n: exact(terms["output_pairs"]),
        w: exp_of(moments["w"] if moments["w"] is not None else 0.0),
    }  # fmt: skip
    split = (
        f"{name}: nodes of {size} channels, {terms['norms'][name]} norm"
        for name, size in terms["split"].items()
    )
    chosen = (
        f"{terms['structure']} structure, {terms['positions']} positions, t = {terms['constant']:g},"
        f" output measured by {terms['output_norm']}, sets of inputs by {terms['input_sets']}"
    )
    bits = ", ".join(f"{name} {value:.1f}" for name, value in terms["bits"].items())
    return Filled((), values, notes=(chosen, *split, f"bits paid: {bits}"))


def _norm(name: str, evaluation: Evaluation) -> bool:
    return bool(evaluation.outcome.terms["output_norm"] == name)


def _by_moment(evaluation: Evaluation) -> bool:
    return _norm("l1 over units", evaluation) and not _by_comparison(evaluation)


def _by_comparison(evaluation: Evaluation) -> bool:
    """Return whether Chevet's inequality gives a smaller value than the second moment."""
    if not _norm("l1 over units", evaluation):
        return False
    moments, classes = evaluation.outcome.terms["log_moments"], evaluation.problem.network.outputs
    if moments["w"] is None:
        return False
    chevet = math.sqrt(classes) * math.exp(moments["w"] - moments["z"]) + math.exp(
        moments["z_top"] - moments["z"]
    )
    return math.sqrt(math.pi / 2) * chevet < math.sqrt(classes)


_MEANINGS = {
    **meanings(m),
    rho: "scale of the output: each node's scale is the norm of its weights times its predecessors' scales",
    z: "root of the second moment of the largest sum of signs over the sets of inputs, with log(3/2) a ReLU",
}
_STEPS = (
    "Split each layer into nodes. The supremum over the last weights leaves rho times the largest unit's sum of signs.",
    "A ReLU is half its argument and half an absolute value: a step costs 3/2, for the supremum over all nodes of a layer at once,"
    " so neither nodes nor paths are counted.",
    "At layer 1 sums over sets of inputs are left: E cosh(lambda ||sum xi_i v_i||) <= exp(lambda^2 sum ||v_i||^2 / 2).",
    "Sharing weights over positions only shrinks the class, so no Toeplitz matrix appears.",
)


def _form(
    formula: Expr, norm: str, applies: object, more: dict[Expr, str], moves: tuple[Expr, ...]
) -> SymbolicForm:
    return SymbolicForm(
        "peeling", "R_S(F_rho)", formula, {**_MEANINGS, **more}, _STEPS, fill,
        promises=(_FALLS, *(grows(symbol) for symbol in (rho, *moves))), applies=applies, rho=rho, condition=norm,  # type: ignore[arg-type]
    )  # fmt: skip


FORMS = (
    _form(
        rho * sqrt(C) * z / m, "output measured by l1 over units of l2 over classes, by second moments", _by_moment,
        meanings(C), (C, z),
    ),
    _form(
        rho * sqrt(pi / 2) * (sqrt(C) * w + z_top) / m,
        "output measured by l1 over units of l2 over classes, by Gaussian comparison (Chevet)", _by_comparison,
        {**meanings(C), w: "largest root of a unit's squares over the sample", z_top: "as z, one step less"}, (C, w, z_top),
    ),
    _form(
        rho * z / m, "output measured by l1 over units and classes", lambda each: _norm("l1", each),
        {z: "root of the second moment of the largest sum of signs over sets of inputs and classes"}, (z,),
    ),
    _form(
        rho * sqrt(n) * z / m, "output measured by l2", lambda each: _norm("l2", each),
        {n: "predecessors of the classes, added up"}, (n, z),
    ),
)  # fmt: skip

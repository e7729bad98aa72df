"""Symbolic form of the bound by the l1 path norm."""

from __future__ import annotations

import math

from sympy import Symbol

from boundcalc.bounds.outcome import NormComplexity
from boundcalc.theory.forms.notation import exact, exp_of, grows, m, meanings
from boundcalc.theory.symbolic import Evaluation, Filled, NotFilled, Promise, SymbolicForm

Phi, z = (Symbol(name, positive=True) for name in ("Phi", "z"))


def fill(evaluation: Evaluation) -> Filled:
    """Fill in the path norm at the chosen t and the second moment.

    Raises:
        NotFilled: the network is 0, or all inputs are 0.
    """
    outcome = evaluation.outcome
    assert isinstance(outcome, NormComplexity)
    log_z = outcome.terms["log_moment"]
    if log_z is None or outcome.log_rho == -math.inf:
        raise NotFilled("the network is 0, and so is the bound")
    values = {m: exact(evaluation.problem.energies.m), Phi: exp_of(outcome.log_rho), z: exp_of(log_z)}
    t = outcome.terms["constant"]
    return Filled((), values, notes=() if t is None else (f"t = {t:g}",))


FORMS = (
    SymbolicForm(
        "path_norm", "R_S(F)", Phi * z / m,
        {
            **meanings(m),
            Phi: "l1 path norm: one pass of ones through absolute weights, biases over t, outputs and pooling windows summed",
            z: "root of the second moment of the largest sum of signs over coordinates (and the constant) of all classes, log(3/2) a"
            " ReLU",
        },
        (
            "The class is the l1 hull of its paths: E sup G(|sum xi relu(w.v)|) <= (3/2) E sup G(max_p |sum xi v_p|).",
            "C (d + 1) coordinates are left: E cosh(lambda |sum xi_i x_i|) <= exp(lambda^2 sum x_i^2 / 2) for each.",
        ),
        fill, promises=(Promise(m, "falls", "derivative"), grows(Phi), grows(z)), rho=Phi,
    ),
)  # fmt: skip

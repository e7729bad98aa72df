"""Symbolic form of Long & Sedghi 2020."""

from __future__ import annotations

from sympy import log, sqrt

from boundcalc.theory.forms.notation import (
    D,
    L,
    W,
    by_layer,
    delta,
    exact,
    grows,
    l,
    m,
    meanings,
    recorded,
    sum_of,
)  # fmt: skip
from boundcalc.theory.symbolic import Evaluation, Filled, Promise, SymbolicForm


def fill(evaluation: Evaluation) -> Filled:
    """Fill in spectral distances."""
    terms, problem = evaluation.outcome.terms, evaluation.problem
    distances = recorded(evaluation, "distances")
    values = {
        m: exact(problem.energies.m), W: exact(terms["weights"]), delta: exact(problem.settings.delta),
        **by_layer(D, [exact(value) for value in distances.values()]),
    }  # fmt: skip
    return Filled(tuple(distances), values, notes=(f"distances from {terms['distance_from']}",))


FORMS = (
    SymbolicForm(
        "longsedghi2020", "score", sqrt((W * sum_of(D[l]) + log(1 / delta)) / m),
        {
            **meanings(m, L, delta),
            W: "number of weights, pruned ones included",
            D[l]: "spectral norm of layer l's Toeplitz matrix minus the reference's, from above",
        },
        (
            "Published with a universal constant that is not known: it ranks networks and is not a bound.",
            "The source covers the network's parameters in the spectral norm; not proved again here.",
        ),
        fill, promises=(
            Promise(m, "falls", "grid"), grows(W, "grid"), grows(D[l], "grid"), Promise(delta, "falls", "grid"),
        ),
    ),
)  # fmt: skip

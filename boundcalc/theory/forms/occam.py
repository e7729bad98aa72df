"""Symbolic form of the description-length certificate."""

from __future__ import annotations

from sympy import Symbol, log

from boundcalc.theory.forms.notation import delta, exact, m, meanings
from boundcalc.theory.symbolic import Evaluation, Filled, Promise, SymbolicForm

bits = Symbol("bits", positive=True)


def fill(evaluation: Evaluation) -> Filled:
    """Fill in the length of the best codeword."""
    terms, problem = evaluation.risk.terms, evaluation.problem
    price = terms["normalization_bits"]
    values = {
        m: exact(problem.energies.m), delta: exact(problem.settings.delta), bits: exact(terms["bits"]) + exact(price),
    }  # fmt: skip
    notes = [
        f"found by {terms['found_by']}",
        f"training error {terms['train_error']:.6g} of the quantized network",
    ]
    notes += [f"bits of {section}: {value:.1f}" for section, value in terms["sections"].items()]
    notes += [f"bits of the normalization: {price:.1f}"] if price else []
    return Filled((), values, notes=tuple(notes))


FORMS = (
    SymbolicForm(
        "occam", "kl(err_S(h) || err(h))", (bits * log(2) + log(1 / delta)) / m,
        {
            **meanings(m, delta),
            bits: "length of h's codeword in a prefix code fixed before the sample, and of a normalization that came from it",
        },
        (
            "Chernoff: for one h, P(kl(err_S || err) > eps and err_S < err) <= exp(-m eps).",
            "A union over codewords with share delta 2^-bits each; Kraft's inequality makes the shares sum to at most delta.",
            "The value is the largest err(h) that satisfies it. It certifies the quantized network, not the checkpoint's.",
        ),
        fill, promises=(Promise(m, "falls", "grid"), Promise(bits, "grows", "derivative")),
    ),
)  # fmt: skip

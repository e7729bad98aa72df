"""Forms of Golowich, Rakhlin & Shamir 2018."""

from __future__ import annotations

from sympy import log, sqrt

from boundcalc.theory.forms.notation import (
    BIAS,
    FALLS_IN_M,
    C,
    E,
    L,
    a,
    by_layer,
    constant_energy,
    d,
    energy,
    exact,
    grows,
    l,
    largest_energy,
    m,
    meanings,
    product_of,
    recorded,
    sizes,
    spread,
)  # fmt: skip
from boundcalc.theory.symbolic import Evaluation, Filled, Form, Promise

_DEPTH = Promise(L, "grows", "derivative", "all norms 1")


def fill_frobenius(evaluation: Evaluation) -> Filled:
    """Take norms and sizes from a product of Frobenius norms."""
    return _filled(evaluation, energy(evaluation.problem, constant_energy(evaluation)))


def fill_l1(evaluation: Evaluation) -> Filled:
    """Take norms and sizes from a product of l1-inf norms."""
    return _filled(evaluation, largest_energy(evaluation.problem, constant_energy(evaluation)))


def _filled(evaluation: Evaluation, energy_used: object) -> Filled:
    norms = recorded(evaluation, "norms")
    values = {**sizes(evaluation), E: exact(energy_used), **by_layer(a, [exact(v) for v in norms.values()])}  # type: ignore[arg-type]
    t = evaluation.outcome.terms["constant"]
    return Filled(tuple(norms), values, notes=() if t is None else (f"t = {t:g}: {BIAS}",))


FROBENIUS_MEANINGS = {
    **meanings(m, C, L),
    a[l]: "Frobenius norm of layer l's Toeplitz matrix",
    E: "energy of the data: sum of all squared inputs",
}
L1_MEANINGS = {
    **meanings(m, C, d, L),
    a[l]: "largest l1 norm of a row of layer l's Toeplitz matrix",
    E: "largest energy of an input coordinate over the sample",
}
RHO = product_of(a[l])

FORMS = (
    Form(
        "golowich2018_fro", "R_S(F)", C * RHO * sqrt(E) * spread(L * log(2)) / m, FROBENIUS_MEANINGS,
        (
            "Jensen's inequality takes the supremum into exp(lambda .).",
            "Lemma 1 of the source removes one ReLU layer at a time: the largest column of a layer carries the supremum, and"
            " dropping the absolute value doubles the expectation. L layers leave 2^L.",
            "What is left is E exp(lambda M ||sum_i xi_i x_i||), bounded by its mean and its sub-Gaussian tail; lambda is chosen.",
            "Outputs are taken one by one, which costs the factor C.",
        ),
        fill_frobenius, promises=(FALLS_IN_M, grows(C), grows(E), grows(a[l]), _DEPTH), rho=RHO,
    ),
    Form(
        "golowich2018_1inf", "R_S(F)", 2 * C * RHO * sqrt(L + 1 + log(d)) * sqrt(E) / m, L1_MEANINGS,
        (
            "As golowich2018_fro, with the maximum norm of a layer's values and l1 norms of rows.",
            "The last step is a maximum over d coordinates and two signs, each sub-Gaussian with its own energy.",
            "Outputs are taken one by one, which costs the factor C.",
        ),
        fill_l1, promises=(FALLS_IN_M, grows(C), grows(d), grows(E), grows(a[l]), _DEPTH), rho=RHO,
    ),
)  # fmt: skip

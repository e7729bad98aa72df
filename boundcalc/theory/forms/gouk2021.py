"""Forms after Gouk, Hospedales & Pontil 2021."""

from __future__ import annotations

from fractions import Fraction

from sympy import Expr, IndexedBase, Product, log, sqrt

from boundcalc.bounds.distances import names_of, start_of
from boundcalc.bounds.outcome import PostHocClass
from boundcalc.norms.toeplitz import rows_of
from boundcalc.theory.forms.notation import (
    FALLS_IN_M,
    C,
    D,
    E,
    L,
    at_numbers,
    by_layer,
    d,
    energy,
    exact,
    grows,
    k,
    l,
    largest_energy,
    m,
    meanings,
    post_hoc,
    sizes,
    spread,
    sum_of,
)  # fmt: skip
from boundcalc.theory.symbolic import Evaluation, Filled, Form

B, N = IndexedBase("B", positive=True), IndexedBase("N", positive=True)


def _formula(factor: Expr) -> Expr:
    moved = D[l] * Product(B[k], (k, 1, l - 1)) * Product(N[k], (k, l + 1, L)) * factor
    return C / m * sqrt(E) * sum_of(moved)


def _filled(evaluation: Evaluation, used: Fraction) -> Filled:
    outcome, problem = evaluation.outcome, evaluation.problem
    assert isinstance(outcome, PostHocClass)
    chain = problem.toeplitz()
    names = names_of(chain)
    numbers = post_hoc(outcome, names, norm=B, distance=D)
    starts = [start_of(problem, link.layer) for link in chain.links]
    fixed = [
        0.0 if start is None else rows_of(link, start).l1_inf().value
        for link, start in zip(chain.links, starts, strict=True)
    ]
    zero = {D[index]: exact(0) for index in range(1, len(names) + 1)}
    values = {
        **sizes(evaluation), E: exact(used), **by_layer(N, [exact(value) for value in fixed]), **zero,
        **at_numbers(outcome, numbers),
    }  # fmt: skip
    skipped = [names[j] for j in range(len(names)) if f"distance.{names[j]}" not in outcome.numbers]
    notes = [f"distances from {outcome.terms['distance_from']}"]
    if skipped:
        notes.append(f"a later reference is 0, so no distance of {', '.join(skipped)} is needed")
    return Filled(tuple(names), values, numbers, tuple(notes))


def fill_1inf(evaluation: Evaluation) -> Filled:
    """Take l1-inf norms."""
    return _filled(evaluation, largest_energy(evaluation.problem))


def fill_fro(evaluation: Evaluation) -> Filled:
    """Take Frobenius norms."""
    return _filled(evaluation, energy(evaluation.problem))


def _meanings(norm: str, data: str) -> dict[Expr, str]:
    return {
        **meanings(m, C, L), E: data, D[l]: f"{norm} of layer l's Toeplitz matrix minus the reference's",
        B[l]: f"{norm} of layer l's Toeplitz matrix", N[l]: "largest l1 norm of a row of the reference's matrix",
    }  # fmt: skip


_SKETCH = (
    "A unit's value minus the reference's moves by (w - w_0) h + w_0 (h - h_0); contraction removes its ReLU.",
    "The second part passes on the difference of the layer below with the reference's row norm, the first costs a distance.",
    "The complexity of h itself is that of the layers below, by Lemma 1 of Golowich, Rakhlin & Shamir 2018.",
    "Derived here: the module gives the full proof, and its constants are not the source's.",
)
_PROMISES = (FALLS_IN_M, grows(C), grows(E), grows(D[l]))

FORMS = (
    Form(
        "gouk2021_1inf", "R_S(F)", _formula(sqrt(2 * ((l - 1) * log(2) + log(2 * d)))),
        {**_meanings("largest l1 row norm", "largest energy of an input coordinate"), **meanings(d)}, _SKETCH, fill_1inf,
        promises=(*_PROMISES, grows(d)),
    ),
    Form(
        "gouk2021_fro", "R_S(F)", _formula(spread((l - 1) * log(2))),
        _meanings("Frobenius norm", "energy of the data: sum of all squared inputs"), _SKETCH, fill_fro, promises=_PROMISES,
    ),
)  # fmt: skip

"""Symbolic forms after Gouk, Hospedales & Pontil 2021."""

from __future__ import annotations

from functools import partial

import numpy as np
from sympy import Expr, IndexedBase, Product

from boundcalc.bounds.distances import names_of, start_of
from boundcalc.bounds.gouk2021 import log_row
from boundcalc.bounds.outcome import ClassComplexity
from boundcalc.bounds.toeplitz.scale import FRO, ONE_INF, contractions
from boundcalc.bounds.toeplitz.scale import ToeplitzNorm as Norm
from boundcalc.bounds.toeplitz.units import Bottom
from boundcalc.errors import NotCovered
from boundcalc.norms.toeplitz import rows_of
from boundcalc.theory.forms.notation import (
    FALLS_IN_M,
    D,
    L,
    at_numbers,
    by_layer,
    exact,
    exp_of,
    grows,
    k,
    l,
    m,
    meanings,
    post_hoc,
    sizes,
    sum_of,
)  # fmt: skip
from boundcalc.theory.symbolic import Evaluation, Filled, NotFilled, SymbolicForm

B, N, Z = (IndexedBase(name, positive=True) for name in ("B", "N", "Z"))
FORMULA = sum_of(D[l] * Product(B[k], (k, 1, l - 1)) * Z[l] * Product(N[k], (k, l + 1, L))) / m


def _filled(evaluation: Evaluation, norm: Norm) -> Filled:
    outcome, problem = evaluation.outcome, evaluation.problem
    assert isinstance(outcome, ClassComplexity)
    try:
        chain = problem.plain_chain()
    except NotCovered as error:
        raise NotFilled("the formula is written out for chains without biases") from error
    if any(step.bias is not None for _, step in chain.blocks()):
        raise NotFilled("the formula is written out for chains without biases")
    names = names_of(chain)
    numbers = post_hoc(outcome, names, norm=B, distance=D)
    starts = [start_of(problem, link.layer) for link in chain.links]
    fixed = [
        exp_of(
            float("-inf")
            if start is None
            else log_row(rows_of(link, start), ONE_INF, summed=link is chain.links[-1])
        )
        for link, start in zip(chain.links, starts, strict=True)
    ]
    sums = []
    for place, (_, step) in enumerate(chain.blocks(), start=1):
        bottom = Bottom.of(problem.energies, norm, 0.0, contractions(chain.steps, step.inputs[0]))
        classes = problem.network.outputs if place == len(names) else 1
        sums.append(exp_of(float(np.float64(bottom.within_exponential(classes=classes)))))
    zero = {D[index]: exact(0) for index in range(1, len(names) + 1)}
    values = {
        m: sizes(evaluation)[m], **by_layer(Z, sums), **by_layer(N, fixed), **zero, **at_numbers(outcome, numbers),
    }  # fmt: skip
    skipped = [name for name in names if f"distance.{name}" not in outcome.numbers]
    notes = [f"distances from {outcome.terms['distance_from']}"]
    if skipped:
        notes.append(f"a later reference is 0, so no distance of {', '.join(skipped)} is needed")
    return Filled(tuple(names), values, numbers, tuple(notes))


def _meanings(norm: str, row: str) -> dict[Expr, str]:
    return {
        **meanings(m, L),
        D[
            l
        ]: f"largest {row} of a row of layer l's Toeplitz matrix minus the reference's; of the last layer the sum over rows",
        B[l]: f"{norm} of layer l's Toeplitz matrix",
        Z[
            l
        ]: "largest sum of signs of unit functions of what layer l reads, (E Z^2)^(1/2); of the last layer over all outputs",
        N[l]: "largest l1 norm of a row of the reference's matrix; of the last layer the sum over rows",
    }


_SKETCH = (
    "A unit's value minus the reference's moves by (w - w_0) h + w_0 (h - h_0); contraction removes its ReLU at no cost.",
    "The second part passes on the difference of the layer below with the reference's row norm, the first costs a distance.",
    "The largest sum of signs of h itself is that of the layers below: 3/2 a ReLU inside cosh, and a second moment.",
    "On graphs and with biases differences of branches add up, and a bias adds what it moved (docs/theory/gouk2021.md).",
    "Derived here: its constants are not the source's.",
)
_PROMISES = (FALLS_IN_M, grows(Z[l]), grows(D[l]))

FORMS = (
    SymbolicForm(
        "gouk2021_1inf", "R_S(F)", FORMULA, _meanings("largest l1 row norm", "l1 norm"), _SKETCH,
        partial(_filled, norm=ONE_INF), promises=_PROMISES
    ),
    SymbolicForm(
        "gouk2021_fro", "R_S(F)", FORMULA, _meanings("Frobenius norm", "l2 norm"), _SKETCH,
        partial(_filled, norm=FRO), promises=_PROMISES
    ),
)  # fmt: skip

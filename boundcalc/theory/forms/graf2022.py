"""Symbolic forms of Graf, Zeng, Rieck, Niethammer & Kwitt 2022."""

from __future__ import annotations

from sympy import Rational, log, sqrt

from boundcalc.theory.forms.bartlett2017 import CAPACITY, LOSS, MEANINGS, PROMISES, SKETCH, fill, form, w
from boundcalc.theory.forms.notation import Ctilde, D, l, m, sum_of
from boundcalc.theory.symbolic import SymbolicForm

_DISTANCE = (
    "(2,1) norm of layer l's kernel minus the reference's: l2 along input channels, summed over the rest"
)
_WEIGHTS = "number of weights and biases of layer l, pruned ones included"

FORMS = (
    form("graf2022_norms", _DISTANCE, _WEIGHTS),
    SymbolicForm(
        "graf2022_params", LOSS,
        2 ** Rational(3, 4) * sqrt(sum_of(w[l]) * sqrt(sum_of(Ctilde[l] ** 2 * log(2 * w[l]) / w[l] ** 2)) / sqrt(m)),
        {**MEANINGS, D[l]: _DISTANCE, w[l]: _WEIGHTS},
        (*SKETCH[:1], "Covers share the resolution out in proportion to the numbers of weights.", *SKETCH[2:]),
        fill, (CAPACITY,), PROMISES,
    ),
)  # fmt: skip

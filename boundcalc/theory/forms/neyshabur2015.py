"""Forms of Neyshabur, Tomioka & Srebro 2015."""

from __future__ import annotations

from sympy import Integer, log, sqrt

from boundcalc.theory.forms.golowich2018 import (
    FROBENIUS_MEANINGS,
    L1_MEANINGS,
    RHO,
    fill_frobenius,
    fill_l1,
)  # fmt: skip
from boundcalc.theory.forms.notation import FALLS_IN_M, C, E, L, a, d, grows, l, m
from boundcalc.theory.symbolic import Form, Promise

_DEPTH = Promise(L, "grows", "derivative", "all norms 1")
_SKETCH = (
    "The supremum over a layer's unit ball is attained by one of its units.",
    "Contraction (Ledoux & Talagrand 1991) removes a ReLU for a factor 2, once for each of the L - 1 hidden layers.",
)

FORMS = (
    Form(
        "neyshabur2015_fro", "R_S(F)", Integer(2) ** (L - 1) * C * RHO * sqrt(E) / m, FROBENIUS_MEANINGS,
        (*_SKETCH, "The first layer leaves E ||sum_i xi_i x_i|| <= sqrt(E). Outputs one by one cost the factor C."),
        fill_frobenius, promises=(FALLS_IN_M, grows(C), grows(E), grows(a[l]), _DEPTH), rho=RHO,
    ),
    Form(
        "neyshabur2015_1inf", "R_S(F)",
        Integer(2) ** (L - 1) * C * RHO * sqrt(2 * log(2 * d)) * sqrt(E) / m, L1_MEANINGS,
        (*_SKETCH, "The first layer leaves a maximum over 2d signed coordinates (Massart). Outputs one by one cost C."),
        fill_l1, promises=(FALLS_IN_M, grows(C), grows(d), grows(E), grows(a[l]), _DEPTH), rho=RHO,
    ),
)  # fmt: skip

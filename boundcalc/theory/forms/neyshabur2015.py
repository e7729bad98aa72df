"""Symbolic forms of Neyshabur, Tomioka & Srebro 2015."""

from __future__ import annotations

from boundcalc.theory.forms.golowich2018 import forms

_SKETCH = (
    "A unit of a layer is its row's norm times a unit function of the layer below.",
    "A ReLU costs 3/2, once for each on the longest path, outside of any exponential.",
)

FORMS = (
    *forms(
        "neyshabur2015_fro", "Frobenius norm", "sqrt(C e^K) times the norm of the data, e^K the product of 3/2 for each ReLU",
        (*_SKETCH, "The square is peeled, so that its root costs (3/2)^(1/2) a ReLU; E ||sum_i xi_i x_i||^2 = ||X||^2."),
    ),
    *forms(
        "neyshabur2015_1inf", "largest l1 norm of a row", "C e^K times the largest sum of signs of a coordinate",
        (*_SKETCH, "The last step is a maximum over the coordinates of the input, each with its own energy."),
    ),
)  # fmt: skip

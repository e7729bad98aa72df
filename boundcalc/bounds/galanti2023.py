"""The number that the released code of Galanti, Xu, Galanti & Poggio 2023 computes: refuted (docs/theory/galanti2023.md).

    complexity = rho_F / m * Q,   value = (rho_F + 1)/m * 2 sqrt(2) Q + 3 sqrt(log(2 (rho_F + 2)^2 / delta) / (2m)),
    Q = (1 + sqrt(2 (L log(2 max_l k_l^2) + log C))) sqrt(max_pixel sum_i x_i[pixel]^2) prod_l k_l,   rho_F = prod_l ||W^l||_F.

The formula lacks the fan-in of the last linear layer and sqrt(C), so that attained complexities exceed it. `peeling` is the repaired
theorem; this file is kept to reproduce published figures. Linear layers count as kernels of width 1; biases are ignored.
The value is what their theorem adds to the margin error at margin 1, so it is a claim about the error minus this margin
error.
"""

from __future__ import annotations

import math

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import KERNELS
from boundcalc.bounds.outcome import EXCESS, Formula
from boundcalc.norms.kernels import frobenius
from boundcalc.norms.rounding import LOG2, log_product, log_up, logsumexp, shown, shown_log10


def compute(problem: BoundInputs) -> Formula:
    """Evaluate the released formula.

    Raises:
        NotCovered: the network is not a chain of layers.
    """
    links, m = problem.plain_chain().links, problem.energies.m
    layers = [link.layer for link in links]
    log_norms = [frobenius(layer.weight).log for layer in layers]
    areas = [math.prod(layer.window.kernel) if layer.kind != "linear" else 1 for layer in layers]
    log_width = 0.5 * sum(math.log(area) for area in areas)
    classes = problem.network.outputs
    factor = 1 + math.sqrt(2 * (len(layers) * math.log(2 * max(areas)) + math.log(classes)))
    log_q = log_product([math.log(factor), 0.5 * log_up(problem.energies.max_pixel, 1), log_width])
    log_rho = log_product(log_norms)
    spread = (LOG2 - math.log(problem.settings.delta) + 2 * logsumexp([log_rho, LOG2])) / (2 * m)
    main = log_product([logsumexp([log_rho, 0.0]), 1.5 * LOG2, log_q, -math.log(m)])
    terms = {
        "norms": {layer.name: shown(value) for layer, value in zip(layers, log_norms, strict=True)},
        "log10_norm_product": shown_log10(log_rho),
        "max_pixel_energy": problem.energies.max_pixel,
        "kernel_widths": shown(log_width),
        "factor": factor,
        "biases": "ignored by the formula",
    }
    log_value = logsumexp([main, log_up(3 * math.sqrt(spread), 8)])
    return Formula(log_product([log_rho, log_q, -math.log(m)]), log_value, terms, EXCESS)


register(
    Bound(
        "galanti2023",
        "F",
        "refuted",
        "Released code of Galanti, Xu, Galanti & Poggio 2023, Norm-based Generalization Bounds for Sparse Neural Networks",
        (
            "no assumption makes it true in general, so it is not a bound",
            "see peeling for the repaired theorem",
        ),
        compute,
        remark="refuted: the last layer's fan-in and sqrt(C) are missing; kept to reproduce published figures",
        hypotheses=KERNELS,
    )
)

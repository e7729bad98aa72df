"""Score after Long & Sedghi 2020 (Generalization bounds for deep convolutional neural networks).

    sqrt((W sum_l ||A^l - A^l_0||_2 + log(1/delta)) / m)

where W is the number of weights. The theorem has an unknown universal constant and assumes ||A^l_0||_2 = 1: the number orders
networks of one kind and says nothing about the error. Biases are left out. The sum runs over all layers of any graph of layers,
whereas the theorem covers chains.
"""

from __future__ import annotations

import math
from dataclasses import replace

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.distances import names_of, origin, start_of, weight_minus_init
from boundcalc.bounds.outcome import Score, Terms
from boundcalc.norms.rounding import log_product, log_up, logsumexp, shown
from boundcalc.norms.spectral import spectral_norm


def compute(problem: BoundInputs) -> Score:
    """Evaluate the score.

    Raises:
        NotCovered: an operation is not a linear map, ReLU, pooling, sum or the like.
    """
    chain, m = problem.toeplitz(), problem.energies.m
    distances = []
    for link, own in zip(chain.links, chain.spectral, strict=True):
        start = start_of(problem, link.layer)
        shifted = replace(link, layer=replace(link.layer, weight=weight_minus_init(problem, link.layer)))
        distances.append(log_up(own if start is None else spectral_norm(shifted), 4))
    weights = sum(link.layer.parameters for link in chain.links)
    total = log_product([math.log(weights), logsumexp(distances)])
    sure = -math.log(problem.settings.delta)
    log_score = 0.5 * log_product([logsumexp([total, log_up(sure, 1)]), -math.log(m)])
    terms: Terms = {
        "distances": dict(zip(names_of(chain), map(shown, distances), strict=True)),
        "distance_from": origin(problem, chain),
        "weights": weights,
    }
    return Score(log_score, terms)


register(
    Bound(
        "longsedghi2020", "score", "score", "Long & Sedghi 2020, Theorem 2.1, without its universal constant",
        ("linear maps, ReLUs, pooling, sums and the like; the theorem itself is about chains",), compute, spectral=True,
        remark="a score: the theorem's universal constant is not known, so it says nothing about the error",
    )
)  # fmt: skip

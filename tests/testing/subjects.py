"""Problems that several tests share; each is made once."""

from __future__ import annotations

from functools import cache

import distance_twins
import peeling_networks
import torch

from boundcalc.bounds import registry
from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.testing import mlp, problem_of

NETWORKS = {
    "perceptron": lambda: mlp((5, 6, 4, 3)),
    "with biases": lambda: mlp((5, 6, 4, 3), 1, bias=True),
    "deep": lambda: mlp((4, 3, 3, 3, 2), 3, 0.9),
    "one layer": lambda: mlp((5, 3)),
    "one output": lambda: mlp((5, 4, 1), 2),
    "convolutions": lambda: distance_twins.conv_chain(0),
    "average pooling": lambda: distance_twins.pooled(0),
    "max pooling": lambda: peeling_networks.max_pooled(0),
    "residual": lambda: peeling_networks.identity_skips(0),
    "circular": lambda: distance_twins.circular(0),
}
WITH_REFERENCE = ("perceptron", "with biases", "convolutions", "average pooling")
ALL = (*((name, False) for name in NETWORKS), *((name, True) for name in WITH_REFERENCE))


@cache
def problem(name: str, referred: bool = False, copies: int = 1) -> BoundInputs:
    network = NETWORKS[name]()
    random = torch.Generator().manual_seed(0)
    x = torch.randn(12, *network.input_shape, generator=random, dtype=torch.float64).repeat_interleave(
        copies, 0
    )
    labels = torch.arange(len(x)) % max(2, network.outputs)
    reference = distance_twins.reference_for(network) if referred else None
    return problem_of(network, x, labels, reference, passes=0)


def bounds():
    return list(registry.values())

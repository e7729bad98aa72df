"""Stored counter-examples of refuted bounds: each must violate its bound on every run."""

from __future__ import annotations

import math

import torch

from boundcalc.theory.falsify_blueprint import Drafter
from boundcalc.theory.falsify_draw import Case


def galanti2023() -> Case:
    """Return the counter-example: a 1x1 convolution of weight 1, one linear output of norm 1, and 40 uniform samples
    on [0, 1]^256.

    See docs/theory/galanti2023.md. The class contains all linear maps of norm 1, so that R_S is the mean of
    ||sum xi_i x_i|| / m.
    """
    side, m = 16, 40
    draft = Drafter((1, side, side))
    draft.linear(draft.relu(draft.conv(0, 1, 1)), 1)
    weights = {
        "layer0.weight": torch.ones(1, 1, 1, 1, dtype=torch.float64),
        "layer1.weight": torch.full((1, 1, side, side), 1 / side, dtype=torch.float64),
    }
    random = torch.Generator().manual_seed(0)
    x = torch.rand(m, 1, side, side, generator=random, dtype=torch.float64)
    assert math.isclose(float(weights["layer1.weight"].norm()), 1.0)
    return Case(draft.blueprint(), weights, x, torch.zeros(m, dtype=torch.int64), 1.0, data="uniform")


COUNTER_EXAMPLES = {"galanti2023": galanti2023}
"""Name of a refuted bound -> its case."""

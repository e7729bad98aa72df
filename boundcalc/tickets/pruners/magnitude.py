"""Magnitude pruning (Han et al. 2015; Frankle & Carbin 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boundcalc.tickets.pruner import Pruner

if TYPE_CHECKING:
    from torch import nn

    from boundcalc.tickets.pruner import PrunerInputs, Scores


def score(module: nn.Module, inputs: PrunerInputs | None = None) -> Scores:
    """Score weights by |w| (Han et al. 2015; Frankle & Carbin 2019).

    Args:
        module: the masked network.
        inputs: not used.
    """
    from boundcalc.tickets.masks import weights

    return {key: weight.detach().abs() for key, weight in weights(module).items()}


PRUNER = Pruner("magnitude", 2, score, blind=True)

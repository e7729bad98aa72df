"""Random masks with layer densities that follow Erdos-Renyi kernels (Mocanu et al. 2018; Evci et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boundcalc.tickets.pruner import Pruner

if TYPE_CHECKING:
    from torch import nn

    from boundcalc.tickets.pruner import PrunerInputs, Scores


def score(module: nn.Module, inputs: PrunerInputs) -> Scores:
    """Score weights by minus a uniform number over the layer's share, so that a layer's density is proportional to its
    share.

    The share of a layer is (n_in + n_out + kernel widths) / (n_in n_out kernel size). With U uniform and a threshold t
    common to all layers, -U / share > -t has probability min(1, t share): a layer that would keep more than all of its
    weights keeps all, and the rest of the budget goes to the others. Under scope `layerwise` this is random pruning.

    Args:
        module: the masked network.
        inputs: the inputs, of which the generator is used.
    """
    import torch

    from boundcalc.tickets.masks import weights

    return {
        key: -torch.rand(weight.shape, generator=inputs.generator, dtype=torch.float64).to(weight.device)
        * (weight.numel() / sum(weight.shape))
        for key, weight in weights(module).items()
    }


PRUNER = Pruner("erk", 6, score, blind=True)

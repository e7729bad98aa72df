"""The assumptions of the theorem, which of them a checkpoint violates, and which numbers are the paper's."""

from __future__ import annotations

import torch

from boundcalc.network.network import Network
from boundcalc.network.ops import (
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Input,
    Masked,
    MaxPool,
    ReLU,
    Unknown,
    is_layer,
    masked_of,
)

SOURCE = "Zhang, Wang, Liu, Chen & Xiong 2021, Why Lottery Ticket Wins?"

ASSUMPTIONS = (
    "one hidden layer of ReLU neurons, g(x) = (1/K) sum_j relu(w_j . x)",
    "labels made by a teacher of this form with K neurons, of full rank",
    "independent standard Gaussian inputs",
    "the mask holds the teacher's support",
    "the mask was not chosen by the sample",
    "training starts near the teacher",
)

UNVERIFIABLE = (
    "labels come from a teacher of this form, whose kappa and Gamma are estimated by the checkpoint's",
    "the mask holds the teacher's support",
    "the mask was not chosen by the sample",
    "training starts near the teacher",
)

ORIGINS = {
    "K": "exact, neurons without surviving weights dropped",
    "fan_in": "exact",
    "r_tilde": "the paper's definition, exact",
    "r_tilde_dense": "the paper's definition for the same neurons unpruned, exact",
    "ratio": "N / N_dense at the same target: the paper's proportionality to r~, free of constants; of all layers together: "
    "share of hidden weights that survive, the paper's empirical extension",
    "radius_loss_ratio": "sqrt(ratio): follows from the radius 1 - sqrt(N_0 / N), not checked against the paper's text",
    "log_kappa": "exact for the checkpoint, an estimate of the teacher's",
    "log_gamma": "exact for the checkpoint, an estimate of the teacher's",
    "N": "c eps0^-2 kappa^4 Gamma^2 K^4 r~ log q: proportionality to r~ is the paper's, the powers of eps0, kappa, Gamma and "
    "K were not checked against its text, c is an experiment's",
}
"""Where each number comes from, by its name in the report."""


def hidden_layers(network: Network) -> tuple[Masked, ...]:
    """Return the masked layers whose output another layer with weights reads, directly or indirectly, in execution order."""
    return tuple(layer for index in _hidden(network) for layer in masked_of(network.nodes[index]))


def _hidden(network: Network) -> list[int]:
    is_read = [False] * len(network.nodes)
    for index, node in reversed(list(enumerate(network.nodes))):
        for source in node.inputs:
            is_read[source] |= is_layer(node) or is_read[index]
    return [index for index, read in enumerate(is_read) if read and masked_of(network.nodes[index])]


def _names(network: Network, indices: list[int]) -> list[str]:
    return [layer.name for index in indices for layer in masked_of(network.nodes[index])]


def violations(network: Network) -> tuple[str, ...]:
    """Return, in words, the assumptions of the theorem that a network violates.

    Args:
        network: network with masked weights.

    Returns:
        One sentence per violation. Assumptions that no checkpoint can show (`UNVERIFIABLE`) are not included.
    """
    found = [
        *_of_depth(network),
        *_of_inputs(network),
        *_of_layers(network),
        *_of_operations(network),
        *_of_output(network),
    ]
    return tuple(found)


def _of_depth(network: Network) -> list[str]:
    if network.depth == 2:
        return []
    if network.depth < 2:
        return ["no hidden layer: the theorem does not speak of this network"]
    return [
        f"depth: {network.depth} layers of weights, not 2; the formula is used layer by layer, "
        "which is the paper's empirical extension"
    ]


def _of_inputs(network: Network) -> list[str]:
    found = ["inputs: the data is not known to be independent standard Gaussian"]
    nodes = network.nodes
    deeper = _names(
        network, [i for i in _hidden(network) if not isinstance(nodes[nodes[i].inputs[0]], Input)]
    )
    if deeper:
        found.append(f"inputs: {_listed(deeper)} read values of other layers, which are not Gaussian")
    return found


def _of_layers(network: Network) -> list[str]:
    layers, hidden = list(network.layers()), hidden_layers(network)
    readers = network.consumers()
    biased = [layer.name for layer in layers if layer.bias is not None and bool(layer.bias.any())]
    convolutions = [layer.name for layer in hidden if layer.kind != "linear"]
    folded = [layer.name for layer in hidden if layer.folded]
    nodes = network.nodes
    alone = [i for i in _hidden(network) if not all(isinstance(nodes[reader], ReLU) for reader in readers[i])]
    linear = _names(network, alone)
    return [
        f"{problem}: {_listed(names)}{why}"
        for problem, names, why in (
            ("biases", biased, ""),
            ("convolution", convolutions, " (a filter taken for a neuron, its patch for the input)"),
            ("BatchNorm", folded, " (folded into the weights)"),
            ("no ReLU of its own after the layer", linear, ""),
        )
        if names
    ]


def _of_operations(network: Network) -> list[str]:
    names = {
        AvgPool: "average pooling",
        MaxPool: "max pooling",
        Add: "sums of branches",
        ChannelAffine: "BatchNorm that is not folded",
    }
    present = [name for kind, name in names.items() if any(isinstance(node, kind) for node in network.nodes)]
    unknown = sorted({node.op for node in network.nodes if isinstance(node, Unknown)})
    return [f"operations: {_listed([*present, *unknown])}"] if present or unknown else []


def _of_output(network: Network) -> list[str]:
    last = next((node for node in reversed(network.nodes) if isinstance(node, Affine)), None)
    single = network.outputs == 1
    found = [] if single else [f"outputs: {network.outputs}, not 1"]
    if last is not None and network.depth == 2 and not (single and _averages(last)):
        found.append(f"second-layer weights: those of {last.name} are not all 1/K")
    return found


def _averages(last: Affine) -> bool:
    weights = last.weight.flatten()
    return bool(torch.allclose(weights, torch.full_like(weights, 1 / weights.numel()), rtol=1e-6, atol=0))


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"

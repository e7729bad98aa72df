"""The network behind a fixed first stage, which is the one that bounds by norms apply to.

A first stage has no parameters and was fixed before any sample was drawn. Its values on an iid sample are therefore an iid
sample, and all networks behind it form one class of functions of these values.
"""

from __future__ import annotations

from dataclasses import replace

from boundcalc.network.network import Network
from boundcalc.network.ops import FirstStage


def behind_first_stage(network: Network) -> Network | None:
    """Return the network that starts at the first stage's value; None unless a first stage alone reads the input."""
    start, *later = network.nodes
    if not later or not isinstance(later[0], FirstStage) or any(0 in node.inputs for node in later[1:]):
        return None
    nodes = [replace(node, inputs=tuple(i - 1 for i in node.inputs)) for node in later[1:]]
    shape = later[0].shape
    return replace(network, nodes=(replace(start, shape=shape), *nodes), input_shape=shape)

"""The network behind a fixed first stage: what bounds by norms speak of.

A first stage has no parameters and was fixed before any sample, so that the values that it makes of an iid sample are an iid sample,
and the class of all networks behind it is one class of functions of them.
"""

from __future__ import annotations

from dataclasses import replace

from boundcalc.network.network import Network
from boundcalc.network.ops import FirstStage


def behind_first_stage(network: Network) -> Network | None:
    """Return the network whose input is the first stage's value; None where no first stage stands alone between it and the input."""
    start, *later = network.nodes
    if not later or not isinstance(later[0], FirstStage) or any(0 in node.inputs for node in later[1:]):
        return None
    nodes = [replace(node, inputs=tuple(i - 1 for i in node.inputs)) for node in later[1:]]
    shape = later[0].shape
    return replace(network, nodes=(replace(start, shape=shape), *nodes), input_shape=shape)

"""Counts of operations on paths from the input to the output, and their cost in a peeling."""

from __future__ import annotations

import math

from boundcalc.errors import NotCovered
from boundcalc.network.network import Network
from boundcalc.network.ops import (
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    LeakyReLU,
    MaxPool,
    Node,
    Rearrange,
    ReLU,
)
from boundcalc.norms.rounding import LOG2
from boundcalc.rademacher.relu_cost import (
    LOG_STEP,
    leaky_log_cost,
    log_cost,
    maximum_steps,
    rectified_maximum_steps,
)

LOG3 = math.log(3.0) * (1 + 2.0**-52)


def has_constant(network: Network) -> bool:
    """Return whether the architecture has biases or shifts."""
    return any(
        (isinstance(node, Affine) and node.bias is not None) or isinstance(node, ChannelAffine)
        for node in network.nodes
    )


def longest(network: Network, *kinds: type[Node]) -> int:
    """Return the largest number of nodes of the given kinds on a path from input to output."""
    lengths: list[int] = []
    for node in network.nodes:
        lengths.append(max((lengths[i] for i in node.inputs), default=0) + isinstance(node, kinds))
    return lengths[-1]


def input_skips_relu(network: Network) -> bool:
    """Return whether a linear image of the raw input is added to a value that has passed a ReLU.

    Values >= 0 that skip ReLUs do so at no cost, since relu(u) = u; only raw inputs, which have signs, cost something.
    """
    raw, deep = [True], [False]
    skipping = False
    for node in network.nodes[1:]:
        raw_here, deep_here = any(raw[i] for i in node.inputs), any(deep[i] for i in node.inputs)
        skipping |= raw_here and deep_here
        rectified = isinstance(node, ReLU | MaxPool | LeakyReLU)
        raw.append(raw_here and not rectified)
        deep.append(deep_here or rectified)
    return skipping


def output_reads_rectified(network: Network) -> bool:
    """Return whether the last layers read only values >= 0: outputs of ReLUs and their maxima, averages and sums."""
    signed, waiting = _signed(network), [len(network.nodes) - 1]
    while waiting:
        node = network.nodes[waiting.pop()]
        if isinstance(node, Add):
            waiting += node.inputs
        elif signed[node.inputs[0]]:
            return False
    return True


def log_factor(network: Network) -> float:
    """Return K, the log of the cost of ReLUs and maxima in a peeling, rounded up.

    The most expensive path counts: parallel paths are united, and a value >= 0 passes the steps of longer paths at no cost. A ReLU,
    or a maximum over k values >= 0, takes the steps of `boundcalc.rademacher.relu_cost`; a ReLU before or after a maximum takes
    its steps together with it; a leaky ReLU of slope a costs (3 - a)/2. A step costs (1/2) + (1/2)(2 + 1) = 2 if it leaves some
    members unchanged that may be negative (windows of signed values that do not fill their tree, signed maxima or leaky ReLUs
    parallel to other paths, several slopes). Raw inputs that are added past a ReLU leave the recursion where they exit:
    sum_k (3/2)^k <= 3 (3/2)^K, which adds log 3.

    Raises:
        NotCovered: a leaky ReLU has a slope outside [0, 1].
    """
    nodes, signed = network.nodes, _signed(network)
    readers = [[k for k, reader in enumerate(nodes) if index in reader.inputs] for index in range(len(nodes))]
    steps, waits, costs = [0], [0], [0.0]
    mixed = False
    for index, node in enumerate(nodes[1:], start=1):
        source = node.inputs[0]
        own, waiting = 0, 0
        cost = 0.0
        if isinstance(node, ReLU):
            own = 1
        elif isinstance(node, LeakyReLU):
            own, mixed = 1, True
            cost = _leaky_cost(node) - LOG_STEP
        elif isinstance(node, MaxPool):
            values = _entries(node)
            rectified_next = all(isinstance(nodes[k], ReLU) for k in readers[index]) and bool(readers[index])
            if isinstance(nodes[source], ReLU) or (signed[source] and rectified_next):
                own = rectified_maximum_steps(values) - 1
            else:
                own = maximum_steps(values)
                waiting = _waiting_steps(node, own) if signed[source] else 0
                mixed |= signed[source]
        steps.append(max(steps[i] for i in node.inputs) + own)
        waits.append(max(waits[i] for i in node.inputs) + waiting)
        costs.append(max(costs[i] for i in node.inputs) + log_cost(own) + cost)
    branched = any(len(node.inputs) > 1 for node in nodes)
    exits = LOG3 if input_skips_relu(network) else 0.0
    dear = LOG2 * (1 + 2.0**-50)
    if mixed and branched:
        return steps[-1] * dear + exits
    return costs[-1] + min(waits[-1], steps[-1]) * (dear - LOG_STEP * (1 - 2.0**-50)) + exits


def _leaky_cost(node: LeakyReLU) -> float:
    low, high = float(node.slopes.min()), float(node.slopes.max())
    if low < 0 or high > 1:
        raise NotCovered("leaky ReLU of a slope outside [0, 1]", node.name)
    return leaky_log_cost(low, 1.0) if low == high else LOG2 * (1 + 2.0**-50)


def _entries(pool: MaxPool) -> int:
    return math.prod(pool.window.kernel)


def _waiting_steps(pool: MaxPool, steps: int) -> int:
    """Return the number of steps of a maximum over signed values that leave some members unchanged."""
    window = pool.window
    padded = any(window.pads) or any(
        (axis.out - 1) * axis.stride + axis.reach > axis.size + axis.before
        for axis in (window.height, window.width)
    )
    if padded:
        return steps
    return 0 if _entries(pool) == 2**steps else 1


def _signed(network: Network) -> list[bool]:
    """Return, for every node, whether its values may be negative."""
    found: list[bool] = []
    for node in network.nodes:
        below = any(found[i] for i in node.inputs)
        if isinstance(node, ReLU):
            found.append(False)
        elif isinstance(node, AvgPool):
            found.append(below or bool((node.rows_h < 0).any()) or bool((node.rows_w < 0).any()))
        elif isinstance(node, ChannelAffine):
            found.append(below or bool((node.scale < 0).any()) or bool((node.shift < 0).any()))
        elif isinstance(node, MaxPool | Rearrange | Add | Concat):
            found.append(below)
        else:
            found.append(True)
    return found


def neurons_deep(network: Network) -> int:
    """Return D of Gonon et al. 2024, the largest number of neurons on a path; a sum is part of the neuron whose argument it is."""
    depth, open_sum = [0], [False]
    for node in network.nodes[1:]:
        below = [depth[i] for i in node.inputs]
        if isinstance(node, Add):
            own = max(d + (not open_sum[i]) for d, i in zip(below, node.inputs, strict=True))
        elif isinstance(node, Rearrange):
            own = below[0]
        else:
            own = below[0] + (not (isinstance(node, ReLU) and open_sum[node.inputs[0]]))
        depth.append(own)
        kept = isinstance(node, Rearrange) and open_sum[node.inputs[0]]
        open_sum.append(isinstance(node, Affine | Add) or kept)
    return depth[-1]

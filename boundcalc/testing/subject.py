"""Subjects of the checks: small networks, and the problem built from a network and arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from boundcalc.bounds.bound_inputs import BoundInputs, BoundSettings, chain_of
from boundcalc.bounds.catalogue import Bound
from boundcalc.bounds.risk import risk_bound
from boundcalc.empirical.datasets import Dataset, open_data
from boundcalc.empirical.measure import measure
from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, Input, Node, ReLU


def mlp(sizes: Sequence[int], seed: int = 0, density: float = 0.6, *, bias: bool = False) -> Network:
    """Return a random masked multilayer perceptron.

    Args:
        sizes: inputs, hidden widths, outputs.
        seed: seed of weights and masks.
        density: expected share of surviving weights.
        bias: whether layers have biases.

    Example:
        >>> mlp((3, 4, 2), density=1.0).parameters
        20
    """
    random = torch.Generator().manual_seed(seed)
    nodes: list[Node] = [Input("x", (), (sizes[0], 1, 1))]
    for index, (width, out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        weight = torch.randn((out, width, 1, 1), generator=random, dtype=torch.float64)
        weight = weight * (torch.rand(weight.shape, generator=random) < density)
        vector = torch.randn(out, generator=random, dtype=torch.float64) if bias else None
        nodes.append(
            Affine(
                f"layer{index}", (len(nodes) - 1,), (out, 1, 1), "linear", weight, vector, weight != 0, None,
                (out, width), Window.whole((1, 1)),
            )
        )  # fmt: skip
        if index < len(sizes) - 2:
            nodes.append(ReLU("relu", (len(nodes) - 1,), (out, 1, 1)))
    return Network(tuple(nodes), "random", (sizes[0],))


def problem_of(
    network: Network,
    x: Any,
    labels: Any,
    reference: Mapping[str, torch.Tensor] | None = None,
    **settings: Any,
) -> BoundInputs:
    """Build the inputs of a bound from a network and arrays.

    Args:
        network: the network, e.g. ``boundcalc.load("ticket.pt")``.
        x: samples in the form in which the network receives them, (m, ...) float.
        labels: labels, (m,) integers.
        reference: initial weights, ``"fc1.weight"`` -> (out, in / groups, kernel height, kernel width) float64.
        **settings: fields of `boundcalc.bounds.bound_inputs.BoundSettings`.
    """
    inputs = np.asarray(x, dtype=np.float64)
    dataset = open_data((inputs.reshape(len(inputs), *network.input_shape), np.asarray(labels)))
    measured = measure(network, dataset)
    return BoundInputs(
        network, measured.energies, measured.margins, BoundSettings(**settings), dict(reference or {}),
        chain_of(network, spectral=True), measured.patches, dataset.train,
    )  # fmt: skip


def with_network(problem: BoundInputs, network: Network) -> BoundInputs:
    """Return the problem with another network; if it has samples, margins and patch norms are measured again."""
    chain = chain_of(network, spectral=True)
    if problem.split is None:
        return replace(problem, network=network, chain=chain, patches=None)
    measured = measure(network, Dataset("samples", problem.split, None))
    return replace(problem, network=network, chain=chain, margins=measured.margins, patches=measured.patches)


def complexity(bound: Bound, problem: BoundInputs) -> float:
    """Return the log of the complexity, or of the score, that a bound computes at the network's own norms.

    Raises:
        NotCovered: the bound does not cover the network.
        ValueError: the bound has no complexity, like a certificate.
    """
    found = risk_bound(bound.compute(problem), problem).log_complexity
    if found == math.inf:
        raise ValueError(f"{bound.name} has no complexity")
    return found


def close(left: float, right: float, tolerance: float) -> bool:
    """Return whether two logarithms agree up to an absolute tolerance; equal infinities agree."""
    return left == right or math.isclose(left, right, rel_tol=0.0, abs_tol=tolerance)

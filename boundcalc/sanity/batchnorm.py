"""Compare the inputs with the statistics of the first BatchNorm, which record what the first layer received in training.

In evaluation mode a BatchNorm returns (z - mean) / deviation, scaled and shifted. On inputs as in training,
(z - mean) / deviation has mean 0 and variance 1 in every channel, up to the lag of the moving average. On inputs
in other units it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from boundcalc.errors import NotCovered
from boundcalc.network.forward import evaluate_node
from boundcalc.network.ops import Affine, ChannelAffine, Node
from boundcalc.sanity.candidates import base_inputs, candidates_for

if TYPE_CHECKING:
    from boundcalc.analysis_result import AnalysisResult

LEAST_SAMPLES = 20
MOST_SAMPLES = 256
"""Number of samples that are checked."""

LEAST_SHIFT = 1.0
"""Standard deviations by which half of the channels must be shifted; augmentation and a moving average's lag make less than 0.3."""

LEAST_VARIANCE_RATIO = 4.0
"""Factor by which half of the channels' variances must be off; augmentation and lag make less than 1.5."""


def batchnorm(result: AnalysisResult) -> list[str]:
    """Warn if the inputs of the first BatchNorm do not have the statistics that it recorded in training.

    Fires if the median over channels of the mean is off by more than one standard deviation, or that of
    the variance by more than a factor of 4. If a common normalization corrects both, it is named.

    Args:
        result: result of one analysis.
    """
    found = _first(result)
    base = base_inputs(result)
    if found is None or base is None or len(base) < LEAST_SAMPLES:
        return []
    node, name, gain, shift = found
    assert result.measured is not None and result.measured.census is not None
    mean, variance = _moments(node, gain, shift, result.measured.census.x[:MOST_SAMPLES])
    if not _is_unusual(mean, variance):
        return []
    line = (
        f"the inputs are not what BatchNorm {name} saw in training: half of its channels are off by {mean:.2g} "
        f"standard deviations or more, with {variance:.2g} times the variance"
    )
    for known in candidates_for(result):
        if not _is_unusual(*_moments(node, gain, shift, known(base[:MOST_SAMPLES]))):
            return [f"{line}: {known.option} ({known.name}) they agree: try that"]
    return [f"{line}: are these the data and the normalization (--normalize) of its training?"]


def _is_unusual(mean: float, variance: float) -> bool:
    return not (mean <= LEAST_SHIFT and 1 / LEAST_VARIANCE_RATIO <= variance <= LEAST_VARIANCE_RATIO)


def _first(result: AnalysisResult) -> tuple[Node, str, torch.Tensor, torch.Tensor] | None:
    """Return a node that reads the input and ends with a BatchNorm, and the BatchNorm's name, scale and shift; None
    if there is none.
    and shift.
    """
    tensors = result.checkpoint.tensors
    for read in result.network.nodes[1:]:
        node = read
        if node.inputs != (0,):
            continue
        if isinstance(node, Affine) and node.norms_before:
            name, eps = node.norms_before[0]
            node = _unfolded(result.network.nodes[0], name, eps, tensors)
        elif isinstance(node, Affine) and len(node.norms) == 1:
            name = node.norms[0][0]
        elif isinstance(node, ChannelAffine):
            name = node.name
        else:
            continue
        variance = tensors.get(f"{name}.running_var")
        if variance is None or variance.numel() != node.shape[0]:
            continue
        ones = torch.ones(node.shape[0], dtype=torch.float64)
        gain = tensors.get(f"{name}.weight", ones).double()
        shift = tensors.get(f"{name}.bias", ones * 0).double()
        if bool(gain.any()):
            return node, name, gain, shift
    return None


def _unfolded(before: Node, name: str, eps: float, tensors: Mapping[str, torch.Tensor]) -> ChannelAffine:
    """Return a BatchNorm of the input that was folded into the layer after it, as a node."""
    ones = torch.ones(before.shape[0], dtype=torch.float64)
    mean, variance = (tensors[f"{name}.{which}"].double() for which in ("running_mean", "running_var"))
    scale = (variance + eps).rsqrt() * tensors.get(f"{name}.weight", ones).double()
    shift = tensors.get(f"{name}.bias", ones * 0).double() - mean * scale
    return ChannelAffine(name, (0,), before.shape, scale, shift, eps)


def _moments(node: Node, gain: torch.Tensor, shift: torch.Tensor, x: torch.Tensor) -> tuple[float, float]:
    """Return medians over live channels of |mean| and variance of the BatchNorm's output before its scale and shift."""
    try:
        with torch.no_grad():
            out = evaluate_node(node, [x])
    except NotCovered:
        return 0.0, 1.0
    alive = gain != 0
    plain = (out[:, alive] - shift[alive, None, None]) / gain[alive, None, None]
    values = plain.transpose(0, 1).flatten(1)
    return float(values.mean(1).abs().median()), float(values.var(1).median())

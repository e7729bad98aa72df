"""Sample complexity of a checkpoint, layer by layer.

The theorem of Zhang et al. 2021 (`boundcalc.samples.zhang2021`) covers one hidden layer; deeper networks are treated layer by
layer, which is the paper's empirical extension. kappa and Gamma of the teacher are estimated by those of the checkpoint. N is
None until a calibrated constant is given; the ratios are free of constants.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from boundcalc.errors import BoundcalcError, UsageError
from boundcalc.network.network import Network
from boundcalc.network.ops import Masked
from boundcalc.samples.assumptions import hidden_layers, violations
from boundcalc.samples.calibration import Calibration
from boundcalc.samples.conditioning import Conditioning, conditioning
from boundcalc.samples.verdict import LogN, Question, Verdict, judge
from boundcalc.samples.zhang2021 import log_samples, r_tilde, r_tilde_dense

DELTA = 0.05
"""Largest failure probability for which q is chosen."""

LARGEST_LOG = 700.0
"""Natural logs above this overflow a double."""


@dataclass(frozen=True)
class Spread:
    """Numbers r_j of surviving weights of the live neurons of a layer.

    Attributes:
        smallest: smallest number, min_j r_j.
        mean: mean of the r_j.
        largest: largest number, max_j r_j.
    """

    smallest: int
    mean: float
    largest: int


@dataclass(frozen=True)
class LayerSamples:
    """Sample complexity of one hidden layer.

    Attributes:
        name: the layer's key without ".weight".
        neurons: number of neurons, dead ones included.
        K: number of neurons with at least one surviving weight.
        fan_in: number of weights of a neuron, pruned ones included.
        parameters: number of weights, pruned ones included.
        surviving: number of weights that the mask keeps.
        spread: minimum, mean and maximum of the r_j; None if K = 0.
        r_tilde: effective number of weights r~; None if K = 0.
        r_tilde_dense: r~ of the same K neurons unpruned; None if K = 0.
        conditioning: kappa and Gamma of the checkpoint's weights.
        state: ``"ok"``, or why N is undefined: ``"empty"`` or ``"rank-deficient"``.
        log_q: log q in nats; None without calibration or if K = 0.
        log_needed: logs of N and of the ends of its interval; None without calibration or if the state is not ``"ok"``.
    """

    name: str
    neurons: int
    K: int
    fan_in: int
    parameters: int
    surviving: int
    spread: Spread | None
    r_tilde: float | None
    r_tilde_dense: float | None
    conditioning: Conditioning
    state: str
    log_q: float | None = None
    log_needed: LogN | None = None

    @property
    def ratio(self) -> float | None:
        """N / N_dense at the same target: r~ / r~_dense."""
        if self.r_tilde is None or self.r_tilde_dense is None:
            return None
        return self.r_tilde / self.r_tilde_dense

    @property
    def radius_loss_ratio(self) -> float | None:
        """(1 - radius) / (1 - radius_dense) for the radius of local convexity, at the same target and N."""
        return None if self.ratio is None else math.sqrt(self.ratio)


@dataclass(frozen=True)
class SampleComplexity:
    """The statement of the theorem for a checkpoint.

    Attributes:
        layers: hidden layers in execution order.
        eps0: accuracy parameter of N: `target_error`, or that of the calibration; None without either.
        calibration: calibration that provides c; None without one.
        log_needed: logs of N and of the ends of its interval, taken from the layer with the largest N; None if a
            layer has none.
        reason: why there is no N, or "" if there is.
        verdict: answer to "is my sample large enough?"; None if the question was not asked.
        violated: assumptions of the theorem that the checkpoint violates.
    """

    layers: tuple[LayerSamples, ...]
    eps0: float | None
    calibration: Calibration | None
    log_needed: LogN | None
    reason: str
    verdict: Verdict | None
    violated: tuple[str, ...]

    @property
    def surviving_hidden(self) -> int:
        """Surviving weights of all hidden layers."""
        return sum(layer.surviving for layer in self.layers)

    @property
    def parameters_hidden(self) -> int:
        """Weights of all hidden layers, pruned ones included."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def ratio(self) -> float | None:
        """Share of hidden weights that survive: N / N_dense by the paper's empirical extension to deep networks."""
        return self.surviving_hidden / self.parameters_hidden if self.layers else None

    @property
    def N(self) -> float | None:  # noqa: N802
        """Number of samples; None if there is no N or it overflows a double."""
        if self.log_needed is None or self.log_needed[0] > LARGEST_LOG:
            return None
        return math.exp(self.log_needed[0])


def analyze(
    network: Network,
    calibration: Calibration | None = None,
    samples: int | None = None,
    target_error: float | None = None,
    delta: float = DELTA,
) -> SampleComplexity:
    """Return the sample complexity of every hidden layer.

    Args:
        network: network with masked weights; masks and values are taken after masking and folding.
        calibration: constant c; None leaves N undefined.
        samples: sample size m to be judged.
        target_error: eps0 in (0, 1); None for the accuracy of the calibration.
        delta: q is the larger of the calibration's q and the q at which K q^(-min_j r_j) = `delta`.

    Raises:
        UsageError: an argument is out of range.
        BoundcalcError: a weight is not finite; the message names the layer.

    Source:
        Zhang, Wang, Liu, Chen & Xiong 2021; docs/theory/zhang2021.md.
    """
    _check(samples, target_error, delta)
    eps0 = target_error or (calibration.eps0 if calibration else None)
    need = None if calibration is None or eps0 is None else _Need(calibration, eps0, delta)
    layers = tuple(_layer(layer, need) for layer in hidden_layers(network))
    reason = _reason(layers, calibration)
    log_needed = None if reason else max(layer.log_needed for layer in layers if layer.log_needed)
    violated = violations(network)
    verdict = None
    if samples is not None or target_error is not None:
        verdict = judge(Question(samples, eps0), log_needed, reason, _caveats(layers, calibration, violated))
    return SampleComplexity(layers, eps0, calibration, log_needed, reason, verdict, violated)


@dataclass(frozen=True)
class _Need:
    """The calibrated formula at a fixed accuracy."""

    calibration: Calibration
    eps0: float
    delta: float

    def log_q(self, layer: LayerSamples) -> float | None:
        if layer.spread is None:
            return None
        return max(self.calibration.log_q, math.log(layer.K / self.delta) / layer.spread.smallest)

    def log_needed(self, layer: LayerSamples) -> LogN | None:
        log_q, matrix = self.log_q(layer), layer.conditioning.log_kappa4_gamma2
        if log_q is None or layer.r_tilde is None or matrix is None:
            return None
        measured = self.calibration
        middle, low, high = (
            log_samples(constant, self.eps0, matrix, layer.K, layer.r_tilde, log_q)
            for constant in (measured.c, measured.low, measured.high)
        )
        return middle, low, high


def _check(samples: int | None, target_error: float | None, delta: float) -> None:
    if samples is not None and samples < 1:
        raise UsageError(f"samples {samples}: give at least 1")
    for name, value in (("target error", target_error), ("delta", delta)):
        if value is not None and not 0 < value < 1:
            raise UsageError(f"{name} {value}: give a number between 0 and 1")


def _layer(layer: Masked, need: _Need | None) -> LayerSamples:
    if not bool(torch.isfinite(layer.weight).all()):
        raise BoundcalcError(f"{layer.name}: the weights hold infinite or NaN entries")
    support = _grouped(layer.mask, layer.groups).numpy()
    living = support.sum(2)[support.any(2)]
    K = len(living)
    matrix = conditioning(_grouped(layer.weight, layer.groups), K)
    found = LayerSamples(
        name=layer.name,
        neurons=layer.weight.shape[0],
        K=K,
        fan_in=support.shape[2],
        parameters=layer.parameters,
        surviving=layer.kept,
        spread=Spread(int(living.min()), float(living.mean()), int(living.max())) if K else None,
        r_tilde=r_tilde(support),
        r_tilde_dense=r_tilde_dense(support.any(2).sum(1), support.shape[2]),
        conditioning=matrix,
        state="empty" if K == 0 else "rank-deficient" if matrix.rank_deficient else "ok",
    )
    if need is None:
        return found
    return replace(found, log_q=need.log_q(found), log_needed=need.log_needed(found))


def _grouped(tensor: torch.Tensor, groups: int) -> torch.Tensor:
    """Reshape (out, in / groups, height, width) into (groups, neurons of a group, fan_in)."""
    return tensor.reshape(groups, tensor.shape[0] // groups, -1)


def _reason(layers: tuple[LayerSamples, ...], calibration: Calibration | None) -> str:
    """Return why there is no N, or "" if there is."""
    if not layers:
        return "there is no hidden layer"
    for layer in layers:
        if layer.state != "ok":
            return f"{layer.name} is {layer.state}"
    return "" if calibration else "no calibrated constant: give --calibration FILE"


def _caveats(
    layers: tuple[LayerSamples, ...], calibration: Calibration | None, violated: tuple[str, ...]
) -> tuple[str, ...]:
    """Return caveats about N in words: the misfit of the calibration, extrapolation beyond its runs, violated assumptions."""
    if calibration is None:
        return ()
    found = [f"with one c it misses its own calibration runs by up to a factor of {calibration.misfit:.3g}"]
    widest = max((layer.K for layer in layers), default=0)
    if widest > calibration.largest_k:
        found.append(f"K = {widest} lies beyond their largest, {calibration.largest_k:g}")
    conditionings = [layer.conditioning.log_kappa4_gamma2 for layer in layers]
    if max((value for value in conditionings if value is not None), default=0.0) > math.log(
        calibration.largest_conditioning
    ):
        found.append(f"kappa^4 Gamma^2 lies beyond their largest, {calibration.largest_conditioning:.3g}")
    found.append(f"assumptions that this checkpoint violates: {len(violated)}")
    return tuple(found)

"""From the sample complexity to the report's part ``"samples"``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundcalc.samples.calibration import Calibration
    from boundcalc.samples.zhang2021 import LayerSamples, SampleComplexity


def tree(result: SampleComplexity) -> dict[str, Any]:
    """Return the report's part: the keys of schema ``boundcalc.report/2`` and further ones.

    Args:
        result: of `boundcalc.samples.zhang2021.analyse`.

    Returns:
        Numbers that overflow a double are null, with log10 or log beside them.
    """
    from boundcalc.samples.assumptions import ASSUMPTIONS, ORIGINS, SOURCE, UNVERIFIABLE

    verdict = result.verdict
    return {
        "layers": [_layer(layer) for layer in result.layers],
        "surviving_hidden": result.surviving_hidden,
        "parameters_hidden": result.parameters_hidden,
        "ratio": result.ratio,
        "N": result.N,
        "N_interval": None if result.log_needed is None else [_number(v) for v in result.log_needed[1:]],
        "log10_N": None if result.log_needed is None else result.log_needed[0] / math.log(10),
        "eps0": result.eps0,
        "reason": result.reason or None,
        "calibration": None if result.calibration is None else _calibration(result.calibration),
        "verdict": None if verdict is None else {"answer": verdict.word, "sentence": verdict.sentence},
        "violated": list(result.violated),
        "assumptions": list(ASSUMPTIONS),
        "unverifiable": list(UNVERIFIABLE),
        "origins": dict(ORIGINS),
        "source": SOURCE,
    }


def _layer(layer: LayerSamples) -> dict[str, Any]:
    spread, matrix, needed = layer.spread, layer.conditioning, layer.log_needed
    return {
        "name": layer.name,
        "K": layer.K,
        "r_tilde": layer.r_tilde,
        "r_tilde_dense": layer.r_tilde_dense,
        "surviving": layer.surviving,
        "ratio": layer.ratio,
        "radius_loss_ratio": layer.radius_loss_ratio,
        "neurons": layer.neurons,
        "fan_in": layer.fan_in,
        "r_min": None if spread is None else spread.smallest,
        "r_mean": None if spread is None else spread.mean,
        "r_max": None if spread is None else spread.largest,
        "kappa": _number(matrix.log_kappa),
        "log_kappa": matrix.log_kappa,
        "log_gamma": matrix.log_gamma,
        "state": layer.state,
        "log_q": layer.log_q,
        "N": None if needed is None else _number(needed[0]),
        "log10_N": None if needed is None else needed[0] / math.log(10),
    }


def _calibration(calibration: Calibration) -> dict[str, Any]:
    return {
        "path": calibration.path,
        "c": calibration.c,
        "interval": [calibration.low, calibration.high],
        "level": calibration.level,
        "eps0": calibration.eps0,
        "log_q": calibration.log_q,
        "misfit": calibration.misfit,
        "largest_K": calibration.largest_k,
        "largest_kappa4_gamma2": calibration.largest_conditioning,
        "command": calibration.command,
        "setting": dict(calibration.setting),
        "fit": dict(calibration.fit),
    }


def _number(log_value: float | None) -> float | None:
    from boundcalc.samples.zhang2021 import LARGEST_LOG

    return None if log_value is None or log_value > LARGEST_LOG else math.exp(log_value)

"""The graphon NTK as a part of the report's tree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from boundcalc.norms.rounding import scaled, shown, shown_log10

if TYPE_CHECKING:
    from boundcalc.graphon.kernel_bound import KernelBound, Unproved
    from boundcalc.graphon.ntk_part import KernelAnalysis
    from boundcalc.graphon.ntk_spectrum import Residual

NOTE = "The kernel of the infinitely wide network with these masks, weights and biases left out."
EXTENSION = (
    " Convolutions enter by the share of kernel entries between two channels: an extension beyond the source."
)
OF_INTERPOLANT = (
    "error of the infinitely wide network's minimum-norm interpolant of the batch, not of the checkpoint"
)
AT_SHARES = ", at the batch's class shares"
SOURCE = "Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025"


def tree(analysis: KernelAnalysis) -> dict[str, Any]:
    """Return the report's entry for the graphon NTK.

    Args:
        analysis: of the network's kernel.

    Returns:
        The keys of the report's schema; ``eigenvalues`` is null where float64 does not hold them all, and their logarithms stand in
        ``log10_eigenvalues``, null for 0. Beside them how the kernel was made, ``residual`` (the decay curve) and ``bound``: what
        the kernel bound is of, its terms, or the reason why it is null.
    """
    settings, found = analysis.settings, analysis.spectrum
    eigenvalues = [scaled(float(value), analysis.exponent) for value in found.eigenvalues]
    bound = _bound(analysis.bound)
    return {
        "cells": max(analysis.layers, default=settings.cells) if settings.exact else settings.cells,
        "m": analysis.m,
        "sigma_w2": settings.sigma_w2,
        "alpha": found.alpha,
        "effective_rank": found.effective_rank,
        "gap": found.gap,
        "top5_energy": found.top5_energy,
        "condition": found.condition,
        "eigenvalues": None if None in eigenvalues else eigenvalues,
        "log10_eigenvalues": [_log10(float(value), analysis.exponent) for value in found.eigenvalues],
        "kernel_bound": bound.get("value"),
        "bound": {
            "of": OF_INTERPOLANT + ("" if analysis.whole else AT_SHARES),
            "subject": "interpolant",
            "assumptions": [settings.normalization.assumption()],
            **{key: value for key, value in bound.items() if key != "value"},
        },
        "mode": "exact" if settings.exact else "graphon, layer 1 exact",
        "layer_cells": list(analysis.layers),
        "outputs": analysis.outputs,
        "kernels": analysis.kernels,
        "summarised": "mean over outputs" if analysis.kernels > 1 else "all outputs have one kernel",
        "backend": "numpy" if settings.device == "cpu" else f"torch on {settings.device}",
        "residual": _residual(analysis.residual, settings.learning_rate is None),
        "extension": analysis.extension,
        "note": NOTE + (EXTENSION if analysis.extension else ""),
        "source": SOURCE,
    }


def _bound(found: KernelBound | Unproved) -> dict[str, Any]:
    from boundcalc.graphon.kernel_bound import Unproved

    if isinstance(found, Unproved):
        return {"value": None, "reason": found.reason}
    return {
        "value": shown(found.log_value),
        "log10_value": shown_log10(found.log_value),
        "vacuous": found.log_value >= 0,
        "norm": shown(found.log_norm),
        "log10_norm": shown_log10(found.log_norm),
        "trace": shown(found.log_trace),
        "log10_trace": shown_log10(found.log_trace),
        "complexity": shown(found.log_complexity),
        "log10_complexity": shown_log10(found.log_complexity),
        "confidence_term": found.confidence,
        "mask_bits": found.bits,
        "normalization_bits": found.normalization_bits,
        "reason": None,
    }


def _log10(value: float, exponent: int) -> float | None:
    return math.log10(value) + exponent * math.log10(2.0) if value > 0 else None


def _residual(found: Residual | None, own: bool) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "learning_rate": found.eta,
        "chosen": "1 / lambda_1" if own else "given",
        "steps": list(found.times),
        "share": list(found.shares),
        "rate": found.rate,
    }

"""The part "gntk": the graphon neural tangent kernel on a batch, its spectrum, and the bound for its interpolant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from boundcalc.errors import NotCovered, UsageError
from boundcalc.parts.layer_grid import cell
from boundcalc.parts.part import NO_DATA, Given, NotRun, Option, Part, Quantity
from boundcalc.report.document import Cell, Detail, Section, Term
from boundcalc.report.numbers import plain, show, upper
from boundcalc.report.origin import Origin, of_source
from boundcalc.report.text import one_line

if TYPE_CHECKING:
    from boundcalc.graphon.kernel_bound import KernelBound, Unproved
    from boundcalc.graphon.ntk_part import KernelAnalysis
    from boundcalc.graphon.ntk_spectrum import Residual
    from boundcalc.report.part_types import GntkTree

Tree = dict[str, Any]

NOTE = (
    "The kernel is that of the infinitely wide network with these masks; it does not depend on the "
    "weights and biases."
)
EXTENSION = (
    " A convolution enters through the share of kernel entries that survive between two channels, "
    "which extends the source."
)
OF_INTERPOLANT = (
    "error of the infinitely wide network's minimum-norm interpolant of the batch, not the error of "
    "the checkpoint"
)
AT_CLASS_SHARES = ", at the batch's class shares"
SOURCE = "Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025"


COMPARED = ("alpha", "effective_rank", "gap", "top5_energy", "condition", "kernel_bound")
MEANS = {
    "cells": "cells on each side of the graphon of a hidden layer's mask",
    "m": "number of inputs in the batch",
    "alpha": "decay of the kernel's eigenvalues: lambda_k falls about like k^-alpha",
    "effective_rank": "trace of the kernel divided by its largest eigenvalue",
    "gap": "largest eigenvalue of the kernel divided by the second",
    "top5_energy": "share of the kernel's trace in its five largest eigenvalues",
    "condition": "largest eigenvalue of the kernel divided by the smallest",
    "kernel_bound": (
        "bound on the error of the kernel's minimum-norm interpolant, which is another function than "
        "the checkpoint"
    ),
}
"""The numbers that are shown first, with their definitions; the others are details."""
LABELS = {
    key: Term(label, MEANS[key], "gntk")
    for key, label in (("alpha", "NTK decay alpha"), ("effective_rank", "NTK effective rank"))
}
"""Names of the numbers that the page on many tickets shows."""
SYMBOLS = "Symbols: docs/theory/gntk.md."
APART = frozenset({"bound", "residual", "note", "source", "extension"})


def run(given: Given) -> KernelAnalysis:
    """Compute the kernel of a batch.

    Raises:
        NotRun: there are no data, or the kernel does not cover the network or the options.
    """
    if given.dataset is None:
        raise NotRun(NO_DATA)
    from boundcalc.graphon import ntk, ntk_part

    options = given.options
    memory = ntk.MEMORY if options.max_memory is None else options.max_memory * 1e9
    settings = ntk_part.KernelSettings(
        options.cells, options.batch, options.sigma_w2, options.exact, memory, options.learning_rate,
        options.mask_origin, options.delta, options.seed, given.device(), given.normalization(),
    )  # fmt: skip
    try:
        return ntk_part.analyze(given.network, given.dataset, settings)
    except UsageError as error:
        raise NotRun(str(error)) from error
    except NotCovered as error:
        raise NotRun(f"not covered: {error}") from error


def to_dict(analysis: KernelAnalysis) -> GntkTree:
    """Return the report's entry for the graphon NTK.

    Args:
        analysis: analysis of the network's kernel.

    Returns:
        The keys of the report's schema; ``eigenvalues`` is null if float64 cannot hold them all, and ``log10_eigenvalues`` has
        their logarithms, null for 0. Further keys describe how the kernel was made, ``residual`` (the decay curve) and ``bound``:
        the subject of the kernel bound, its terms, or the reason why it is null.
    """
    from boundcalc.norms.rounding import scaled

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
            "of": OF_INTERPOLANT + ("" if analysis.whole else AT_CLASS_SHARES),
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


def _bound(found: KernelBound | Unproved) -> Tree:
    from boundcalc.graphon.kernel_bound import Unproved
    from boundcalc.norms.rounding import shown, shown_log10

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


def _residual(found: Residual | None, own: bool) -> Tree | None:
    if found is None:
        return None
    return {
        "learning_rate": found.eta,
        "chosen": "1 / lambda_1" if own else "given",
        "steps": list(found.times),
        "share": list(found.shares),
        "rate": found.rate,
    }


def origin(part: Tree, key: str = "") -> Origin:
    """Return the origin of one of the part's numbers, by its key."""
    if key == "kernel_bound" and part.get("kernel_bound") is not None:
        of = one_line(show((part.get("bound") or {}).get("of") or ""))
        return of_source("theorem", part, f"Bounds the {of}." if of else "")
    return of_source("computed", part)


def sections(tree: Tree) -> tuple[Section, ...]:
    """Build one fact for every number of the kernel."""
    part = tree.get("gntk")
    if not part:
        return ()
    facts: list[tuple[str, Cell]] = [
        (
            Term(label, MEANS[key], "gntk") if key in MEANS else Detail(label),
            cell(upper(value) if key == "kernel_bound" else show(value), None, origin(part, key)),
        )
        for key, value in part.items()
        if key not in APART
        for label in [key.replace("_", " ")]
    ]
    found, curve = part.get("bound") or {}, part.get("residual") or {}
    if found:
        facts.append(("kernel bound of", cell(show(found.get("of")), None, origin(part))))
    if found.get("reason"):
        facts.append(("no kernel bound", cell(show(found["reason"]), None, origin(part))))
    if curve:
        shares = zip(curve["steps"], curve["share"], strict=True)
        told = (
            ("residual at step", ", ".join(f"{step:g}: {plain(share)}" for step, share in shares)),
            ("learning rate", f"{plain(curve['learning_rate'])} ({curve['chosen']})"),
            ("y^T Theta y / |y|^2", plain(curve["rate"])),
        )
        facts += [(Detail(label), cell(text, None, origin(part))) for label, text in told]
    notes = (f"{part['note']} {SYMBOLS}",) if part.get("note") else (SYMBOLS,)
    return (Section("Graphon NTK", "gntk", tuple(facts), notes=notes),)


def quantities(tree: Tree) -> tuple[Quantity, ...]:
    """Return the numbers of the spectrum, and the bound on the error of the kernel's interpolant."""
    part = tree.get("gntk")
    if not part:
        return ()
    return tuple(
        Quantity(
            f"gntk.{key}",
            LABELS.get(key, f"NTK {key.replace('_', ' ')}"),
            part.get(key),
            origin(part, key),
            shown=key in LABELS,
            subject="interpolant" if key == "kernel_bound" else "",
        )
        for key in COMPARED
    )


PART = Part(
    "gntk", 50, "graphon NTK", "the graphon neural tangent kernel on a batch of the data",
    run, to_dict, sections, 75, quantities,
    options=(
        Option("batch", "samples in the batch of the graphon NTK (1024)", int, 1024, "M"),
        Option("sigma_w2", "weight variance times fan-in of the graphon NTK (1)", float, 1.0, "V"),
        Option("exact", "graphon NTK of the masks themselves, one cell for each unit", bool, False),
        Option("learning_rate", "learning rate of the graphon NTK's residual curve (1 / largest eigenvalue)", float, metavar="ETA"),
    ),
    needs_order=True,
)  # fmt: skip

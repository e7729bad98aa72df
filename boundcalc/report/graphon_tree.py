"""Mask graphons as a part of the report's tree."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundcalc.graphon.held_out import HeldOut
    from boundcalc.graphon.pham2025 import LayerGraphon, MaskGraphons

NOTE = (
    "Cut norm and L2 norm are of the step graphon less the constant graphon of the same density; the interval of the cut"
    " norm is proved. Cells of a few entries scatter around a constant by chance, and L2 counts that; the bits a held-out"
    " entry takes, with the cells and at the density alone, do not."
)
ROLLED = (
    " Convolutions are rolled: two channels are joined by the share of their kernel that survives; a linear layer after"
    " them reads channels."
)
GROUPED = " Between groups of channels nothing survives, so that the density is of all pairs of channels."
SOURCE = "Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025; Chan & Airoldi 2014"


def tree(found: MaskGraphons) -> dict[str, Any]:
    """Return the report's entry for the mask graphons.

    Args:
        found: of the network's masks.

    Returns:
        The keys of the report's schema; beside them, per layer, ``shape``, ``row_weights`` and ``column_weights`` (measures of the
        cells), ``row_degrees`` and ``column_degrees`` (profiles), ``homomorphisms`` of the mask and of the histogram, ``estimate``
        and ``held_out`` (entries, and bits an entry by estimate), and for the network ``chain`` (the L2 distances where
        hidden layers are ordered once, or why they cannot be), ``note`` and ``source``.
    """
    return {
        "resolution": found.cells,
        "layers": [_layer(layer) for layer in found.layers],
        "chain": _chain(found),
        "note": _note(found),
        "source": SOURCE,
    }


def _note(found: MaskGraphons) -> str:
    rolled = any(layer.taps > 1 for layer in found.layers)
    return NOTE + (ROLLED if rolled else "") + (GROUPED if found.grouped else "")


def _layer(layer: LayerGraphon) -> dict[str, Any]:
    graphon = layer.graphon
    return {
        "name": layer.name,
        "shape": list(layer.shape),
        "density": layer.density,
        "cut_from_constant": list(layer.cut_from_constant),
        "l2_from_constant": layer.l2_from_constant,
        "estimate": layer.used,
        "held_out": _held_out(layer.held_out),
        "homomorphisms": {"mask": asdict(layer.mask), "histogram": asdict(layer.step)},
        "row_weights": graphon.row_weights.tolist(),
        "column_weights": graphon.column_weights.tolist(),
        "row_degrees": graphon.row_degrees.tolist(),
        "column_degrees": graphon.column_degrees.tolist(),
        "histogram": graphon.values.tolist(),
    }


def _held_out(found: HeldOut | None) -> dict[str, Any] | None:
    if found is None:
        return None
    bits = {"constant": found.constant, "sorted": found.sorted, "spectral": found.spectral}
    return {"entries": found.entries, "bits": bits}


def _chain(found: MaskGraphons) -> dict[str, Any]:
    from boundcalc.graphon.refine import from_constant

    if found.chain is None:
        return {"l2_from_constant": None, "reason": f"each layer is ordered for itself alone: {found.reason}"}
    return {"l2_from_constant": [from_constant(one).l2 for one in found.chain.graphons], "reason": None}

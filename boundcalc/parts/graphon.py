"""The part "graphon": the masks as graphons, and their distances from constant graphons."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from boundcalc.parts.layer_grid import Field, cell, layer_grid, mean_over_layers, present
from boundcalc.parts.part import Given, Option, Part, Quantity
from boundcalc.report.document import Section, Term
from boundcalc.report.numbers import interval, percent, show
from boundcalc.report.origin import Origin, of_source

if TYPE_CHECKING:
    from boundcalc.graphon.held_out import HeldOut
    from boundcalc.graphon.mask_graphons import LayerGraphon, MaskGraphons
    from boundcalc.report.part_types import ChainTree, GraphonLayer, GraphonTree, HeldOutTree

Tree = dict[str, Any]

NOTE = (
    "The cut norm and the L2 norm are those of the step graphon minus the constant graphon of the same "
    "density; the interval of the cut norm is proved. Densities of cells with few entries scatter "
    "around a constant by chance; the L2 norm includes that scatter, but the bits per held-out entry, "
    "coded with the cells or with the density alone, do not."
)
ROLLED = (
    " Convolutions are rolled: the connection between two channels is the share of their kernel that "
    "survives, and a linear layer after a convolution reads channels."
)
SYMBOLS = "Symbols: docs/theory/pham2025.md."
GROUPED = (
    " Different groups of channels are not connected, and the density counts the pairs between groups, too."
)
SOURCE = "Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025; Chan & Airoldi 2014"


def run(given: Given) -> MaskGraphons:
    """Estimate the graphon of every layer's mask."""
    from boundcalc.graphon.mask_graphons import analyze

    return analyze(given.network, given.options.cells, given.options.seed)


def to_dict(found: MaskGraphons) -> GraphonTree:
    """Return the report's entry for the mask graphons.

    Args:
        found: graphons of the network's masks.

    Returns:
        The keys of the report's schema. Further keys per layer: ``shape``, ``row_weights`` and ``column_weights`` (measures of
        the cells), ``row_degrees`` and ``column_degrees`` (profiles), ``homomorphisms`` of the mask and of the histogram,
        ``estimate`` and ``held_out`` (entries, and bits per entry for each estimate). Further keys for the network: ``chain``
        (the L2 distances when hidden layers are ordered once, or why they cannot be), ``note`` and ``source``.
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


def _layer(layer: LayerGraphon) -> GraphonLayer:
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


def _held_out(found: HeldOut | None) -> HeldOutTree | None:
    if found is None:
        return None
    bits = {"constant": found.constant, "sorted": found.sorted, "spectral": found.spectral}
    return {"entries": found.entries, "bits": bits}


def _chain(found: MaskGraphons) -> ChainTree:
    from boundcalc.graphon.refine import from_constant

    if found.chain is None:
        return {"l2_from_constant": None, "reason": f"each layer is ordered separately: {found.reason}"}
    return {"l2_from_constant": [from_constant(one).l2 for one in found.chain.graphons], "reason": None}


def of_cut(part: Tree) -> Origin:
    """Return the origin of a cut norm's interval."""
    return of_source("theorem", part, "Both ends of the interval are proved.")


def _exact(part: Tree) -> Origin:
    return of_source("exact", part)


def _computed(part: Tree) -> Origin:
    return of_source("computed", part)


def _held_out_bits(part: Tree) -> Origin:
    return of_source("measured", part, "Bits for an entry that was held out when the cells were made.")


def _term(text: str, means: str) -> Term:
    return Term(text, means, "pham2025")


CUT_NORM_TEXT = (
    "largest |integral over a set of rows and a set of columns| of the mask's step graphon minus the "
    "constant graphon of the same density"
)
L2 = "L2 norm of the mask's step graphon minus the constant graphon of the same density"
FIELDS = (
    Field("density", "density", percent, _exact),
    Field(
        _term("cut norm from constant", f"{CUT_NORM_TEXT}; both ends are proved"),
        "cut_from_constant",
        interval,
        of_cut,
    ),
    Field(_term("L2 from constant", L2), "l2_from_constant", show, _computed),
)
MORE_FIELDS = (
    Field(
        _term("cells by", "how rows and columns were grouped into cells: by degree, or by singular vectors"),
        "estimate", show, _computed,
    ),
    Field(
        _term("bits", "bits per held-out entry of the mask, coded with the density of its cell"),
        "held_out", lambda found: _bits(found, "sorted", "spectral"), _held_out_bits,
    ),
    Field(
        _term("at density", "bits per held-out entry of the mask, coded with the density of the layer"),
        "held_out", lambda found: _bits(found, "constant"), _held_out_bits,
    ),
)  # fmt: skip


def sections(tree: Tree) -> tuple[Section, ...]:
    """Build a table with one row per layer, without the histograms."""
    part = tree.get("graphon")
    if not part:
        return ()
    facts = [("resolution", cell(show(part.get("resolution")), None, _computed(part)))]
    chain = part.get("chain")
    if chain:
        l2 = chain.get("l2_from_constant")
        text = show(l2) if l2 else show(chain.get("reason"))
        facts.append(("L2 distance, sorted once", cell(text, None, _computed(part))))
    grid = layer_grid(part, (*FIELDS, *present(part, MORE_FIELDS)))
    notes = (f"{part['note']} {SYMBOLS}",) if part.get("note") else (SYMBOLS,)
    return (Section("Mask graphon", "graphon", tuple(facts), grid, notes),)


def _bits(found: Tree | None, *estimates: str) -> str:
    """Return the smallest number of bits per held-out entry among some estimates."""
    bits = (found or {}).get("bits") or {}
    return show(min((bits[name] for name in estimates if bits.get(name) is not None), default=None))


def quantities(tree: Tree) -> tuple[Quantity, ...]:
    """Return means over layers: of the proved upper end of the cut norm from constant, and of the L2 norm."""
    part = tree.get("graphon")
    if not part:
        return ()
    cut = mean_over_layers(part, lambda layer: (layer.get("cut_from_constant") or (None, None))[1])
    l2 = mean_over_layers(part, lambda layer: layer.get("l2_from_constant"))
    of_mean = of_source("computed", part, "Mean over layers of a proved upper end.")
    return (
        Quantity(
            "graphon.cut_from_constant",
            _term("graphon cut norm, mean", f"mean over layers: {CUT_NORM_TEXT}"),
            cut,
            of_mean,
        ),
        Quantity(
            "graphon.l2_from_constant",
            _term("graphon L2, mean", f"over layers: {L2}"),
            l2,
            _computed(part),
            ranked=False,
            shown=True,
        ),
    )


PART = Part(
    "graphon", 40, "mask graphons", "the masks as graphons",
    run, to_dict, sections, 70, quantities,
    options=(Option("cells", "cells on each side of a graphon (64)", int, 64, "K"),),
)  # fmt: skip

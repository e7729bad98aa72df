"""Conversion of an analysis result to the tree of schema ``boundcalc.report/2``."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from boundcalc._version import __version__
from boundcalc.checkpoint.types import Checkpoint, Entry
from boundcalc.network import apart
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine
from boundcalc.network.structure import at_reference, structure
from boundcalc.network.weights import plain_key
from boundcalc.parts import Part, registry
from boundcalc.report.tree import SCHEMA, Report
from boundcalc.report.types import TensorEntry
from boundcalc.report.verdict import sentences, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from boundcalc.analysis_result import AnalysisResult
    from boundcalc.network.ops import Masked
    from boundcalc.report.types import CheckpointTree, DataTree, Geometry, LayerTree, NetworkTree


def assemble(result: AnalysisResult, saved: str | None = None) -> Report:
    """Return the report of an analysis.

    Args:
        result: result of the analysis.
        saved: path to which the certified network was written, or None.
    """
    options = result.options
    tree: dict[str, Any] = {
        "schema": SCHEMA,
        "version": __version__,
        "seed": options.seed,
        "delta": options.delta,
        "options": {
            "mask_origin": options.mask_origin,
            "margin": options.margin if options.margin is not None else "auto",
            "normalize": None if options.normalize is None else list(options.normalize),
            "normalize_fixed": options.normalize_fixed,
        },
        "checkpoint": _checkpoint(result),
        "network": _network(result),
        "data": _data(result),
        **{name: _part(part, result) for name, part in registry.items()},
        "skipped": [{"part": part, "reason": reason} for part, reason in result.skipped.items()],
        "seconds": dict(result.seconds),
    }
    tree["verdict"] = verdict(
        tree, result.together, _tested(result), result.warnings, saved, result.compressions
    )
    tree["verdict"]["sentences"] = sentences(tree)
    tree["summary"] = list(tree["verdict"]["sentences"].values())
    return Report(tree)


def _tested(result: AnalysisResult) -> tuple[int, int] | str:
    """Return the numbers of errors and of test samples, or why there are none."""
    measured = result.measured
    if measured is None:
        return "no data: give --data DATA"
    if measured.test_margins is None:
        return measured.test_reason or "the data has no test split"
    return int((measured.test_margins <= 0).sum()), measured.test_margins.numel()


def _checkpoint(result: AnalysisResult) -> CheckpointTree:
    checkpoint, network = result.checkpoint, result.network
    declared = [weight.declared is not None for weight in network.counted()]
    reference = result.reference
    return {
        "path": checkpoint.path,
        "sha256": checkpoint.sha256,
        "format": checkpoint.format,
        "evidence": list(checkpoint.evidence),
        "mask": _mask(declared, dense=network.surviving == network.parameters),
        "parameters": network.parameters,
        "surviving": network.surviving,
        "kept": network.kept,
        "density": network.surviving / network.parameters,
        "biases": network.biases,
        "reference": None if reference is None else {"path": reference.path, "how": reference.how},
        "at_reference": _all_at_reference(result),
        "ignored": list(checkpoint.ignored),
        "tensors": _tensors(checkpoint, network),
    }


def _mask(declared: list[bool], *, dense: bool) -> str:
    """Return where the masks come from."""
    if all(declared):
        return "declared"
    if any(declared):
        return "declared for some layers, inferred from zeros for the others"
    return "no mask found: the network is dense" if dense else "inferred from exact zeros"


def _all_at_reference(result: AnalysisResult) -> float | None:
    """Return the share of survivors, over all layers that the reference has, whose weights equal the reference's."""
    counts = [
        (layer.surviving, share)
        for layer in result.network.counted()
        if (share := _at_reference(layer, result)) is not None
    ]
    survivors = sum(count for count, _ in counts)
    return sum(count * share for count, share in counts) / survivors if survivors else None


def _network(result: AnalysisResult) -> NetworkTree:
    network = result.network
    known = not network.unplaced
    return {
        "input_shape": list(network.input_shape) if known else None,
        "outputs": network.outputs if known else None,
        "depth": network.depth if known else None,
        "source": network.source,
        "inferred": network.inferred,
        "unplaced": network.unplaced or None,
        "assumptions": list(network.assumptions),
        "layers": [_layer(layer, result) for layer in (network.layers() if known else network.counted())],
        "uncounted": [asdict(weight) for weight in network.uncounted] if known else [],
        "set_aside": [{"key": key, "why": why} for key, why in network.set_aside],
    }


def _layer(layer: Masked, result: AnalysisResult) -> LayerTree:
    found = structure(layer)
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": list(layer.stored_shape),
        **_geometry(layer),
        "parameters": layer.parameters,
        "surviving": layer.surviving,
        "kept": layer.kept,
        "density": layer.surviving / layer.parameters,
        "pattern": None if found.pattern is None else asdict(found.pattern),
        "outputs": found.outputs,
        "dead": list(found.dead),
        "silent": list(found.silent),
        "inputs": found.inputs,
        "unread": list(found.unread),
        "at_reference": _at_reference(layer, result),
    }


def _at_reference(layer: Masked, result: AnalysisResult) -> float | None:
    """Return the share of a layer's survivors that equal the reference's weights; None without a reference that has the layer."""
    if result.reference is None:
        return None
    key = layer.key or f"{layer.name}.weight"
    own, start = result.checkpoint.tensors.get(key), result.reference.tensors.get(key)
    if own is None or start is None or own.shape != start.shape:
        return None
    return at_reference(own, own != 0, start)


def _geometry(layer: Masked) -> Geometry:
    """Return how a kernel moves over its input; None for a linear layer, and if the architecture is unknown."""
    axes = {"conv1d": 1, "conv2d": 2}.get(layer.kind, 0)
    if not isinstance(layer, Affine) or not axes:
        return {"stride": None, "padding": None, "dilation": None, "groups": None}
    window = layer.window
    return {
        "stride": list(window.stride)[-axes:],
        "padding": [window.height.before, window.width.before][-axes:],
        "dilation": list(window.dilation)[-axes:],
        "groups": layer.groups,
    }


def _data(result: AnalysisResult) -> DataTree | None:
    energies, measured, options = result.energies, result.measured, result.options
    if energies is None:
        return None
    tests = None if measured is None else measured.test_margins
    shape = result.network.input_shape if result.dataset is None else result.dataset.train.shape
    return {
        "name": result.dataset.name if result.dataset else f"declared: |x| <= {options.input_bound:g}",
        "kind": "declared" if energies.declared else "measured",
        "m": energies.m,
        "m_test": None if tests is None else tests.numel(),
        "shape": list(shape),
        "normalize": None if options.normalize is None else list(options.normalize),
        "max_pixel_energy": energies.max_pixel,
        "max_coordinate_energy": energies.max_coordinate,
        "frobenius": math.sqrt(energies.frobenius_squared),
        "max_abs": energies.largest,
    }


def _part(part: Part, result: AnalysisResult) -> Mapping[str, Any] | None:
    found = result.results.get(part.name)
    return part.absent() if found is None else part.to_dict(found)


_ROLES = {
    "bias": ("bias", "as stored"),
    "normalisation": ("buffer", "scale or shift of a normalization"),
    "buffer": ("buffer", "not a parameter of the model"),
}
"""Roles of tensors that the reader, which uses only names and shapes, classifies as weights."""


def _tensors(checkpoint: Checkpoint, network: Network) -> list[TensorEntry]:
    """Return the report's ``checkpoint.tensors``: key, role and reason of every tensor of the file.

    Args:
        checkpoint: the checkpoint.
        network: the network that was built from it.
    """
    aside, roles = dict(network.set_aside), dict(network.roles)
    return [_tensor(entry, aside, roles) for entry in checkpoint.entries]


def _tensor(entry: Entry, aside: dict[str, str], roles: dict[str, str]) -> TensorEntry:
    role, why = entry.role, entry.why
    name = entry.tensor if entry.tensor in aside else plain_key(entry.tensor)
    if role in {"weight", "bias"} and name in aside:
        role, why = apart.role_of(aside[name]), aside[name]
    elif role == "weight" and roles.get(name) in _ROLES:
        role, why = _ROLES[roles[name]]
    return {"key": entry.key, "role": role, "why": why}

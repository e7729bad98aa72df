"""From findings to the tree of schema ``boundcalc.report/2``."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from boundcalc._version import __version__
from boundcalc.network.ops import Affine
from boundcalc.norms.rounding import shown, shown_log10
from boundcalc.report import tensors_tree
from boundcalc.report.tree import SCHEMA, Report
from boundcalc.report.verdict import sentences, verdict

if TYPE_CHECKING:
    from boundcalc.bounds.evaluate import BoundResult
    from boundcalc.findings import Findings
    from boundcalc.network.ops import Masked


def assemble(findings: Findings, saved: str | None = None) -> Report:
    """Return the report of an analysis.

    Args:
        findings: of the analysis.
        saved: where the network of the certificate was written, if it was.
    """
    options = findings.options
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
        "checkpoint": _checkpoint(findings),
        "network": _network(findings),
        "data": _data(findings),
        "bounds": {name: bound_tree(result) for name, result in findings.bounds.items()},
        "samples": _samples(findings),
        "topology": _topology(findings),
        "graphon": _graphon(findings),
        "gntk": _gntk(findings),
        "empirical": _empirical(findings),
        "skipped": [{"part": part, "reason": reason} for part, reason in findings.skipped.items()],
        "seconds": dict(findings.seconds),
    }
    tree["verdict"] = verdict(tree, findings.together, _tested(findings), findings.warnings, saved)
    tree["verdict"]["sentences"] = sentences(tree)
    tree["summary"] = list(tree["verdict"]["sentences"].values())
    return Report(tree)


def _tested(findings: Findings) -> tuple[int, int] | str:
    """Return errors and number of the test samples, or why there are none."""
    measured = findings.measured
    if measured is None:
        return "no data: give --data DATA"
    if measured.test_margins is None:
        return measured.test_reason or "the data has no test split"
    return int((measured.test_margins <= 0).sum()), measured.test_margins.numel()


def _checkpoint(findings: Findings) -> dict[str, Any]:
    checkpoint, network = findings.checkpoint, findings.network
    declared = [weight.declared is not None for weight in network.counted()]
    mask = "declared" if all(declared) else "declared for some layers, inferred from zeros for the others"
    reference = findings.reference
    return {
        "path": checkpoint.path,
        "sha256": checkpoint.sha256,
        "format": checkpoint.format,
        "evidence": list(checkpoint.evidence),
        "mask": mask if any(declared) else "inferred from exact zeros",
        "parameters": network.parameters,
        "surviving": network.surviving,
        "kept": network.kept,
        "density": network.surviving / network.parameters,
        "biases": network.biases,
        "reference": None if reference is None else {"path": reference.path, "how": reference.how},
        "ignored": list(checkpoint.ignored),
        "tensors": tensors_tree.tree(checkpoint, network),
    }


def _network(findings: Findings) -> dict[str, Any]:
    network = findings.network
    known = not network.unplaced
    return {
        "input_shape": list(network.input_shape) if known else None,
        "outputs": network.outputs if known else None,
        "depth": network.depth if known else None,
        "source": network.source,
        "unplaced": network.unplaced or None,
        "assumptions": list(network.assumptions),
        "layers": list(map(_layer, network.layers() if known else network.counted())),
        "uncounted": [asdict(weight) for weight in network.uncounted] if known else [],
        "set_aside": [{"key": key, "why": why} for key, why in network.set_aside],
    }


def _layer(layer: Masked) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": list(layer.stored_shape),
        **_geometry(layer),
        "parameters": layer.parameters,
        "surviving": layer.surviving,
        "kept": layer.kept,
        "density": layer.surviving / layer.parameters,
    }


def _geometry(layer: Masked) -> dict[str, Any]:
    """Return how a kernel moves over its input; nulls for a linear layer, and where the architecture is not known."""
    axes = {"conv1d": 1, "conv2d": 2}.get(layer.kind, 0)
    if not isinstance(layer, Affine) or not axes:
        return dict.fromkeys(("stride", "padding", "dilation", "groups"))
    window = layer.window
    return {
        "stride": list(window.stride)[-axes:],
        "padding": [window.height.before, window.width.before][-axes:],
        "dilation": list(window.dilation)[-axes:],
        "groups": layer.groups,
    }


def _data(findings: Findings) -> dict[str, Any] | None:
    energies, measured, options = findings.energies, findings.measured, findings.options
    if energies is None:
        return None
    tests = None if measured is None else measured.test_margins
    shape = findings.network.input_shape if findings.dataset is None else findings.dataset.train.shape
    return {
        "name": findings.dataset.name if findings.dataset else f"declared: |x| <= {options.input_bound:g}",
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


def _empirical(findings: Findings) -> dict[str, Any] | None:
    measured = findings.measured
    if measured is None or not findings.options.wants("empirical"):
        return None
    if measured.margins is None and measured.test_margins is None:
        return None
    from boundcalc.empirical.measure import error, quantiles

    train = None if measured.margins is None else error(measured.margins)
    test = None if measured.test_margins is None else error(measured.test_margins)
    return {
        "train_error": train,
        "test_error": test,
        "gap": None if test is None or train is None else test - train,
        "margin_quantiles": {} if measured.margins is None else quantiles(measured.margins),
        "test_reason": measured.test_reason or None,
    }


def _samples(findings: Findings) -> dict[str, Any] | None:
    if findings.samples is None:
        return None
    from boundcalc.report.samples_tree import tree

    return tree(findings.samples)


def _topology(findings: Findings) -> dict[str, Any] | None:
    if findings.topology is None:
        return None
    from boundcalc.report.topology_tree import tree

    return tree(findings.topology)


def _graphon(findings: Findings) -> dict[str, Any] | None:
    if findings.graphon is None:
        return None
    from boundcalc.report.graphon_tree import tree

    return tree(findings.graphon)


def _gntk(findings: Findings) -> dict[str, Any] | None:
    if findings.gntk is None:
        return None
    from boundcalc.report.gntk_tree import tree

    return tree(findings.gntk)


def bound_tree(result: BoundResult) -> dict[str, Any]:
    """Return the report's entry for one bound."""
    bound, judged = result.bound, result.judged
    log_value = None if judged is None else judged.log_value
    log_complexity = None if judged is None or bound.kind == "certificate" else judged.log_complexity
    return {
        "status": bound.status if judged is not None else "not_covered",
        "kind": bound.kind,
        "subject": bound.subject,
        **({"prior": bound.prior} if bound.kind == "certificate" else {}),
        "bounds": None if judged is None else judged.bounds,
        "complexity": _number(log_complexity),
        "log10_complexity": _log10(log_complexity),
        "value": _number(log_value),
        "log10_value": _log10(log_value),
        "vacuous": bound.kind != "score" and (log_value is None or log_value >= 0),
        "margin": None if judged is None else judged.margin,
        "ratio": _number(result.log_ratio),
        "log10_ratio": _log10(result.log_ratio),
        "terms": {} if judged is None else judged.terms,
        "source": bound.source,
        "assumptions": list(result.assumptions),
        "reason": result.reason or None,
    }


def _number(log_value: float | None) -> float | None:
    return None if log_value is None else shown(log_value)


def _log10(log_value: float | None) -> float | None:
    return None if log_value is None else shown_log10(log_value)

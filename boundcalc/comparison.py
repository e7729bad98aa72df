"""Comparison of several networks: checkpoints -> reports, distances of their masks, and rank correlations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

from boundcalc._version import __version__
from boundcalc.analysis import checkpoint_of, run_analysis
from boundcalc.api import options_from
from boundcalc.checkpoint.types import Checkpoint
from boundcalc.errors import CheckpointError, UsageError
from boundcalc.graphon.compare import LayerDistance, distances
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network
from boundcalc.options import COMPARE_AGAINST, Options
from boundcalc.ranking import correlations, tickets
from boundcalc.report.assemble import assemble
from boundcalc.report.comparable import POLICY, described, statuses, subjects
from boundcalc.report.comparison import SCHEMA, Comparison

MASKS_CUT = {
    "masks.cut": {
        "label": "masks: cut norm of the difference, mean",
        "unit": "number",
        "subject": "",
        "status": "",
        "kind": "",
        "origin": "computed",
        "source": "boundcalc compare",
        "note": "Mean over layers of a proved upper end.",
    }
}
"""Description of the one quantity that is not part of any report."""
MOST_BYTES = 2 << 30
"""Largest data set, in bytes as stored, that is held in memory for all networks."""

ComparisonInput = str | Path | nn.Module
Opened = tuple[Checkpoint, Network]
Pair = tuple[int, int]
Tree = dict[str, Any]


def compare(
    *networks: ComparisonInput,
    model: str | nn.Module | None = None,
    input_shape: tuple[int, ...] | None = None,
    cells: int = 64,
    seed: int = 0,
    against: str = "first",
    only: str | Sequence[str] | None = None,
    **options: Any,
) -> Comparison:
    """Compare two or more networks: their reports, the distances of their masks, and rank correlations.

    Args:
        *networks: checkpoints of any convention of `boundcalc formats`, or torch modules.
        model: the architecture of the checkpoints, if it is not in the files.
        input_shape: one sample's shape, if not in the files.
        cells: largest number of cells on each side of a graphon.
        seed: seed of the search for a cut, of the bootstrap, and of all other random numbers.
        against: whether each network is compared with the ``"first"`` or the ``"previous"`` one.
        only: parts of the reports; None for all that the input allows.
        **options: further fields of `boundcalc.options.Options`, as for `boundcalc.analyze`.

    Returns:
        The comparison, with `to_dict` and `to`.

    Raises:
        CheckpointError: a checkpoint is unreadable or refused, or no network's layers match those with which they are compared.
        DataError: the data are unreadable or do not fit.
        UsageError: there are fewer than two networks, or options are out of range.
        TypeError: a keyword is unknown; the message names the nearest one.
    """
    own = {"model": model, "input_shape": input_shape, "cells": cells, "seed": seed, "only": only}
    chosen = options_from("compare", {**own, **options})
    check(len(networks), against)
    data = _resident(chosen)
    read_networks = [_opened(network, chosen) for network in networks]
    reports = [
        _report(checkpoint, network, chosen, data)
        for (checkpoint, _), network in zip(read_networks, networks, strict=True)
    ]
    return side_by_side(read_networks, reports, chosen, against)


def compare_reports(
    paths: Sequence[str | Path], reports: Sequence[Tree], options: Options, against: str = "first"
) -> Comparison:
    """Compare networks that have been analyzed already.

    Args:
        paths: paths of the checkpoints.
        reports: their trees of schema ``boundcalc.report/2``.
        options: options of the analyses.
        against: as for `compare`.

    Raises:
        CheckpointError: a checkpoint is unreadable, or no network's layers match those with which they are compared.
        UsageError: there are fewer than two networks, or a report lacks what is compared.
    """
    check(len(paths), against)
    for path, report in zip(paths, reports, strict=True):
        _check_report(path, report)
    return side_by_side([_opened(path, options) for path in paths], reports, options, against)


def check(count: int, against: str) -> None:
    """Refuse a comparison that is impossible, before anything is computed.

    Raises:
        UsageError: there are fewer than two networks, or `against` is unknown.
    """
    if count < 2:
        raise UsageError("compare needs at least two checkpoints; see boundcalc compare --help")
    if against not in COMPARE_AGAINST:
        raise UsageError(f"--against {against}: choose from {', '.join(COMPARE_AGAINST)}")


def _check_report(path: str | Path, report: Tree) -> None:
    """Refuse a report without the entries by which tickets are ordered, such as a report of another version.

    Raises:
        UsageError: the report lacks an entry, which the message names.
    """
    try:
        tickets([report])
        statuses([report])
    except KeyError as missing:
        raise UsageError(
            f"{path}: its report lacks {missing}; analyze it again with this version"
        ) from missing
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
        raise UsageError(
            f"{path}: its report does not have the expected structure; analyze it again with this version"
        ) from problem


def side_by_side(
    networks: Sequence[Opened], reports: Sequence[Tree], options: Options, against: str
) -> Comparison:
    """Return the comparison of networks whose reports are given.

    Raises:
        CheckpointError: no network's layers match those with which they are compared.
    """
    pairs = [(0 if against == "first" else index, index + 1) for index in range(len(networks) - 1)]
    found, unmatched = _all_distances(networks, pairs, options)
    apart = [
        None,
        *(fmean(layer.cut[1] for layer in found[pair]) if found.get(pair) else None for pair in pairs),
    ]
    ordered, kinds, of = tickets(reports, apart), statuses(reports), subjects(reports)
    return Comparison({
        "schema": SCHEMA,
        "version": __version__,
        "seed": options.seed,
        "resolution": options.cells,
        "against": against,
        "checkpoints": [_checkpoint(*network) for network in networks],
        "pairs": [
            {"checkpoints": [a, b], "layers": [_layer(one) for one in layers]}
            for (a, b), layers in found.items()
        ],
        "unmatched": unmatched,
        "warnings": _warnings(reports),
        "tickets": ordered,
        "statuses": kinds,
        "subjects": of,
        "quantities": described(reports) | MASKS_CUT,
        "correlations": correlations(ordered, kinds, options.seed, of),
        "policy": POLICY,
    })  # fmt: skip


def _opened(given: ComparisonInput, options: Options) -> Opened:
    checkpoint = checkpoint_of(given, options)
    model = given if isinstance(given, nn.Module) else options.model
    shape = options.input_shape or _shape(options)
    return checkpoint, from_checkpoint(checkpoint, model, shape, options.prefix)


def _shape(options: Options) -> tuple[int, ...] | None:
    if options.data is None:
        return None
    from boundcalc.analysis import sample_shape
    from boundcalc.empirical.datasets import open_data

    return sample_shape(open_data(options.data, max_memory=options.max_memory))


def _resident(options: Options) -> Any:
    """Return the data in memory, normalized; None without data."""
    if options.data is None:
        return None
    from boundcalc.batch.resident import resident
    from boundcalc.empirical.datasets import open_data

    return resident(open_data(options.data, options.normalize, options.max_memory), MOST_BYTES)


def _report(checkpoint: Checkpoint, given: ComparisonInput, options: Options, data: Any) -> Tree:
    own = options if data is None else replace(options, data=data, normalize=None)
    if isinstance(given, nn.Module):
        own = replace(own, model=given)
    return assemble(replace(run_analysis(checkpoint, own), options=options)).to_dict()


def _all_distances(
    subjects: Sequence[Opened], pairs: Sequence[Pair], options: Options
) -> tuple[dict[Pair, tuple[LayerDistance, ...]], list[Tree]]:
    """Return the distances of the layers of each pair that can be compared, and the reasons for the other pairs.

    Raises:
        CheckpointError: no pair can be compared.
    """
    found: dict[Pair, tuple[LayerDistance, ...]] = {}
    unmatched: list[Tree] = []
    for a, b in pairs:
        try:
            found[a, b] = _distances(subjects[a], subjects[b], options)
        except CheckpointError as error:
            unmatched.append({"checkpoints": [a, b], "reason": str(error)})
            if len(unmatched) == len(pairs):
                raise
    return found, unmatched


def _distances(a: Opened, b: Opened, options: Options) -> tuple[LayerDistance, ...]:
    try:
        return distances(a[1], b[1], options.cells, options.seed)
    except ValueError as error:
        raise CheckpointError(b[0].path, f"cannot be compared with {a[0].path}: {error}") from error


def _warnings(reports: Sequence[Tree]) -> list[Tree]:
    """Return what looks wrong about each network."""
    return [
        {"checkpoint": index, "warning": line}
        for index, report in enumerate(reports)
        for line in (report.get("verdict") or {}).get("warnings") or ()
    ]


def _checkpoint(checkpoint: Checkpoint, network: Network) -> dict[str, Any]:
    return {
        "path": checkpoint.path,
        "sha256": checkpoint.sha256,
        "format": checkpoint.format,
        "parameters": network.parameters,
        "surviving": network.surviving,
        "density": network.surviving / network.parameters,
    }


def _layer(found: LayerDistance) -> dict[str, Any]:
    return {
        "names": list(found.names),
        "shapes": [list(shape) for shape in found.shapes],
        "densities": list(found.densities),
        "l2": found.l2,
        "cut": list(found.cut),
    }

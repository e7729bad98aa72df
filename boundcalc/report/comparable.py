"""The numbers of a report by which tickets are put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from boundcalc.report.subjects import subject_of

SCORES = ("delta_r", "delta_r_imdb", "lambda", "lambda_imsg")
KERNEL = ("alpha", "effective_rank", "gap", "top5_energy", "condition", "kernel_bound")
POLICY = (
    "What a ticket lacks is null and never filled in. A bound enters by log10 of its value, a score by log10 of its number; a bound"
    " of the compression is of another network, found from the ticket, while gap and accuracy are the ticket's own; a"
    " z-score is the mean over the layers that have one; the cut norm is the mean over layers of its proved upper end. Kendall's"
    " tau-b is over the tickets that have the quantity, the target and the density; the interval is a percentile bootstrap over"
    " tickets, 1,000 draws, 95 %. The partial coefficient is Kendall's of 1942, which conditional independence does not make 0"
    " in general. Levels of one lottery are no independent draws, so intervals are too narrow there."
)

Tree = dict[str, Any]
Numbers = dict[str, float | None]


def comparable(tree: Tree) -> Numbers:
    """Return the quantities of a report that tickets are compared by.

    Args:
        tree: of schema ``boundcalc.report/2``.

    Returns:
        Name -> number or None, in the order of the report: ``bounds.NAME.log10_value`` for each bound
        (``log10_complexity`` for a score), ``samples.ratio``,
        ``topology.z.SCORE`` (mean over the layers that have one), ``topology.distance``, ``graphon.cut_from_constant``
        (mean over layers of the upper end), ``gntk.*`` and ``empirical.*``. Parts that did not run have no names.
    """
    found: Numbers = dict(_bound(name, bound) for name, bound in (tree.get("bounds") or {}).items())
    if samples := tree.get("samples"):
        found["samples.ratio"] = samples["ratio"]
    if topology := tree.get("topology"):
        found |= {
            f"topology.z.{score}": _mean([layer["z"].get(score) for layer in topology["layers"]])
            for score in SCORES
        }
        found["topology.distance"] = topology["distance"]
    if graphon := tree.get("graphon"):
        found["graphon.cut_from_constant"] = _mean(
            [layer["cut_from_constant"][1] for layer in graphon["layers"]]
        )
    if gntk := tree.get("gntk"):
        found |= {f"gntk.{name}": gntk.get(name) for name in KERNEL}
    if empirical := tree.get("empirical"):
        found |= {f"empirical.{name}": empirical[name] for name in ("train_error", "test_error", "gap")}
    return found


def statuses(trees: Sequence[Tree]) -> dict[str, str]:
    """Return bound -> status, ``not_covered`` only where no report covers it."""
    found: dict[str, str] = {}
    for tree in trees:
        for name, bound in (tree.get("bounds") or {}).items():
            if found.get(name, "not_covered") == "not_covered":
                found[name] = bound["status"]
    return found


def subjects(trees: Sequence[Tree]) -> dict[str, str]:
    """Return bound -> whose error it speaks of, one of `boundcalc.bounds.catalogue.SUBJECTS`."""
    return {name: subject_of(bound) for tree in trees for name, bound in (tree.get("bounds") or {}).items()}


def _bound(name: str, bound: Tree) -> tuple[str, float | None]:
    """Return a bound's number; a score has no value, and is compared by what stands in its place."""
    key = "log10_complexity" if bound["status"] == "score" else "log10_value"
    return f"bounds.{name}.{key}", bound.get(key)


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present else None

"""Conversion of reports of schema ``boundcalc.report/1``, which version 0.1 wrote, to the present schema.

Those reports did not say which network a bound is about, paid nothing for a normalization, and their summary took a minimum over
the checkpoint and its compression. Missing entries are filled in if they can be derived; the others are None, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boundcalc.report.subjects import ERROR, EXCESS, is_excess, subject_of

Tree = dict[str, Any]

SCHEMA = "boundcalc.report/1"
NO_VERDICT = (
    "the report was made by boundcalc {}, whose reports contain no verdict: analyze the checkpoint again"
)
NORMALIZATION_NOT_PAID = "the normalization {} was fixed before the sample (boundcalc {} did not pay for it)"


def is_older(tree: Mapping[str, Any]) -> bool:
    """Return whether a tree has the previous schema."""
    return bool(tree.get("schema") == SCHEMA)


def upgraded(tree: Mapping[str, Any], schema: str) -> Tree:
    """Convert a report of the previous schema to the present one.

    Args:
        tree: a tree of schema ``boundcalc.report/1``.
        schema: the present schema.

    Returns:
        A new tree. Each bound has its ``subject`` and what it ``bounds``; the verdict is empty except for the reason why, which
        is also the first line of the summary.
    """
    version = str(tree.get("version") or "0.1")
    options, bounds, summary = tree.get("options"), tree.get("bounds"), tree.get("summary")
    normalize = options.get("normalize") if isinstance(options, Mapping) else None
    why = NO_VERDICT.format(version)
    sentence = f"Nothing is stated about your network or its compression: {why}."
    lines = (
        [line for line in summary or [] if not str(line).startswith("Proved")]
        if isinstance(summary, list | tuple)
        else []
    )
    verdict: Tree = {
        "network": None,
        "compression": None,
        "test_set": None,
        "warnings": [],
        "reasons": dict.fromkeys(("network", "compression", "test_set"), why),
        "sentences": {"verdict": sentence},
    }
    digits = ", ".join(map(str, normalize)) if isinstance(normalize, list | tuple) else ""
    assumed = [NORMALIZATION_NOT_PAID.format(digits, version)] if digits else []
    found = {
        **tree,
        "schema": schema,
        "upgraded_from": SCHEMA,
        "verdict": verdict,
        "summary": [sentence, *lines],
    }
    network = tree.get("network")
    if isinstance(network, Mapping):
        found["network"] = {**network, "inferred": str(network.get("source")).startswith("inferred")}
    if isinstance(bounds, Mapping):
        found["bounds"] = {name: _bound(bound, assumed) for name, bound in bounds.items()}
    return found


def _bound(bound: Any, assumed: list[str]) -> Any:
    if not isinstance(bound, Mapping):
        return bound
    made = {**bound, "subject": subject_of(dict(bound))}
    if bound.get("status") in {"theorem", "published", "refuted"}:
        made["bounds"] = EXCESS if is_excess(dict(bound)) else ERROR
        made["assumptions"] = [*(bound.get("assumptions") or []), *assumed]
    return made

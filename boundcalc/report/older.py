"""Reports of schema ``boundcalc.report/1``, which version 0.1 wrote, brought into the shape of the present one.

They did not say of which network a bound speaks, paid nothing for a normalisation, and their summary took a minimum over the
checkpoint and its compression. What they lack and can be told is filled in; what cannot be told is None, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boundcalc.report.subjects import ERROR, EXCESS, is_excess, subject_of

Tree = dict[str, Any]

SCHEMA = "boundcalc.report/1"
UNTOLD = "the report was made by boundcalc {}, whose reports have no verdict: analyze the checkpoint again"
UNPAID = "the normalisation {} was fixed before the sample: boundcalc {} paid nothing for it"


def is_older(tree: Mapping[str, Any]) -> bool:
    """Return whether a tree is of the schema before the present one."""
    return bool(tree.get("schema") == SCHEMA)


def upgraded(tree: Mapping[str, Any], schema: str) -> Tree:
    """Return a report of the earlier schema in the shape of the present one.

    Args:
        tree: of schema ``boundcalc.report/1``.
        schema: the present one.

    Returns:
        A new tree. Each bound has its ``subject`` and what it ``bounds``; the verdict has no more than the reason why it is empty, in
        the place of the first line of the summary.
    """
    version = str(tree.get("version") or "0.1")
    options, bounds, summary = tree.get("options"), tree.get("bounds"), tree.get("summary")
    normalize = options.get("normalize") if isinstance(options, Mapping) else None
    why = UNTOLD.format(version)
    sentence = f"Nothing is said of your network or its compression: {why}."
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
    assumed = [UNPAID.format(digits, version)] if digits else []
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

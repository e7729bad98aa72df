"""The verdict of a report: what is proved about your network, about a compression of it, and by the test set; also as sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from boundcalc.norms.rounding import exp_up
from boundcalc.report.bound_order import log10_value, proved
from boundcalc.report.numbers import LEAST_LOG10, lower, percent, plain, upper, upper_percent
from boundcalc.report.subjects import is_excess

if TYPE_CHECKING:
    from boundcalc.bounds.evaluate import JointBound
    from boundcalc.report.types import CompressionVerdict, NetworkVerdict, TestSetVerdict, VerdictTree

Tree = dict[str, Any]

NOT_ASKED = "bounds were not asked for (--only)"


def verdict(
    tree: Tree,
    together: JointBound | None,
    tested: tuple[int, int] | str,
    warnings: Sequence[str],
    saved: str | None,
    compressions: JointBound | None = None,
) -> VerdictTree:
    """Return the report's entry ``verdict``.

    Args:
        tree: the rest of the report.
        together: the smallest theorem about the checkpoint's own error when all of them hold at once, or None.
        tested: the numbers of errors and of test samples, or why there are none.
        warnings: what looks wrong.
        saved: path to which the certified network was written, or None.
        compressions: the smallest certificate of a compression when all of them hold at once, or None.

    Returns:
        ``network``, ``compression``, ``test_set`` (each None if nothing can be stated), ``warnings``, and ``reasons``: why one of
        the three is None.
    """
    network, why_network = _network(tree, together)
    compression, why_compression = _compression(tree, saved, compressions)
    return {
        "network": network,
        "compression": compression,
        "test_set": None if isinstance(tested, str) else _test_set(*tested, tree["delta"]),
        "warnings": list(warnings),
        "reasons": {
            "network": why_network,
            "compression": why_compression,
            "test_set": tested if isinstance(tested, str) else None,
        },
    }


def _network(tree: Tree, together: JointBound | None) -> tuple[NetworkVerdict | None, str | None]:
    """Return the smallest theorem about the checkpoint's own error, or why there is none."""
    found = proved(tree, "network")
    if not tree["bounds"]:
        return None, _not_run(tree)
    if not found:
        return None, "no theorem covers this network"
    known = [(name, bound) for name, bound in found if not is_excess(bound)]
    if not known:
        return None, f"{_unmeasured(tree)}: every bound is on error - margin error"
    name, bound = known[0]
    below = not bound["vacuous"]
    at_once = together is not None and together.log_value < 0
    return {
        "value": bound["value"] if below else None,
        "bound": name,
        "all_at_once": math.exp(together.log_value) if together is not None and at_once else None,
        "all_at_once_bound": together.name if together is not None and at_once else None,
        "statements": None if together is None else together.statements,
        "delta": tree["delta"],
        "reason": None if below else f"every bound is 1 or more (smallest: {name}, {_size(bound)})",
    }, None


def _compression(
    tree: Tree, saved: str | None, compressions: JointBound | None
) -> tuple[CompressionVerdict | None, str | None]:
    """Return the smallest certificate of a compression, or why there is none; a choice among several is paid for."""
    if not tree["bounds"]:
        return None, _not_run(tree)
    found = proved(tree, "compression")
    if not found:
        reasons = [
            b["reason"] for b in tree["bounds"].values() if b.get("subject") == "compression" and b["reason"]
        ]
        return None, reasons[0] if reasons else "no certificate of a compression is registered"
    name, bound = found[0]
    value = bound["value"]
    if compressions is not None and compressions.statements > 1:
        name, bound = compressions.name, tree["bounds"][compressions.name]
        value = min(1.0, exp_up(compressions.log_value))
    below, terms = value is not None and value < 1, bound["terms"]
    return {
        "value": value if below else None,
        "bound": name,
        "train_error": terms.get("train_error"),
        "surviving": terms.get("surviving"),
        "saved": saved,
        "delta": tree["delta"],
        "reason": None if below else "the smallest certificate is 1, which says nothing about the error",
    }, None


def _test_set(errors: int, m: int, delta: float) -> TestSetVerdict:
    from boundcalc.certificates.test_set import ASSUMPTIONS, SOURCE, error_bound

    return {
        "value": error_bound(errors, m, delta),
        "errors": errors,
        "m": m,
        "delta": delta,
        "source": SOURCE,
        "assumptions": list(ASSUMPTIONS),
    }


def _not_run(tree: Tree) -> str:
    reasons = {item["part"]: item["reason"] for item in tree.get("skipped") or []}
    return str(reasons.get("bounds") or NOT_ASKED)


def _unmeasured(tree: Tree) -> str:
    declared = (tree.get("data") or {}).get("kind") == "declared"
    return "no data" if declared else "the network cannot be run on the training samples"


def sentences(tree: Tree) -> dict[str, str]:
    """Return the summary, one sentence per topic.

    Sentences about your network use only bounds that are about it: no certificate of another network affects them.

    Args:
        tree: a report with its verdict.

    Returns:
        What is proved about your network, about its compression and by the test set, how the sparse bound compares with others,
        what was measured; topics without content are left out.
    """
    found = {
        "your network": _of_network(tree),
        "its compression": _of_compression(tree),
        "test set": _by_test(tree),
        "sparse against Toeplitz": _sparse(tree),
        "measured": _measured(tree),
    }
    return {topic: sentence for topic, sentence in found.items() if sentence}


def _of_network(tree: Tree) -> str:
    found = tree["verdict"]["network"]
    if found is None:
        return (
            _of_excess(tree)
            or f"Nothing is proved about your network: {tree['verdict']['reasons']['network']}."
        )
    if found["value"] is None:
        return f"For your network itself, {found['reason']}."
    alone, sure = f"{upper_percent(found['value'])} by {found['bound']}", f"probability {_sure(tree)}"
    many = f"with all {found['statements']} bounds holding at once"
    if found["all_at_once"] is None:
        return f"Your network has error at most {alone} alone ({sure}); {many}, no bound is below 100 %."
    return f"Your network has error at most {upper_percent(found['all_at_once'])} {many} ({sure}); at most {alone} alone."


def _of_excess(tree: Tree) -> str:
    """Return the sentence on what is proved without margins, which is nothing about the error itself."""
    found = [(name, bound) for name, bound in proved(tree, "network") if is_excess(bound)]
    if not found:
        return ""
    name, bound = found[0]
    why = _unmeasured(tree)
    if bound["vacuous"]:
        return (
            f"Nothing is proved about your network's error ({why}); for error - margin error, every "
            f"bound is 1 or more (smallest: {name}, {_size(bound)})."
        )
    return (
        f"Your network: error - margin error at most {_size(bound)} by {name} alone (probability {_sure(tree)}); its error is not"
        f" bounded ({why})."
    )


def _of_compression(tree: Tree) -> str:
    found = tree["verdict"]["compression"]
    if found is None:
        return ""
    what = f"{plain(found['surviving'])} weights, training error {percent(found['train_error'])}"
    if found["value"] is None:
        return f"Nothing is proved about a compressed version ({what}): {found['reason']}."
    saved = f" It is saved in {found['saved']}." if found["saved"] else ""
    value = upper_percent(found["value"])
    return f"A compressed version ({what}) has error at most {value} ({found['bound']}, probability {_sure(tree)}).{saved}"


def _by_test(tree: Tree) -> str:
    found = tree["verdict"]["test_set"]
    if found is None:
        return ""
    return (
        f"By the test set ({plain(found['errors'])} errors of {plain(found['m'])}), your network's "
        f"error is at most {upper_percent(found['value'])} (probability {_sure(tree)}), if nothing "
        "about the network was chosen with the test set."
    )


def _sparse(tree: Tree) -> str:
    bound = (tree.get("bounds") or {}).get("peeling")
    if bound is None or bound["status"] == "not_covered":
        return ""
    ratio, log10 = bound["ratio"], bound["log10_ratio"]
    if ratio is None and log10 is None:
        return "There is no positive Toeplitz-norm complexity with which the sparse bound could be compared."
    if log10 is None:
        return "The complexity of the sparse bound is 0."
    if log10 >= 0:
        return "Using the mask does not make the complexity smaller than the best Toeplitz-norm one."
    times = lower(10**-log10, 2) if log10 > LEAST_LOG10 else f"10^{math.floor(-log10 * 10) / 10:.1f}"
    masked = bound["terms"].get("structure") == "masked" and tree["checkpoint"]["density"] < 1
    how = "Using the mask" if masked else "Following the connections between units"
    still = (
        f"the bound is still vacuous ({_size(bound)})" if bound["vacuous"] else f"the bound is {_size(bound)}"
    )
    return f"{how} makes the complexity {times} times smaller than the best Toeplitz-norm one of its kind; {still}."


def _measured(tree: Tree) -> str:
    reasons = {item["part"]: item["reason"] for item in tree.get("skipped") or []}
    found = tree.get("empirical")
    if found is None:
        why = reasons.get("empirical")
        return f"Nothing was measured: {why}." if why else "Empirical part skipped (--only)."
    train, test = found["train_error"], found["test_error"]
    if train is None:
        return f"Measured: test error {percent(test)}; no training error: {reasons.get('empirical')}."
    if test is None:
        why = found.get("test_reason")
        return f"Measured: training error {percent(train)}" + (
            f"; no test error: {why}." if why else "; there is no test data."
        )
    sign = "+" if test >= train else ""
    return (
        f"Measured: training error {percent(train)}, test error {percent(test)}; test error minus training error"
        f" {sign}{percent(test - train)}."
    )


def _size(bound: Tree) -> str:
    return upper(bound["value"], log10=log10_value(bound))


def _sure(tree: Tree) -> str:
    return f"{1 - tree['delta']:g}"

"""Which network a bound is about, and what it bounds; bounds about different networks are never ranked together."""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]

ERROR = "error"
EXCESS = "error - margin error"
PHRASES = {
    "network": "your network",
    "compression": "a compression of your network (another network, found from it)",
    "retrained": (
        "a network of this architecture that was trained afresh on a part of the sample (not your network)"
    ),
    "interpolant": "a kernel's interpolant (not your network)",
}
GROUPS = ("network", "compression", "retrained", "interpolant", "reference", "not_covered")
"""The groups of bounds in the order of a report: theorems about each subject, bounds that are not proved, bounds
that do not cover the network."""


def subject_of(bound: Tree) -> str:
    """Return the subject of a bound in a report; reports of an earlier version imply it by the bound's kind."""
    return str(bound.get("subject") or ("compression" if bound.get("kind") == "certificate" else "network"))


def group_of(bound: Tree) -> str:
    """Return the group of a bound, one of `GROUPS`."""
    status = bound["status"]
    if status == "not_covered":
        return status
    return subject_of(bound) if status == "theorem" else "reference"


def is_excess(bound: Tree) -> bool:
    """Return whether a number is about the error minus the margin error, when the margin error is unknown."""
    if "bounds" in bound:
        return bool(bound["bounds"] == EXCESS)
    terms = bound.get("terms") or {}
    return "margin_error" in terms and terms["margin_error"] is None


def named(name: str, bound: Tree) -> str:
    """Return the name of a bound, with its subject if that is not the checkpoint's network.

    Example:
        >>> named("peeling", {"kind": "F"}), named("occam", {"kind": "certificate"})
        ('peeling', 'occam (compression)')
    """
    subject = subject_of(bound)
    return name if subject == "network" else f"{name} ({subject})"


def bounded_quantity(bound: Tree) -> str:
    """Return a sentence that says what a number bounds, and for which network.

    Example:
        >>> bounded_quantity({"kind": "F", "status": "theorem"})
        'Bounds the error of your network.'
    """
    of = PHRASES[subject_of(bound)]
    if bound["status"] == "score":
        return f"Of {of}."
    verb = "Bounds" if bound["status"] == "theorem" else "Claimed of"
    what = "the error minus the margin error" if is_excess(bound) else "the error"
    return f"{verb} {what} of {of}."

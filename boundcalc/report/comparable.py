"""The numbers of a report by which tickets are put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from boundcalc.parts import Quantity, registry
from boundcalc.report.document import Term
from boundcalc.report.subjects import subject_of

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
    return {one.key: one.value for part in registry.values() for one in part.quantities(tree) if one.ranked}


def described(trees: Sequence[Tree]) -> dict[str, dict[str, str]]:
    """Return what is known of each quantity of some reports beside its values.

    Args:
        trees: of schema ``boundcalc.report/2``.

    Returns:
        Key -> ``label``, ``unit``, ``subject``, ``status`` and ``kind`` (of a bound), and its origin: ``origin`` (a status),
        ``source`` and ``note``; ``means`` and ``page`` where it has a definition.
        Of a bound that some reports do not cover, the entry is of one that does.
    """
    found: dict[str, dict[str, str]] = {}
    for tree in trees:
        for part in registry.values():
            for one in part.quantities(tree):
                if one.ranked and found.get(one.key, _NONE)["status"] == "not_covered":
                    found[one.key] = _about(one)
    return found


_NONE = {"status": "not_covered"}


def _about(one: Quantity) -> dict[str, str]:
    return {
        "label": one.label,
        "unit": one.unit,
        "subject": one.subject,
        "status": one.status,
        "kind": one.kind,
        "origin": one.origin.status,
        "source": one.origin.source,
        "note": one.origin.note,
        **({"means": one.label.means, "page": one.label.page} if isinstance(one.label, Term) else {}),
    }


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

"""The quantities of a report by which tickets are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from boundcalc.parts import Quantity, registry
from boundcalc.report.document import Term
from boundcalc.report.subjects import subject_of

POLICY = (
    "A quantity that a ticket lacks is null and is never imputed. A bound enters as log10 of its "
    "value, a score as log10 of its number. A bound of the compression is about another network, found "
    "from the ticket, while gap and accuracy are those of the ticket itself. A z-score is the mean "
    "over the layers that have one; the cut norm is the mean over layers of its proved upper end. "
    "Kendall's tau-b is computed over the tickets that have the quantity, the target and the density; "
    "its interval is a percentile bootstrap over tickets (1,000 draws, 95 %). The partial coefficient "
    "is Kendall's (1942); conditional independence does not imply that it is 0 in general. Levels of "
    "one lottery are not independent draws, so their intervals are too narrow."
)

Tree = dict[str, Any]
Numbers = dict[str, float | None]


def comparable(tree: Tree) -> Numbers:
    """Return the quantities of a report by which tickets are compared.

    Args:
        tree: a tree of schema ``boundcalc.report/2``.

    Returns:
        Number or None by name, in the order of the report: ``bounds.NAME.log10_value`` for each bound (``log10_complexity`` for a
        score), ``samples.ratio``, ``topology.z.SCORE`` (mean over the layers that have one), ``topology.distance``,
        ``graphon.cut_from_constant`` (mean over layers of the upper end), ``gntk.*`` and ``empirical.*``. The quantities of parts
        that did not run are absent.
    """
    return {one.key: one.value for part in registry.values() for one in part.quantities(tree) if one.ranked}


def described(trees: Sequence[Tree]) -> dict[str, dict[str, str]]:
    """Return the description of each quantity of some reports.

    Args:
        trees: trees of schema ``boundcalc.report/2``.

    Returns:
        By key: ``label``, ``unit``, ``subject``, ``status`` and ``kind`` (of a bound), and the origin: ``origin`` (a status),
        ``source`` and ``note``; ``means`` and ``page`` if the quantity has a definition. For a bound that some reports do not
        cover, the description comes from a report that covers it.
    """
    found: dict[str, dict[str, str]] = {}
    for tree in trees:
        for part in registry.values():
            for one in part.quantities(tree):
                if one.ranked and found.get(one.key, _NONE)["status"] == "not_covered":
                    found[one.key] = _conditions(one)
    return found


_NONE = {"status": "not_covered"}


def _conditions(one: Quantity) -> dict[str, str]:
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
    """Return the status of each bound; ``not_covered`` only if no report covers the bound."""
    found: dict[str, str] = {}
    for tree in trees:
        for name, bound in (tree.get("bounds") or {}).items():
            if found.get(name, "not_covered") == "not_covered":
                found[name] = bound["status"]
    return found


def subjects(trees: Sequence[Tree]) -> dict[str, str]:
    """Return for each bound the network whose error it is about, one of `boundcalc.bounds.catalogue.SUBJECTS`."""
    return {name: subject_of(bound) for tree in trees for name, bound in (tree.get("bounds") or {}).items()}

"""The part "empirical": training and test error, their gap, and the margins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boundcalc.parts.layer_grid import cell
from boundcalc.parts.part import NO_DATA, Given, NotRun, Part, Quantity
from boundcalc.report.document import Detail, Section
from boundcalc.report.numbers import plain, show
from boundcalc.report.origin import of_measurement

if TYPE_CHECKING:
    from boundcalc.empirical.measure import Measured
    from boundcalc.report.types import EmpiricalTree

Tree = dict[str, Any]

LABELS = {"train_error": "training error", "test_error": "test error", "gap": "gap"}


def run(given: Given) -> Measured:
    """Return the results of the pass over the data, which the bounds use as well.

    Raises:
        NotRun: there are no data, or the network cannot be run on all of them; the exception carries the measurements that exist.
    """
    measured = given.measured
    if measured is None:
        raise NotRun(NO_DATA)
    if measured.reason:
        known = measured.margins is not None or measured.test_margins is not None
        raise NotRun(measured.reason, measured if known else None)
    return measured


def to_dict(measured: Measured) -> EmpiricalTree:
    """Return the report's entry: errors, their gap, quantiles of the margins, and why there is no test error."""
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


def sections(tree: Tree) -> tuple[Section, ...]:
    """Build facts with the errors, the gap and the margins."""
    part = tree.get("empirical")
    if not part:
        return ()
    quantiles = (part.get("margin_quantiles") or {}).items()
    facts = (
        ("training error", plain(part.get("train_error"))),
        ("test error", plain(part.get("test_error"))),
        *([("no test error", show(part["test_reason"]))] if part.get("test_reason") else []),
        ("test - training error", plain(part.get("gap"))),
        (
            Detail("margin quantiles"),
            ", ".join(f"{share}: {plain(margin)}" for share, margin in quantiles) or "-",
        ),
    )
    origin = of_measurement(tree)
    shown = tuple((label, cell(text, None, origin)) for label, text in facts)
    return (Section("Measured errors", "empirical", facts=shown),)


def quantities(tree: Tree) -> tuple[Quantity, ...]:
    """Return the errors and their gap."""
    part = tree.get("empirical")
    if not part:
        return ()
    origin = of_measurement(tree)
    return tuple(
        Quantity(f"empirical.{key}", label, part.get(key), origin, "share", shown=True)
        for key, label in LABELS.items()
    )


PART = Part(
    "empirical", 60, "the empirical gap", "training and test error, and their gap",
    run, to_dict, sections, 40, quantities,
    needs_order=True,
)  # fmt: skip

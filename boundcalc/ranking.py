"""A table of tickets by quantities, and the rank correlations of the quantities with gap and accuracy."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from boundcalc.correlation import Coefficient, correlate
from boundcalc.report.comparable import Numbers, comparable, statuses, subjects

DENSITY = "density"

Tree = dict[str, Any]


def tickets(reports: Sequence[Tree], apart: Sequence[float | None] | None = None) -> list[Tree]:
    """Sort tickets by lottery, and within it by density, the densest first.

    Args:
        reports: trees of schema ``boundcalc.report/2``.
        apart: for each ticket the cut norm of the difference of its masks from those it is compared with, as mean over layers of
            the upper end; None if there is none.

    Returns:
        For each ticket its index in `reports` (``checkpoint``), ``lottery``, ``density`` and ``quantities``.
    """
    found = [
        {
            "checkpoint": index,
            "lottery": lottery(report["checkpoint"]["path"]),
            "density": report["checkpoint"]["density"],
            "quantities": comparable(report) | ({} if apart is None else {"masks.cut": apart[index]}),
        }
        for index, report in enumerate(reports)
    ]
    return sorted(found, key=lambda one: (one["lottery"], -one["density"], one["checkpoint"]))


def lottery(path: str) -> str:
    """Return the folder whose levels belong to one lottery, or else the folder that contains the file.

    Example:
        >>> lottery("runs/imp/replicate_1/level_22/main"), lottery("tickets/a.pt")
        ('runs/imp/replicate_1', 'tickets')
    """
    before = re.split(r"(?:^|/)level_\w+(?:/|$)", path, maxsplit=1)[0]
    return before if before != path else os.path.dirname(path)


def correlations(
    ordered: Sequence[Tree], kinds: Mapping[str, str], seed: int = 0, of: Mapping[str, str] | None = None
) -> list[Tree]:
    """Return Kendall's tau of every quantity with the measured gap and with accuracy.

    Args:
        ordered: the result of `tickets`.
        kinds: status by bound.
        seed: seed of the bootstrap.
        of: subject by bound, from `boundcalc.report.comparable.subjects`.

    Returns:
        For each quantity and target: ``subject`` (of a bound, else ""), n, left_out, tau, interval, partial, partial_interval and
        reason; nothing if neither gap nor accuracy was measured.
    """
    numbers = [one["quantities"] for one in ordered]
    density = [one[DENSITY] for one in ordered]
    targets = {
        "gap": [one.get("empirical.gap") for one in numbers],
        "accuracy": [_accuracy(one) for one in numbers],
    }
    names = list(dict.fromkeys(name for one in numbers for name in one if not name.startswith("empirical.")))
    columns = {DENSITY: density, **{name: [one.get(name) for one in numbers] for name in names}}
    return [
        {**_entry(name, target, column, values, density, kinds, seed), "subject": _subject(name, of or {})}
        for target, values in targets.items()
        if any(value is not None for value in values)
        for name, column in columns.items()
    ]


def ranked(reports: Sequence[Tree], seed: int = 0) -> tuple[list[Tree], list[Tree]]:
    """Return `tickets` and their `correlations`."""
    ordered = tickets(reports)
    return ordered, correlations(ordered, statuses(reports), seed, subjects(reports))


def _subject(name: str, of: Mapping[str, str]) -> str:
    """Return the subject of a quantity if it is a bound, else ""."""
    if name == "gntk.kernel_bound":
        return "interpolant"
    return of.get(name.split(".")[1], "network") if name.startswith("bounds.") else ""


def _entry(
    name: str,
    target: str,
    column: Sequence[float | None],
    values: Sequence[float | None],
    density: Sequence[float],
    kinds: Mapping[str, str],
    seed: int,
) -> Tree:
    found = correlate(column, values, density, seed)
    status = kinds.get(name.split(".")[1], "") if name.startswith("bounds.") else ""
    partial = Coefficient(None, None, "density itself") if name == DENSITY else found.partial
    return {
        "quantity": name,
        "with": target,
        "status": status,
        "n": found.n,
        "left_out": found.left_out,
        "tau": found.plain.tau,
        "interval": _ends(found.plain),
        "partial": partial.tau,
        "partial_interval": _ends(partial),
        "reason": found.plain.reason or None,
        "partial_reason": partial.reason or None,
    }


def _ends(one: Coefficient) -> list[float] | None:
    return None if one.interval is None else list(one.interval)


def _accuracy(numbers: Numbers) -> float | None:
    error = numbers.get("empirical.test_error")
    return None if error is None else 1 - error

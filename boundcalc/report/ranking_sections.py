"""Tickets side by side and their rank correlations, as sections of a view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from boundcalc.report.comparable import POLICY
from boundcalc.report.document import Column, Grid, Section
from boundcalc.report.numbers import NULL, percent, plain, upper

ACROSS = 6
"""Quantities beside each other in one grid."""
TITLES = {"gap": "Rank correlation with the measured gap", "accuracy": "Rank correlation with test accuracy"}
SHARES = ("empirical.train_error", "empirical.test_error", "empirical.gap")

Tree = dict[str, Any]


def ticket_sections(
    tickets: Sequence[Tree], statuses: dict[str, str], subjects: dict[str, str]
) -> tuple[Section, ...]:
    """Build grids of tickets by quantities, a few quantities a grid; those that no ticket has are left out."""
    names = list(dict.fromkeys(name for one in tickets for name in one["quantities"]))
    present = [name for name in names if any(one["quantities"].get(name) is not None for one in tickets)]
    found = []
    for start in range(0, len(present), ACROSS):
        chosen = present[start : start + ACROSS]
        columns = (
            Column("", right=True),
            Column("density", right=True),
            *(Column(_header(name, statuses, subjects), right=True) for name in chosen),
        )
        rows = tuple(
            (
                str(one["checkpoint"] + 1),
                percent(one["density"]),
                *(_cell(name, one["quantities"].get(name)) for name in chosen),
            )
            for one in tickets
        )
        number = start // ACROSS + 1
        found.append(
            Section(
                f"Tickets by lottery and density, {number}", f"tickets-{number}", grid=Grid(columns, rows)
            )
        )
    return tuple(found)


def correlation_sections(correlations: Sequence[Tree]) -> tuple[Section, ...]:
    """Build a grid for each target: tau, its interval, and the same partial to density."""
    targets = list(dict.fromkeys(one["with"] for one in correlations))
    return tuple(
        _target(target, [one for one in correlations if one["with"] == target]) for target in targets
    )


def _target(target: str, rows: Sequence[Tree]) -> Section:
    columns = (
        Column("quantity"),
        Column("status"),
        Column("n", right=True),
        Column("tau", right=True),
        Column("95 %", right=True),
        Column("partial to density", right=True),
        Column("95 %", right=True),
    )
    defined = [one for one in rows if one["tau"] is not None]
    cells = tuple(
        (
            _of(_short(one["quantity"]), one.get("subject", "")),
            one["status"] or NULL,
            str(one["n"]),
            plain(one["tau"], 2),
            _ends(one["interval"]),
            plain(one["partial"], 2),
            _ends(one["partial_interval"]),
        )
        for one in defined
    )
    undefined = [f"{_short(one['quantity'])}: {one['reason']}" for one in rows if one["tau"] is None]
    notes = (*undefined, POLICY)
    return Section(
        TITLES[target], f"correlation-{target}", grid=Grid(columns, cells) if cells else None, notes=notes
    )


def _header(name: str, statuses: dict[str, str], subjects: dict[str, str]) -> str:
    bound = _short(name)
    if bound == name:
        return _of(name, "interpolant" if name == "gntk.kernel_bound" else "")
    return f"{_of(bound, subjects.get(bound, ''))} ({statuses.get(bound, '')})"


def _of(name: str, subject: str) -> str:
    """Return a name, with the subject where a bound is not of the ticket itself."""
    return f"{name} of the {subject}" if subject in {"compression", "interpolant"} else name


def _short(name: str) -> str:
    """Return a bound's name alone; any other quantity as it is."""
    part, _, rest = name.partition(".")
    return rest.rpartition(".")[0] if part == "bounds" else name


def _cell(name: str, value: float | None) -> str:
    if name.startswith("bounds."):
        return upper(None, log10=value)
    return percent(value) if name in SHARES else plain(value)


def _ends(ends: Sequence[float] | None) -> str:
    return NULL if ends is None else f"[{ends[0]:.2f}, {ends[1]:.2f}]"

"""What the tickets say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, variance

import numpy as np

from experiments.common.record import Tree, rounded
from experiments.common.statistics import mean, within

ACCURACY, GAP = "accuracy", "gap"
FITTED = 0.01
"""A ticket of at most this training error fits its sample."""


def summary(cells: Mapping[str, Tree], held: int) -> Tree:
    """Return Kendall's tau of every quantity with accuracy and with the gap: within, over all, and by environment.

    Args:
        cells: of results.json.
        held: test images of each ticket.
    """
    rows = [row for cell in cells.values() for row in flat(cell, held)]
    names = sorted({name for row in rows for name in row["values"]})
    return rounded(
        {
            "tickets": len(rows),
            "fitted": sum(row["train_error"] <= FITTED for row in rows),
            "largest_train_error": max(row["train_error"] for row in rows),
            "environments": sorted({row["environment"] for row in rows}),
            "noise_ratio": noise_ratio(rows),
            "means": means(rows, ("environment", "density")),
            **{target: [ranked(rows, name, target) for name in names] for target in (ACCURACY, GAP)},
            "pruners": means(rows, ("pruner",)),
        }
    )


def flat(cell: Tree, held: int) -> list[Tree]:
    """Return a row a ticket: its environment, seed, density, targets and quantities."""
    return [
        {
            "environment": f"{cell['data']} {cell['arch']} {cell['noise']:g}",
            "seed": cell["seed"],
            "pruner": cell["pruner"],
            "density": ticket["density"],
            ACCURACY: 1 - ticket["test_error"],
            GAP: ticket["gap"],
            "train_error": ticket["train_error"],
            "standard_error": (ticket["test_error"] * (1 - ticket["test_error"]) / held) ** 0.5,
            "values": {**ticket["bounds"], **ticket["scores"], "density": ticket["density"]},
        }
        for ticket in cell["tickets"]
    ]


def groups(rows: list[Tree], names: Sequence[str]) -> list[list[Tree]]:
    """Return the rows that agree in some entries, group by group."""
    found: dict[tuple[object, ...], list[Tree]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return list(found.values())


def noise_ratio(rows: list[Tree]) -> float | None:
    """Return the variance of the gap at one environment, seed and density over that of its sampling, of tickets that fit."""
    fitted = [row for row in rows if row["train_error"] <= FITTED]
    cells = [own for own in groups(fitted, ("environment", "seed", "density")) if len(own) > 1]
    if not cells:
        return None
    own = fmean(variance([row[GAP] for row in cell]) for cell in cells)
    sampling = fmean(row["standard_error"] ** 2 for cell in cells for row in cell)
    return own / sampling if sampling else None


def means(rows: list[Tree], names: tuple[str, ...]) -> list[Tree]:
    """Return mean accuracy, training error, gap and its standard error of every group."""
    return [
        {
            **{name: own[0][name] for name in names}, "n": len(own),
            **{name: fmean(row[name] for row in own) for name in (ACCURACY, "train_error", GAP, "standard_error")},
        }
        for own in groups(rows, names)
    ]  # fmt: skip


def ranked(rows: list[Tree], name: str, target: str) -> Tree:
    """Return the taus of a quantity with a target, each (tau, low, high, tickets) or null.

    `within` compares tickets of one environment, seed and density, so that sample and initial weights are the same, `clear`
    those of them that differ by two standard errors, `pooled` those of one environment and seed at any density, `all` all.
    `environments` is the mean of `within` over environments, resampled. `errors` are median, nine tenths and the largest over
    environments of the share of pairs that are ordered wrongly, in the direction that suits the quantity best over all.
    """
    own = [row for row in rows if row["values"].get(name) is not None]
    whole = _tau(own, name, target, ("environment", "seed", "density"))
    taus = [
        found[0]
        for place in groups(own, ("environment",))
        if (found := _tau(place, name, target, ("seed", "density"))) is not None
    ]
    sign = -1 if whole and whole[0] < 0 else 1
    wrong = [(1 - sign * tau) / 2 for tau in taus]
    return {
        "quantity": name,
        "within": whole,
        "clear": _tau(own, name, target, ("environment", "seed", "density"), clear=True),
        "pooled": _tau(own, name, target, ("environment", "seed")),
        "all": _tau(own, name, target, ()),
        "environments": mean(taus),
        "errors": [float(np.quantile(wrong, q)) for q in (0.5, 0.9, 1.0)] if wrong else None,
        "n_environments": len(taus),
    }


def _tau(
    rows: list[Tree], name: str, target: str, strata: tuple[str, ...], clear: bool = False
) -> tuple[float, float, float, int] | None:
    return within(
        [row["values"][name] for row in rows],
        [row[target] for row in rows],
        [tuple(row[entry] for entry in strata) for row in rows],
        noise=[row["standard_error"] for row in rows] if clear else None,
    )

"""What the tickets say together."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean, median

from experiments.common.record import Tree, rounded
from experiments.common.statistics import within

ACCURACY, GAP = "accuracy", "gap"


def summary(cells: Mapping[str, Tree]) -> Tree:
    """Return Kendall's tau of every quantity with accuracy and with the gap: within, over all, and by environment.

    Args:
        cells: of results.json.
    """
    rows = [row for cell in cells.values() for row in flat(cell)]
    names = sorted({name for row in rows for name in row["values"]})
    return rounded(
        {
            "tickets": len(rows),
            "environments": sorted({row["environment"] for row in rows}),
            "means": means(rows),
            **{target: [ranked(rows, name, target) for name in names] for target in (ACCURACY, GAP)},
            "best_pruner": by_pruner(rows),
        }
    )


def flat(cell: Tree) -> list[Tree]:
    """Return a row a ticket: its environment, density, targets and quantities."""
    return [
        {
            "environment": f"data {cell['data']}, {cell['arch']}, noise {cell['noise']:g}",
            "pruner": cell["pruner"],
            "density": ticket["density"],
            ACCURACY: 1 - ticket["test_error"],
            GAP: ticket["gap"],
            "train_error": ticket["train_error"],
            "values": {**ticket["bounds"], **ticket["scores"], "density": ticket["density"]},
        }
        for ticket in cell["tickets"]
    ]


def means(rows: list[Tree]) -> list[Tree]:
    """Return mean accuracy, training error and gap of every environment and density."""
    return [
        {
            "environment": environment, "density": density, "n": len(own),
            **{name: fmean(row[name] for row in own) for name in (ACCURACY, "train_error", GAP)},
        }
        for environment, density in dict.fromkeys((row["environment"], row["density"]) for row in rows)
        for own in [[r for r in rows if (r["environment"], r["density"]) == (environment, density)]]
    ]  # fmt: skip


def ranked(rows: list[Tree], name: str, target: str) -> Tree:
    """Return the taus of a quantity with a target, each (tau, low, high, tickets) or null.

    `within` compares tickets of one environment and density, `pooled` those of one environment at any density. The worst, median and
    best are over environments, of `within`.
    """
    x = [row["values"].get(name) for row in rows]
    y = [row[target] for row in rows]
    places = [row["environment"] for row in rows]
    cells = [(row["environment"], row["density"]) for row in rows]
    own = {
        place: within(
            [a for a, p in zip(x, places, strict=True) if p == place],
            [b for b, p in zip(y, places, strict=True) if p == place],
            [c for c, p in zip(cells, places, strict=True) if p == place],
        )
        for place in dict.fromkeys(places)
    }
    taus = [found[0] for found in own.values() if found is not None]
    return {
        "quantity": name,
        "within": within(x, y, cells),
        "pooled": within(x, y, places),
        "by_environment": {place: found and found[0] for place, found in own.items()},
        "worst": min(taus, default=None), "median": median(taus) if taus else None, "best": max(taus, default=None),
    }  # fmt: skip


def by_pruner(rows: list[Tree]) -> list[Tree]:
    """Return mean accuracy and gap of every pruner and density."""
    return [
        {
            "pruner": pruner, "density": density, "n": len(own),
            **{name: fmean(row[name] for row in own) for name in (ACCURACY, GAP)},
        }
        for pruner, density in dict.fromkeys((row["pruner"], row["density"]) for row in rows)
        for own in [[r for r in rows if (r["pruner"], r["density"]) == (pruner, density)]]
    ]  # fmt: skip

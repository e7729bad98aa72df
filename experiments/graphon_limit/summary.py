"""What the cells say together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean

import numpy as np

from boundcalc.correlation import correlate
from experiments.common.record import Tree, rounded
from experiments.common.statistics import slope, within

METRICS = ("alpha", "effective_rank", "gap", "top5_energy", "trace", "rate", "predicted", "at_one_rate")
LATE = 200
"""Step of the predicted curve that is compared."""


def summary(cells: Mapping[str, Tree], widest: int) -> Tree:
    """Return rates, distances between limits, and rank correlations.

    Args:
        cells: of results.json.
        widest: the largest width.
    """
    limits = [cell for key, cell in cells.items() if key.startswith("limit")]
    fits = [cell for key, cell in cells.items() if key.startswith("fit")]
    return rounded(
        {
            "rates": rates([cell for cell in limits if cell["width"] < widest]),
            "limits": apart([cell for cell in limits if cell["width"] == widest]),
            "correlations": correlations(fits),
            "power": power(fits),
            "counts": {"limit": len(limits), "fit": len(fits)},
        }
    )


def rates(cells: list[Tree]) -> list[Tree]:
    """Return the distance to the widest network against width, and the exponent of its fall."""
    found = []
    for hidden, density, pruner in dict.fromkeys((c["hidden"], c["density"], c["pruner"]) for c in cells):
        own = [c for c in cells if (c["hidden"], c["density"], c["pruner"]) == (hidden, density, pruner)]
        widths = sorted({c["width"] for c in own})
        row: Tree = {"hidden": hidden, "density": density, "pruner": pruner, "widths": widths}
        row["seeds"] = min(sum(c["width"] == width for c in own) for width in widths)
        for name, value in MEASURES.items():
            groups = [[value(c["widest"]) for c in own if c["width"] == width] for width in widths]
            row[name] = [fmean(group) for group in groups]
            row[f"{name}_exponent"] = slope(widths, groups) if len(widths) > 1 else None
        found.append(row)
    return found


MEASURES: dict[str, Callable[[Tree], float]] = {
    "l2": lambda found: fmean(found["l2"]),
    "cut_low": lambda found: fmean(found["cut_low"]),
    "cut_high": lambda found: fmean(found["cut_high"]),
}
"""Means over the layers."""


def apart(cells: list[Tree]) -> list[Tree]:
    """Return how far the widest networks of two pruners are apart, beside how far those of two seeds of one are."""
    found = []
    for hidden, density in dict.fromkeys((c["hidden"], c["density"]) for c in cells):
        own = [c for c in cells if (c["hidden"], c["density"]) == (hidden, density)]
        for c in own:
            for other, distance in c["pruners"].items():
                found.append((hidden, density, other, c["pruner"], distance))
            if "seed_before" in c:
                found.append((hidden, density, c["pruner"], c["pruner"], c["seed_before"]))
    return [
        {
            "hidden": key[0], "density": key[1], "pruners": list(key[2:]),
            "n": sum(row[:4] == key for row in found),
            **{
                name: fmean(value(row[4]) for row in found if row[:4] == key)
                for name, value in MEASURES.items()
            },
        }
        for key in dict.fromkeys(row[:4] for row in found)
    ]  # fmt: skip


def leading(cell: Tree) -> float:
    """Return lambda_1 / m of a cell's kernel."""
    return cell["trace"] / cell["effective_rank"]


def predicted(cell: Tree, steps: float) -> float:
    """Return the share of the labels that is left after some steps of size 1 / lambda_1, by interpolation."""
    known = sorted((float(at), share) for at, share in cell["residual"].items())
    return float(np.interp(np.log1p(steps), [np.log1p(at) for at, _ in known], [share for _, share in known]))


def metrics(cells: list[Tree]) -> dict[str, list[float]]:
    """Return name -> values of all cells.

    `predicted` takes steps of 1 / lambda_1 of each kernel, `at_one_rate` those of the largest kernel for all.
    """
    largest = max((leading(cell) for cell in cells), default=1.0)
    found = {
        name: [cell[name] for cell in cells] for name in METRICS if name not in {"predicted", "at_one_rate"}
    }
    found["predicted"] = [predicted(cell, LATE) for cell in cells]
    found["at_one_rate"] = [predicted(cell, LATE * leading(cell) / largest) for cell in cells]
    return found


def correlations(cells: list[Tree]) -> list[Tree]:
    """Return Kendall's tau of the mean loss with each metric: over all networks, and within a density."""
    rows = []
    losses = [cell["mean_loss"] for cell in cells]
    densities = [cell["density"] for cell in cells]
    for metric, values in metrics(cells).items():
        pooled = correlate(values, losses, densities)
        rows.append({
            "metric": metric, "n": pooled.n, "ends": [min(values), max(values)],
            "pooled": pooled.plain.tau, "pooled_interval": pooled.plain.interval,
            "partial": pooled.partial.tau, "partial_interval": pooled.partial.interval,
            "within": within(values, losses, densities),
            "within_pruner": within(values, losses, [cell["pruner"] for cell in cells]),
        })  # fmt: skip
    return rows


def power(cells: list[Tree]) -> tuple[float, float, float] | None:
    """Return b where the trace of the kernel of randomly pruned networks goes like density^b, with its interval."""
    own = [cell for cell in cells if cell["pruner"] == "random"]
    densities = sorted({cell["density"] for cell in own})
    if len(densities) < 2:
        return None
    return slope(
        densities, [[cell["trace"] for cell in own if cell["density"] == each] for each in densities]
    )

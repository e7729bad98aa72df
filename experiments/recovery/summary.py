"""What the cells say together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean

import numpy as np

from experiments.common.record import Tree, rounded
from experiments.common.statistics import slope

SHARE = 0.5


def summary(cells: Mapping[str, Tree], errors: Mapping[str, tuple[float, ...]]) -> Tree:
    """Return exponents, thresholds and the smallest samples.

    Args:
        cells: of results.json.
        errors: architecture -> test errors for which the smallest sample of real data is asked.
    """
    kinds = {
        kind: [cell for key, cell in cells.items() if key.startswith(f"{kind} ")]
        for kind in ("rate", "success", "region", "noise", "tickets")
    }
    return rounded(
        {
            "rate": rates(kinds["rate"]),
            "success": thresholds(kinds["success"]),
            "success_exponents": exponents(thresholds(kinds["success"])),
            "region": radii(kinds["region"]),
            "noise": noise(kinds["noise"]),
            "tickets": {
                arch: smallest([cell for cell in kinds["tickets"] if cell["arch"] == arch], own)
                for arch, own in errors.items()
            },
            "counts": {kind: len(own) for kind, own in kinds.items()},
        }
    )


def rates(cells: list[Tree]) -> list[Tree]:
    """Return, by method, how -log(contraction) falls with r~, and whether the contraction is a line in sqrt(r~)."""
    found = []
    for momentum in sorted({cell["momentum"] for cell in cells}):
        own = [cell for cell in cells if cell["momentum"] == momentum]
        if len(own) < 2:
            continue
        speeds = [[-math.log(each) for each in cell["contraction"]] for cell in own]
        x = [cell["r_tilde"] for cell in own]
        y = [fmean(cell["contraction"]) for cell in own]
        found.append({
            "momentum": momentum, "r": [cell["r"] for cell in own], "r_tilde": x, "contraction": y,
            "exponent": slope(x, speeds),
            "r_squared_sqrt": _r_squared([math.sqrt(each) for each in x], y), "r_squared_linear": _r_squared(x, y),
        })  # fmt: skip
    return found


def _r_squared(x: list[float], y: list[float]) -> float:
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def thresholds(cells: list[Tree]) -> list[Tree]:
    """Return the sample at which a tenth, half and nine tenths of the students recover their teacher, by interpolation."""
    found = []
    for arrangement, r in dict.fromkeys((cell["arrangement"], cell["r"]) for cell in cells):
        own = sorted(
            (c for c in cells if (c["arrangement"], c["r"]) == (arrangement, r)), key=lambda c: c["N"]
        )
        sizes = [c["N"] for c in own]
        shares = [fmean(map(float, c["recovered"])) for c in own]
        ends = {share: crossing(sizes, shares, share) for share in (0.1, SHARE, 0.9)}
        found.append({
            "arrangement": arrangement, "r": r, "K": own[0]["K"], "r_tilde": fmean(c["r_tilde"] for c in own),
            "N": sizes, "share": shares,
            "N10": ends[0.1], "N50": ends[SHARE], "N90": ends[0.9],
        })  # fmt: skip
    return found


def crossing(x: list[float], shares: list[float], share: float) -> float | None:
    """Return where a rising share first crosses a value, linearly in log x; None where it does not.

    Example:
        >>> crossing([1, 2, 4], [0.0, 0.5, 1.0], 0.5)
        2.0
    """
    for k in range(1, len(x)):
        low, high = shares[k - 1], shares[k]
        if low < share <= high:
            part = (share - low) / (high - low)
            return math.exp(math.log(x[k - 1]) + part * (math.log(x[k]) - math.log(x[k - 1])))
    return None


def exponents(rows: list[Tree]) -> Tree:
    """Return b of N50 = a r~^b and of N50 = a r^b, over random supports; and its ends where one r is left out."""
    own = [row for row in rows if row["arrangement"] == "random" and row["N50"] is not None]
    if len(own) < 3:
        return {}

    def fit(name: str, some: list[Tree]) -> float:
        return float(
            np.polyfit(np.log([row[name] for row in some]), np.log([row["N50"] for row in some]), 1)[0]
        )

    found = {}
    for name in ("r_tilde", "r"):
        others = [fit(name, own[:k] + own[k + 1 :]) for k in range(len(own))]
        found[name] = [fit(name, own), min(others), max(others)]
    return found


def radii(cells: list[Tree]) -> list[Tree]:
    """Return the share of students that recover their teacher, by distance of the start."""
    found = []
    for r, size in dict.fromkeys((cell["r"], cell["N"]) for cell in cells):
        own = sorted((c for c in cells if (c["r"], c["N"]) == (r, size)), key=lambda cell: cell["distance"])
        distances = [cell["distance"] for cell in own]
        shares = [fmean(map(float, cell["recovered"])) for cell in own]
        lost = [1 - share for share in shares]
        found.append({
            "r": r, "r_tilde": own[0]["r_tilde"], "N": size, "distance": distances, "share": shares,
            "starts": len(own[0]["recovered"]),
            "radius": crossing(distances, lost, SHARE), "beyond": shares[-1] > SHARE,
        })  # fmt: skip
    return found


def noise(cells: list[Tree]) -> Tree:
    """Return the exponents of the final distance in noise, r~ and N, by least squares in logarithms."""
    rows = [
        (math.log(cell["noise"]), math.log(cell["r_tilde"]), math.log(cell["N"]), math.log(each))
        for cell in cells
        for each in cell["end"]
        if each < 1
    ]
    names = ("noise", "r_tilde", "N")
    table = np.array(rows)
    if len(rows) <= len(names) + 1 or any(len(set(column)) < 2 for column in table.T[:3]):
        return {}
    fitted = [_exponents(table)]
    random = np.random.default_rng(0)
    fitted += [_exponents(table[random.integers(len(table), size=len(table))]) for _ in range(500)]
    ends = np.quantile(np.array(fitted[1:]), (0.025, 0.975), axis=0)
    found: Tree = {
        name: [float(fitted[0][k]), float(ends[0][k]), float(ends[1][k])] for k, name in enumerate(names)
    }
    return found | {"runs": len(rows), "lost": sum(each >= 1 for cell in cells for each in cell["end"])}


def _exponents(table: np.ndarray) -> np.ndarray:
    columns = np.column_stack([table[:, :3], np.ones(len(table))])
    return np.linalg.lstsq(columns, table[:, 3], rcond=None)[0][:3]


def smallest(cells: list[Tree], errors: tuple[float, ...]) -> list[Tree]:
    """Return the test errors, then for each error and level the sample at which the mean over the seeds reaches it.

    `by_seed` is the exponent in the hidden survivors of each seed alone.
    """
    if not cells:
        return []
    sizes = sorted({cell["N"] for cell in cells})
    levels = range(len(cells[0]["density"]))
    hidden = [fmean(cell["hidden"][level] for cell in cells) for level in levels]

    def table(own: list[Tree]) -> list[list[float]]:
        return [
            [fmean(cell["test_error"][level] for cell in own if cell["N"] == size) for size in sizes]
            for level in levels
        ]

    def needed(means: list[list[float]], error: float) -> list[float | None]:
        return [_reached(sizes, row, error) for row in means]

    seeds = [
        [cell for cell in cells if cell["seed"] == seed] for seed in sorted({cell["seed"] for cell in cells})
    ]
    whole = [table(own) for own in seeds if {cell["N"] for cell in own} == set(sizes)]
    means = table(cells)
    found: list[Tree] = [{"sizes": sizes, "hidden": hidden, "test_error": means}]
    for error in errors:
        by_seed = [_line(hidden, needed(own, error)) for own in whole]
        found.append({
            "error": error, "hidden": hidden, "N": needed(means, error), "exponent": _line(hidden, needed(means, error)),
            "by_seed": [each for each in by_seed if each is not None],
        })  # fmt: skip
    return found


def _line(hidden: list[float], samples: list[float | None]) -> float | None:
    """Return the exponent of the samples in the survivors; None for fewer than three known ones."""
    known = [(weights, count) for weights, count in zip(hidden, samples, strict=True) if count is not None]
    return float(np.polyfit(*np.log(known).T, 1)[0]) if len(known) > 2 else None


def _reached(sizes: list[int], errors: list[float], error: float) -> float | None:
    """Return the sample at which falling errors reach one; None where they do not, or are below it from the start."""
    return crossing([float(size) for size in sizes], [-each for each in errors], -error)

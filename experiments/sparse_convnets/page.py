"""docs/results/sparse-convnets.md from results.json: `python -m experiments.sparse_convnets.page`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.bounds import registry
from boundcalc.figures.style import canvas, legend_below, log_axis, series_style
from experiments.common.page import command, data_name, ends, grid, made, num, publish, span
from experiments.common.record import Tree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPARSE = ("peeling", "path_norm")
CONFIDENCE = 0.95
"""Of every bound: the default of boundcalc."""
WHOLE = 60_000
"""Training images of the data sets whole."""


SUMS = (
    "golowich2018_1inf",
    "golowich2018_fro",
    "neyshabur2015_1inf",
    "neyshabur2015_fro",
    "gouk2021_1inf",
    "gouk2021_fro",
)
"""Theorems by products of norms of Toeplitz matrices; they ignore sparsity."""
COVERS = ("graf2022_params", "graf2022_norms")
DRAWN = (
    "test error", "peeling", "graf2022_params", "galanti2023", "bartlett2017", "golowich2018_1inf", "golowich2018_fro",
    "ledent2021",
)  # fmt: skip
"""In the picture, one of each kind."""
THEIRS = {
    "galanti2023": (0.5, 1.0), "golowich2018_fro": (16.0, 16.0), "graf2022_norms": (17.5, 19.0), "ledent2021": (22.0, 22.0),
}  # fmt: skip
"""Powers of 2 at which curves of the paper's figure end, the first its own; which form of Graf et al. it draws is not known."""
WIDE = (200, 1000)
"""Channels of its networks."""


def text(results: Tree) -> str:
    """Return the page."""
    setting, summary = results["setting"], results["summary"]
    how, rows = setting["training"], ordered(results)
    base = setting["runs"][0][1]
    wider = sorted({row["channels"] for row in summary["networks"] if row["epochs"][-1]} - {base})
    return "\n\n".join([
        "# Bounds of sparse convolutional networks",
        "**Claim** (Galanti, Xu, Galanti & Poggio 2023, Norm-based Generalization Bounds for Sparse Neural Networks):"
        " bounds that use the sparsity of convolutions are orders of magnitude below those by norms of Toeplitz"
        " matrices, and near"
        f" the error on simple problems. In their figure (CONV-3-{WIDE[0]} to {WIDE[1]}, full MNIST) theirs ends at"
        f" {theirs('galanti2023')}, Long & Sedghi at 2^4 to 2^6, Golowich et al. at {theirs('golowich2018_fro')}, Graf et al. at"
        f" {theirs('graf2022_norms')}, Ledent et al. at {theirs('ledent2021')}.",
        f"**What was run.** CONV-L-H (2 x 2 kernels, stride 1, no bias, weight normalization) of H = {base} channels, at"
        f" L = {min(row['depth'] for row in rows)} also of {', '.join(map(str, wider)) or 'none'}; mean squares on one-hot"
        f" labels, weight decay {how['decay']:g}, {how['samples']:,} training and {how['held']:,} test images, at most"
        f" {how['epochs']} epochs of"
        f" gradient descent, measured every {setting['every']}; dense, and pruned at initialization to"
        f" {' and '.join(f'{100 * each:g} %' for each in setting['densities'] if each < 1)} by {setting['pruner']}, which does"
        f" not see the sample. Every theorem bounds the test error at confidence {CONFIDENCE:g}; at 1 or above it says nothing."
        " `galanti2023` is the formula of the released code; it is refuted and bounds nothing. Long & Sedghi's theorem has a"
        " constant that is not known, so that there is"
        " no bound of theirs to compare with.",
        f"**Answer.** {verdict(results, rows)}",
        "![Bounds and test error along training and over the width](../_static/sparse-convnets.svg)",
        "## Errors",
        errors(rows),
        "## Bounds at the last epoch that was run",
        *(bounds([row for row in rows if row["name"] == name]) for name in dict.fromkeys(row["name"] for row in rows)),
        *width(summary["widths"], how["samples"]),
        left(setting, summary),
        made(results, "sparse_convnets"),
        command(
            f"{results['command']}   # goes on where it stopped",
            "trains for an hour, and needs MNIST and Fashion-MNIST",
        ),
    ]) + "\n"  # fmt: skip


def theirs(name: str) -> str:
    """Return where a curve of the paper's figure ends; a hyphen where there is none."""
    return " to ".join(dict.fromkeys(f"2^{each:g}" for each in THEIRS.get(name, ()))) or "-"


def ordered(results: Tree) -> list[Tree]:
    """Return the networks of the first H by data set, density and depth, with the names of their data sets."""
    base = results["setting"]["runs"][0][1]
    rows = sorted(
        (row for row in results["summary"]["networks"] if row["channels"] == base),
        key=lambda row: (row["data"], -row["density"], row["depth"]),
    )
    return [{**row, "name": data_name(results, row["data"])} for row in rows]


def _name(row: Tree) -> str:
    return f"L = {row['depth']}, {share(row)}"


def errors(rows: list[Tree]) -> str:
    """Return the table of measured errors."""
    return grid(
        (
            "data", "network", "epoch", "seeds", "surviving", "training error", "test error",
            "the better of `peeling` and `path_norm`", "the smallest other theorem",
        ),
        [
            (row["name"], _name(row), row["epochs"][-1], row["seeds"], f"{100 * row['measured_density']:.1f} %",
             f"{row['train_error']:.4f}", f"{row['test_error']:.4f}", _value(min(last(row, SPARSE).values())),
             "{1} (`{0}`)".format(*least_other(row)))
            for row in rows
        ],
    )  # fmt: skip


def last(row: Tree, names: Iterable[str]) -> dict[str, float]:
    """Return the logarithms of bounds at the last epoch."""
    return {name: row["log10_bounds"][name][-1] for name in names if name in row["log10_bounds"]}


def least_other(row: Tree) -> tuple[str, str]:
    """Return name and value of the smallest theorem about the network itself that does not use sparsity."""
    own = {
        bound.name for bound in registry.values() if (bound.status, bound.subject) == ("theorem", "network")
    }
    found = last(row, own.difference(SPARSE))
    best = min(found, key=lambda name: found[name])
    return best, _value(found[best])


def bounds(rows: list[Tree]) -> str:
    """Return the table of the bounds on one data set, the sparse ones first."""
    names = sorted({name for row in rows for name in row["log10_bounds"]}, key=lambda n: (n not in SPARSE, n))
    return grid(
        (rows[0]["name"], "status", "speaks of", *map(_name, rows)),
        [
            (f"`{name}`", registry[name].status, registry[name].subject, *(_value(*last(row, [name]).values()) for row in rows))
            for name in names
        ],
    )  # fmt: skip


def _value(log10: float | None = None) -> str:
    if log10 is None:
        return "-"
    return num(10**log10) if log10 < 4 else f"10^{log10:.1f}"


def verdict(results: Tree, rows: list[Tree]) -> str:
    """Return how far the sparse bounds are from the others and from the error."""
    sparse = [min(last(row, SPARSE).values()) for row in rows]
    above = {
        name: [last(row, [name])[name] - own for row, own in zip(rows, sparse, strict=True)]
        for name in rows[0]["log10_bounds"]
        if all(name in row["log10_bounds"] for row in rows)
    }
    ratios = {
        name: f"`{name}` 10^{' to 10^'.join(ends(found).split(' to '))}" for name, found in above.items()
    }
    held = results["setting"]["training"]["held"]
    spreads = [(row["test_error"] * (1 - row["test_error"]) / held / row["seeds"]) ** 0.5 for row in rows]
    spread = max((row["log10_spread"] for row in rows if row["seeds"] > 1), default=0.0)
    return (
        ("No sparse bound is below 1: none says anything about these errors, and none is near them." if min(sparse) >= 0
         else "A sparse bound is below 1 for at least one network.")
        + " Over the better of `peeling` and `path_norm` lie the products of Toeplitz norms, by these factors: "
        + ", ".join(ratios[name] for name in SUMS if name in ratios)
        + ". The covering numbers of Graf et al. 2022, which ignore sparsity, by "
        + ", ".join(ratios[name] for name in COVERS if name in ratios)
        + (": they are smaller on every network. 'Orders of magnitude below' holds for products of Frobenius norms only."
           if all(value < 0 for name in COVERS if name in above for value in above[name]) else ".")
        + sparser(rows)
        + released(results, rows)
        + grown(results["summary"]["widths"], results["setting"]["training"]["samples"])
        + (f" Where a network was trained twice, its bounds differ by a factor of at most {10**spread:.2f}." if spread else
           " Every network was trained once.")
        + f" Standard errors of test errors are {ends(spreads, 3)}. Two-class problems on which proved norm bounds are"
        " below 1: [few classes](few-classes.md)."
    )  # fmt: skip


def sparser(rows: list[Tree]) -> str:
    """Return what pruning does to the sparse bounds and to the covering numbers."""
    falls: dict[str, list[float]] = {}
    pairs = [
        (row, dense)
        for row in rows
        for dense in rows
        if (dense["data"], dense["depth"]) == (row["data"], row["depth"])
        and row["density"] < dense["density"]
    ]
    for name, names in (("the better sparse bound", SPARSE), ("`graf2022_params`", COVERS[:1])):
        both = [[min(last(each, names).values(), default=None) for each in pair] for pair in pairs]
        found = [10 ** (dense - row) for row, dense in both if row is not None and dense is not None]
        if found:
            falls[name] = found
    told = " and ".join(f"{name} by {ends(found)}" for name, found in falls.items() if found)
    return f" Pruning divides {told}." if told else ""


def released(results: Tree, rows: list[Tree]) -> str:
    """Return the released formula, scaled to the whole data set."""
    least = min(row["depth"] for row in rows)
    scale = (WHOLE / results["setting"]["training"]["samples"]) ** 0.5
    shallow = [row["log10_bounds"].get("galanti2023") for row in rows if row["depth"] == least]
    found = [10 ** course[-1] / scale for course in shallow if course is not None]
    if not found:
        return ""
    return (
        f" The released formula, refuted as a bound, is {min(found):.2f} to {max(found):.2f} at L = {least} when its 1"
        f" / sqrt(m) is scaled to"
        f" {WHOLE:,} images; their figure has {2 ** THEIRS['galanti2023'][0]:.2g} to {2 ** THEIRS['galanti2023'][1]:.2g}."
    )


def width(rows: list[Tree], samples: int) -> list[str]:
    """Return what the bounds of the shallowest networks do as these grow wider, and how that compares with the paper's figure."""
    known = [row for row in rows if len(row["channels"]) > 1]
    if not known:
        return []
    parts = ["## Wider networks"]
    for row in known:
        names = sorted(row["exponents"], key=lambda name: (name not in SPARSE, name))
        parts += [
            f"CONV-{row['depth']}-H on the first data set, {share(row)}, after {row['epoch']} epochs: values of the"
            f" bounds by H, and"
            " the exponent b in H^b by least squares in logarithms, in brackets its ends with one width left out.",
            grid(
                ("", *(f"H = {width:g}" for width in row["channels"]), "exponent"),
                [
                    ("test error", *(f"{error:.4f}" for error in row["test_errors"]), ""),
                    *((f"`{name}`", *map(_value, row["log10_bounds"][name]), span(row["exponents"][name])) for name in names),
                ],
            ),
        ]  # fmt: skip
    dense = known[0]
    parts += [
        f"Their figure has the formulas as their papers state them. In powers of 2, on {samples:,} images; on {WHOLE:,} every one"
        f" with the same norms would be 2^{math.log2(WHOLE / samples) / 2:.1f} times smaller:",
        grid(
            ("as published", *(f"H = {width:g}" for width in dense["channels"]),
             f"their figure, H = {WIDE[0]} to {WIDE[1]:,}"),
            [
                (f"`{name}`", *(f"2^{_powers(value):.1f}" for value in dense["log10_published"][name]),
                 theirs(name))
                for name in sorted(dense["log10_published"], key=lambda name: dense["log10_published"][name][-1])
            ],
        ),
    ]  # fmt: skip
    return parts


def share(row: Tree) -> str:
    """Return how dense a network is."""
    return "dense" if row["density"] == 1 else f"{100 * row['density']:g} %"


def _powers(log10: float) -> float:
    return log10 / math.log10(2)


def grown(rows: list[Tree], samples: int) -> str:
    """Return which bounds grow with the width, and where the formulas as published stand beside the paper's figure."""
    known = [row for row in rows if len(row["channels"]) > 1]
    if not known:
        return ""
    dense = known[0]
    scale = math.log2(WHOLE / samples) / 2
    at = {name: _powers(course[-1]) - scale for name, course in dense["log10_published"].items()}
    told = ", ".join(f"`{name}` 2^{at[name]:.1f} ({theirs(name)})" for name in THEIRS if name in at)
    return "".join(f" {growth(row)}" for row in known if any(row["exponents"].values())) + (
        f" As published, at H = {dense['channels'][-1]:g} and scaled to {WHOLE:,} images, in parentheses their figure: {told}. Its"
        " curve lies far below the others by the released formula only, which is refuted, so that this is no distance between"
        f" bounds; `peeling` as published has 2^{at['peeling']:.1f}."
        if told and "peeling" in at
        else ""
    )


def growth(row: Tree) -> str:
    """Return the exponents of the sparse bounds, and of the others from the smallest to the largest."""
    known = {name: found for name, found in row["exponents"].items() if found}
    sparse = ", ".join(f"`{name}` like H^{span(known[name])}" for name in SPARSE if name in known)
    others = sorted((name for name in known if name not in SPARSE), key=lambda name: known[name][0])
    return (
        f"{'Dense' if row['density'] == 1 else f'At {share(row)}'}, the sparse bounds grow with the width, {sparse}; the others from"
        f" `{others[0]}` {span(known[others[0]])} to `{others[-1]}` {span(known[others[-1]])}."
    )


def left(setting: Tree, summary: Tree) -> str:
    """Return what of the plan was not run."""
    epochs = setting["training"]["epochs"] // setting["every"] + 1
    sets = len({row["data"] for row in summary["networks"]})
    runs = setting["runs"]
    planned = sum(sets if run[1] == runs[0][1] else 1 for run in runs) * epochs * len(setting["densities"])
    missing = planned - summary["cells"]
    return (
        f"**Not run.** {f'{missing} of the {planned} measurements' if missing else 'Nothing'} of this plan. Beyond it: the"
        f" paper's widths to {WIDE[1]:,}, its full training sets and its hundreds of epochs, more than two seeds."
    )


def figure(results: Tree) -> Figure:
    """Draw the test error and some bounds along training, of a dense and a sparse network, and over the width of the dense one."""
    rows = sorted(ordered(results), key=lambda row: len(row["epochs"]), reverse=True)
    chosen = rows[:1] + [row for row in rows if row["density"] != rows[0]["density"]][:1]
    wide = [row for row in results["summary"]["widths"] if len(row["channels"]) > 1][:1]
    panels = len(chosen) + len(wide)
    drawn, axes = canvas(0.8 + 2.5 * panels, rows=panels)
    handles = {}
    for axis, row in zip(axes, chosen + wide, strict=True):
        x = [math.log10(width) for width in row["channels"]] if row in wide else row["epochs"]
        logs = {"test error": [math.log10(each) for each in row["test_errors"]], **row["log10_bounds"]}
        for index, name in enumerate(DRAWN):
            (handles[name],) = axis.plot(x, logs[name], **series_style(index))
        log_axis(axis.yaxis, *axis.get_ylim())
        axis.axhline(0.0, linewidth=0.8)
        if row in wide:
            axis.xaxis.set_ticks(x, [f"{width:g}" for width in row["channels"]])
            title = f"{data_name(results, 0)}, L = {row['depth']}, {share(row)}, epoch {row['epoch']}"
            axis.set(xlabel="channels, H", ylabel="value", title=title)
        else:
            axis.set(xlabel="epoch", ylabel="value", title=f"{row['name']}, {_name(row)}")
    legend_below(drawn, list(handles.values()), list(handles), 2)
    return drawn


if __name__ == "__main__":
    publish("sparse-convnets", Path(__file__).parent, text, {"sparse-convnets": figure})

"""docs/results/few-classes.md from results.json: `python -m experiments.sharper.page`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.bounds import registry
from boundcalc.figures.style import LINE, MARKERS, PROVED, PUBLISHED, SERIES, canvas
from experiments.common.page import command, ends, grid, made, publish
from experiments.common.record import Tree
from experiments.sharper.run import CHOICES, DELTA, SPARSE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def text(results: Tree) -> str:
    """Return the page."""
    cells = results["cells"]
    return "\n\n".join([
        "# Norm bounds that say something",
        "**Claim** (Galanti, Xu, Galanti & Poggio 2023, Norm-based Generalization Bounds for Sparse Neural Networks):"
        " norm bounds that use"
        " sparsity are far below those that do not, and near the error on simple problems.",
        f"**What was run.** {len(cells)} tickets without biases on the images of MNIST of two, three or ten classes. Masks are"
        " random and fixed before the sample (`--mask-origin independent`), so that none is paid for; training is `boundcalc train"
        f" --regularise peeling --weight-decay D`. Every value bounds the test error at confidence {1 - DELTA:g} and is"
        f" rounded up; at 1 or"
        " above it says nothing. One seed a ticket. With ten classes the margin is one that half of the sample attains,"
        " as everywhere"
        " where bounds say nothing.",
        f"**Answer.** {answer(results)}",
        "![Every norm bound of each ticket on a logarithmic axis](../_static/few-classes.svg)",
        "## Bounds that use sparsity",
        own(results),
        "## The other norm bounds of the same tickets",
        others(cells),
        "Hollow marks in the picture, `ledent2021` and `lin2019`, are as their papers state them and are not proved here.",
        "## Where it stops",
        *where_it_stops(results),
        "**Not run.** More seeds, other data, and convolutions on more than two classes.",
        made(results, "sharper"),
        command(
            f"{results['command']}   # goes on where it stopped",
            "trains for fifteen minutes, and needs MNIST",
        ),
    ]) + "\n"  # fmt: skip


def answer(results: Tree) -> str:
    """Return which tickets have a bound below 1, how far it is from the error, and whether sparsity makes it smaller."""
    summary, cells = results["summary"], results["cells"]
    best = {name: min(row["value"], row["other_value"]) for name, row in summary.items()}
    below = [name for name in summary if best[name] < 1]
    factors = {name: best[name] / cells[name]["test_error"] for name in below if cells[name]["test_error"]}
    gains = {name: row["other_value"] / row["value"] for name, row in summary.items()}
    smaller = [name for name, gain in gains.items() if gain > 1]
    least = min(best, key=lambda name: best[name])
    words = [
        f"{len(below)} of {len(summary)} tickets have a proved norm bound below 1, the smallest {number(best[least])}"
        f" ({least}): on simple problems, and behind a fixed first stage on ten classes, too, such bounds say something."
    ]
    if factors:
        surely = [best[name] / summary[name]["error_bound"] for name in below]
        words.append(
            f"Near the error they are not: where they are below 1, they are {ends(list(factors.values()), 0)} times the test error,"
            f" and {ends(surely, 0)} times what the test set alone proves of the error (exact binomial bound at {1 - DELTA:g})."
        )
    words.append(
        f"The better of `peeling` and `path_norm` is the smallest theorem on {len(smaller)} of {len(summary)} tickets; the smallest"
        f" that does not use sparsity is {min(gains.values()):.2g} to {max(gains.values()):.2g} times it: sparsity helps, by less"
        f" than the claim. Each bound holds with probability {1 - DELTA:g} over samples, by itself; one seed a ticket, so"
        f" that nothing is"
        " known of how the factors differ between trainings."
    )
    return " ".join(words)


def number(value: float | None) -> str:
    """Return a bound as the tables have it, rounded up; a dash where there is none."""
    if value is None:
        return "-"
    if value < 100:
        return f"{math.ceil(value * 1000) / 1000:.3f}"
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return f"{math.ceil(value / unit) * unit:.3g}"


def own(results: Tree) -> str:
    """Return the table of `peeling` and `path_norm`, also as their papers state them."""
    return grid(
        ("data, network", "samples", "density", "D", "training error", "test error, with its standard error",
         *(title for bound in SPARSE for title in (f"`{bound}`", "as published"))),
        [
            (name, f"{cell['m']:,}", cell["density"], cell["strength"], f"{cell['train_error']:.4f}",
             f"{cell['test_error']:.4f} ± {results['summary'][name]['standard_error']:.4f}",
             *(number(cell["bounds"][bound][key]) for bound in SPARSE for key in ("value", "as_published")))
            for name, cell in results["cells"].items()
        ],
    )  # fmt: skip


def others(cells: Tree) -> str:
    """Return the table of all other norm bounds."""
    names = sorted({bound for cell in cells.values() for bound in cell["bounds"]} - set(SPARSE))
    return grid(
        ("data, network", *(f"`{bound}`" for bound in names)),
        [
            (name, *(number((cell["bounds"].get(bound) or {}).get("value")) for bound in names))
            for name, cell in cells.items()
        ],
    )


def where_it_stops(results: Tree) -> list[str]:
    """Return what classes, the mean image and a first stage change."""
    cells, summary = results["cells"], results["summary"]
    aside = max(ticket["aside"] for ticket in results["setting"]["tickets"])
    side = max(ticket["cells"] for ticket in results["setting"]["tickets"])
    dear = max(row["price_of_choice"] for row in summary.values())

    def told(name: str, bound: str = "peeling") -> str:
        cell = cells.get(name)
        if cell is None:
            return "-"
        return f"{number(cell['bounds'][bound]['value'])} at a training error of {100 * cell['train_error']:.1f} %"

    def at(name: str, bound: str = "peeling") -> str:
        return told(name, bound).replace("a training error of ", "")

    linear = "ten classes, first stage, centered, linear"
    return [
        "With two classes the margin is one output and costs no factor for classes. With $C$ classes the bound on margins"
        " grows like"
        r" $z + \sqrt{\pi/2}\,(\sqrt C\, w + \lVert X\rVert)$, and the norm that fits them grows as well. Trained with the squared"
        f" loss, a pruned perceptron on three digits has a bound of {told('0, 1 and 2, perceptron')}. On ten digits one"
        f" on the images"
        f" has {told('ten classes, perceptron, squared loss')}.",
        "What costs there is the direction that all images share. The bound takes the singular values of the sample on the inputs"
        " that a unit reads ([second moment](../theory/rademacher.md)), and the largest is that of the mean. \"Centered\" is:"
        f" {aside:,} training images are set aside, their mean is taken from all others, and these are the sample"
        f" (`aside` in the script;"
        f" the mean is fixed before the sample). The same perceptron then has {at('ten classes, centered, perceptron')}. Behind the"
        f" fixed first stage of [certificates](../howto/certify.md) (`orientations`, {side} x {side} cells, no"
        f" parameters) a perceptron has"
        f" {at('ten classes, first stage, perceptron')}, and with 30 hidden units and centered values"
        f" {at('ten classes, first stage, centered, perceptron')}: a norm bound below 1 for ten classes and a hidden"
        f" layer. A pruned"
        f" linear layer there has {at('ten classes, first stage, linear')}, centered {at(linear)}; for one layer the"
        f" class is that of"
        f" `golowich2018_fro`, which has {at(linear, 'golowich2018_fro')}, since it takes Chevet's form over classes"
        f" where `peeling`"
        " takes Cauchy-Schwarz.",
        "Strength, loss and number of epochs cost nothing: each bound holds for all networks of the architecture at once. The"
        f" architecture is to be fixed before the sample; about {CHOICES} were tried here and on the way (hidden units, densities,"
        rf" with and without first stage and centering): whoever charges $\log_2 {CHOICES}$ bits for that choice adds less than"
        f" {number(dear)}. A bound"
        " below 1 takes the mean ramp loss of the sample ([risk](../theory/risk.md)).",
    ]  # fmt: skip


def figure(results: Tree) -> Figure:
    """Draw every bound of every ticket on a logarithmic axis, the line at 1 where a bound begins to say something."""
    cells = results["cells"]
    bounds = list(dict.fromkeys(bound for cell in cells.values() for bound in cell["bounds"]))
    drawn, (axes,) = canvas(0.26 * len(bounds) + 1.6)
    for row, bound in enumerate(bounds):
        axes.axhline(row, color=LINE, linewidth=0.6, zorder=0)
        proved = registry[bound].status == "theorem"
        for kind, (name, cell) in enumerate(cells.items()):
            if bound in cell["bounds"]:
                axes.plot(
                    cell["bounds"][bound]["value"], row, MARKERS[kind % len(MARKERS)], color=SERIES[kind % len(SERIES)],
                    label=name if row == 0 else None, markerfacecolor=None if proved else "none",
                )  # fmt: skip
    axes.axvline(1.0, color=PROVED, linestyle="--", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(range(len(bounds)), bounds)
    for label in axes.get_yticklabels():
        label.set_color(PROVED if registry[label.get_text()].status == "theorem" else PUBLISHED)
    axes.invert_yaxis()
    axes.set_xlabel("bound on the test error; below 1 (dashed) it says something")
    drawn.legend(loc="outside lower center", ncols=2)
    return drawn


if __name__ == "__main__":
    publish("few-classes", Path(__file__).parent, text, {"few-classes": figure})

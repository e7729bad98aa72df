"""docs/results/chosen-masks.md from results.json: `python -m experiments.chosen_masks.page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.figures.style import canvas, legend_below, series_style
from experiments.common.page import command, ends, grid, made, num, publish
from experiments.common.record import Tree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"lenet300": "LeNet-300-100", "lenet5": "LeNet-5"}
KINDS = {"largest": "largest distance", "others": "other random masks"}


def text(results: Tree) -> str:
    """Return the page."""
    setting, summary = results["setting"], results["summary"]
    size = setting["size"]
    return "\n\n".join([
        "# Are masks of a large distance better ones?",
        "**Claim** (Hoang, Kundu, Liu & Wang 2023, Don't just prune by magnitude!): random masks that are chosen for"
        " the largest distance"
        " of their coordinate from that of the dense initialization train to a smaller error than other random masks of"
        " the same density.",
        f"**What was run.** {cases(summary)} on {size['samples']} images of Fashion-MNIST, {seeds(summary)} seeds of sample,"
        f" initial weights and masks. Of {setting['candidates']:,} random masks the {setting['trained']} of the largest distance"
        f" were trained, and {setting['trained']} others; Adam until the training error is 0, at most {size['epochs']} epochs; test"
        f" errors are of {size['held']:,} images, the same for all masks of a seed.",
        f"**Answer.** {answer(summary)}",
        "![Test error against distance](../_static/chosen-masks.svg)",
        grid(
            ("network", "density", "seeds", "masks", "distance", "training error", "test error"),
            [
                (NAMES.get(row["arch"], row["arch"]), f"{row['density']:g}", row["seeds"], told, num(row[kind]["distance"], 4),
                 f"{row[kind]['train_error']:.4f}", f"{row[kind]['test_error']:.4f}")
                for row in summary["cases"]
                for kind, told in KINDS.items()
            ],
        ),
        f"**Not run.** {missing(len(setting['cases']) * setting['seeds'] - len(results['cells']))}Other data, and masks found by"
        " search.",
        made(results, "chosen_masks"),
        command(
            f"{results['command']}   # goes on where it stopped",
            "trains for fifteen minutes, and needs Fashion-MNIST",
        ),
    ]) + "\n"  # fmt: skip


def cases(summary: Tree) -> str:
    """Return networks and densities."""
    return ", ".join(
        f"{NAMES.get(row['arch'], row['arch'])} at density {row['density']:g}" for row in summary["cases"]
    )


def seeds(summary: Tree) -> str:
    """Return how many seeds there are of a case."""
    return ends([row["seeds"] for row in summary["cases"]], 0)


def missing(count: int) -> str:
    """Return how many of the plan are left, if any are."""
    return f"{count} cases and seeds of this plan. " if count else ""


def answer(summary: Tree) -> str:
    """Return by how much the chosen masks are worse, case by case."""
    return (
        "Mean test error of the chosen masks less that of the others, with 95 % bootstrap intervals (seeds are resampled, and"
        f" masks within them): {'; '.join(map(of_case, summary['cases']))}."
    )


def of_case(row: Tree) -> str:
    """Return by how much the chosen masks of a case are worse."""
    value, high, low = (-each for each in row["better"])
    says = (
        "the interval holds 0, no difference is shown" if low <= 0 <= high
        else f"the chosen masks are {'better' if value < 0 else 'worse'}"
    )  # fmt: skip
    return (
        f"{NAMES.get(row['arch'], row['arch'])} at {row['density']:g} {100 * value:.2f} % [{100 * low:.2f}, {100 * high:.2f}],"
        f" {says}"
    )


def figure(results: Tree) -> Figure:
    """Draw test error against distance, a panel a case."""
    rows = results["summary"]["cases"]
    drawn, axes = canvas(0.8 + 2.2 * len(rows), rows=len(rows))
    for axis, row in zip(axes, rows, strict=True):
        handles = []
        for index, kind in enumerate(KINDS):
            own = [
                cell[kind]
                for cell in results["cells"].values()
                if (cell["arch"], cell["density"]) == (row["arch"], row["density"])
            ]
            handles += axis.plot(
                [value for cell in own for value in cell["distance"]],
                [100 * value for cell in own for value in cell["test_error"]],
                **{**series_style(index), "linestyle": "none"},
            )
        axis.set(xlabel="distance", ylabel="test error, %", title=cases({"cases": [row]}))
    legend_below(drawn, handles, list(KINDS.values()), 2)
    return drawn


if __name__ == "__main__":
    publish("chosen-masks", Path(__file__).parent, text, {"chosen-masks": figure})

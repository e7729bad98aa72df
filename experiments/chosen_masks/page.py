"""docs/results/chosen-masks.md from results.json: `python -m experiments.chosen_masks.page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.figures.style import canvas, legend_below, series_style
from experiments.common.page import command, grid, made, num, publish
from experiments.common.record import Tree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        f"**What was run.** {setting['arch']} on {size['samples']} images of Fashion-MNIST, {summary['seeds']} seeds of"
        f" sample, initial"
        f" weights and masks. Of {setting['candidates']:,} random masks of density {setting['density']:g} the"
        f" {setting['trained']} of the"
        f" largest distance were trained, and {setting['trained']} others; Adam until the training error is 0, at most"
        f" {size['epochs']}"
        f" epochs; test errors are of {size['held']:,} images, the same for all masks of a seed.",
        f"**Answer.** {answer(summary)}",
        "![Test error against distance](../_static/chosen-masks.svg)",
        grid(
            ("masks", "distance", "training error", "test error"),
            [(told, num(summary[kind]["distance"]), f"{summary[kind]['train_error']:.4f}", f"{summary[kind]['test_error']:.4f}")
             for kind, told in KINDS.items()],
        ),
        f"**Not run.** {missing(setting['seeds'] - summary['seeds'])}Other networks, data and densities, and masks found by"
        " search.",
        made(results, "chosen_masks"),
        command(
            f"{results['command']}   # goes on where it stopped",
            "trains for five minutes, and needs Fashion-MNIST",
        ),
    ]) + "\n"  # fmt: skip


def missing(seeds: int) -> str:
    """Return how many seeds of the plan are left, if any are."""
    return f"{seeds} seeds of this plan. " if seeds else ""


def answer(summary: Tree) -> str:
    """Return by how much the chosen masks are worse."""
    value, high, low = (-each for each in summary["better"])
    says = (
        "the interval holds 0, so that no difference is shown" if low <= 0 <= high
        else f"the chosen masks are {'better' if value < 0 else 'worse'}"
    )  # fmt: skip
    return (
        f"The mean test error of the chosen masks less that of the others is {100 * value:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"
        f" (95 % bootstrap interval; {summary['seeds']} seeds are resampled, and masks within them): {says}."
    )


def figure(results: Tree) -> Figure:
    """Draw test error against distance."""
    drawn, (axis,) = canvas(3.0)
    handles = []
    for index, kind in enumerate(KINDS):
        own = [cell[kind] for cell in results["cells"].values()]
        handles += axis.plot(
            [value for cell in own for value in cell["distance"]],
            [100 * value for cell in own for value in cell["test_error"]],
            **{**series_style(index), "linestyle": "none"},
        )
    axis.set(xlabel="distance", ylabel="test error, %")
    legend_below(drawn, handles, list(KINDS.values()), 2)
    return drawn


if __name__ == "__main__":
    publish("chosen-masks", Path(__file__).parent, text, {"chosen-masks": figure})

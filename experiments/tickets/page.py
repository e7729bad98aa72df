"""docs/results/mask-topology.md and what-tracks-the-gap.md from results.json: `python -m experiments.tickets.page PAGE`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.bounds import registry
from boundcalc.figures.style import canvas, legend_below, look
from experiments.common.page import command, grid, made, num, publish, span
from experiments.common.record import Tree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOPOLOGY = (
    "distance",
    "delta_r",
    "delta_r_imdb",
    "lambda",
    "lambda_imsg",
    "ramanujan_layers",
    "narc",
    "density",
)
CONTINUE = command(
    "python -m experiments.tickets.run --data mnist:DIR mnist:FASHION   # goes on where it stopped",
    "trains for hours, and needs MNIST and Fashion-MNIST",
)


def ran(results: Tree) -> str:
    """Return what was run."""
    setting, summary = results["setting"], results["summary"]
    return (
        f"**What was run.** {summary['tickets']} tickets of {', '.join(setting['archs'])} in"
        f" {len(summary['environments'])} environments"
        f" ({'; '.join(summary['environments'])}): {setting['samples']:,} training images, a share of whose labels is"
        " drawn anew (noise),"
        f" {setting['epochs']} epochs of Adam, {setting['held']:,} test images. Pruners:"
        f" {', '.join(setting['pruners'])}; densities"
        f" {', '.join(f'{0.5 ** (k + 1):g}' for k in range(setting['levels']))}. Taus are Kendall's, with 95 %"
        " bootstrap intervals (tickets are"
        " resampled within their environment and density, so that the choice of environments is not part of them)."
    )


def left(results: Tree) -> str:
    """Return what of the plan was not run."""
    setting = results["setting"]
    data = len({name.partition(" ")[0] for name in results["inputs"]})
    planned = (
        len(setting["archs"]) * len(setting["noises"]) * len(setting["pruners"]) * setting["seeds"] * data
    )
    return (
        f"**Not run.** {planned - len(results['cells'])} of the {planned} lotteries of this plan. Beyond it: LeNet-5"
        " and residual networks,"
        " CIFAR-10, masks sampled to maximize the distance, and the published tables of others."
    )


def means(summary: Tree) -> str:
    """Return the table of mean accuracies and gaps."""
    return grid(
        ("environment", "density", "tickets", "accuracy", "training error", "gap"),
        [
            (row["environment"], row["density"], row["n"], f"{row['accuracy']:.4f}", f"{row['train_error']:.4f}", f"{row['gap']:.4f}")
            for row in summary["means"]
        ],
    )  # fmt: skip


def taus(rows: list[Tree]) -> str:
    """Return the table of taus."""
    return grid(
        ("quantity", "within environment and density", "within environment, all densities", "worst environment", "best"),
        [
            (
                f"`{row['quantity']}`{_mark(row['quantity'])}",
                span(row["within"]), span(row["pooled"]), num(row["worst"], 2), num(row["best"], 2),
            )
            for row in rows
        ],
    )  # fmt: skip


def _mark(name: str) -> str:
    return f" ({registry[name].status})" if name in registry else ""


def topology(results: Tree) -> str:
    """Return the page on mask topology."""
    summary = results["summary"]
    rows = {row["quantity"]: row for row in summary["accuracy"]}
    chosen = [rows[name] for name in TOPOLOGY if name in rows]
    return "\n\n".join([
        "# Does the topology of a mask order accuracies?",
        "**Claim** (Hoang, Kundu, Liu & Wang 2023): the distance of a mask's full-spectrum coordinate from that of"
        " the dense"
        " initialization, and Ramanujan gaps, order the accuracies of tickets of one density.",
        ran(results),
        "![Accuracy against distance](../_static/mask-topology.svg)",
        "## Kendall's tau with test accuracy",
        taus(chosen),
        _told(rows),
        "## Accuracies",
        means(summary),
        left(results),
        made(results, "tickets"),
        CONTINUE,
    ]) + "\n"  # fmt: skip


def _told(rows: dict[str, Tree]) -> str:
    """Say whether the distance orders accuracies at a density."""
    row = rows.get("distance")
    if row is None or row["within"] is None:
        return "The distance could not be compared."
    tau, low, high, _ = row["within"]
    says = (
        "The interval holds 0: an order is not shown." if low <= 0 <= high
        else f"The distance orders accuracies at a density, {'rising' if tau > 0 else 'falling'} with it."
    )  # fmt: skip
    return (
        f"Distance, within environment and density: {span(row['within'])}. {says} In the worst environment tau is"
        f" {num(row['worst'], 2)}."
    )


def gap(results: Tree) -> str:
    """Return the page on the gap."""
    summary = results["summary"]
    rows = sorted(
        (row for row in summary["gap"] if row["within"] is not None), key=lambda row: -abs(row["within"][0])
    )
    firm = [row for row in rows if row["within"][1] > 0 or row["within"][2] < 0]
    names = ", ".join(f"`{row['quantity']}` {span(row['within'])}" for row in firm[:3])
    return "\n\n".join([
        "# Which quantity tracks the gap?",
        "**Question** (in the way of Dziugaite, Drouin, Neal et al. 2020, In search of robust measures of"
        " generalization): which bound,"
        " certificate or score orders tickets by the gap between test and training error, at one density, in every"
        " environment?",
        ran(results),
        "![Taus with the gap](../_static/what-tracks-the-gap.svg)",
        "## Kendall's tau with the gap",
        (f"The strongest of those whose interval leaves out 0: {names}." if firm else "No quantity's interval leaves out 0.")
        + " Of a bound the logarithm of its value is compared; a quantity that tracks the gap need not be near it,"
        " and a bound need not track it. `occam` speaks of another network, the compression, and `galanti2023` bounds"
        " nothing.",
        taus(rows),
        "## Gaps",
        means(summary),
        left(results),
        made(results, "tickets"),
        CONTINUE,
    ]) + "\n"  # fmt: skip


def draw_topology(results: Tree) -> Figure:
    """Draw accuracy against distance, by density."""
    drawn, (axis,) = canvas(3.2)
    tickets = [ticket for cell in results["cells"].values() for ticket in cell["tickets"]]
    handles, names = [], []
    for index, density in enumerate(sorted({ticket["density"] for ticket in tickets}, reverse=True)):
        own = [t for t in tickets if t["density"] == density and "distance" in t["scores"]]
        style = {**look(index), "linestyle": "none"}
        handles += axis.plot(
            [math.log10(max(t["scores"]["distance"], 1e-3)) for t in own],
            [1 - t["test_error"] for t in own],
            **style,
        )
        names.append(f"density {density:g}")
    axis.set(xlabel="log10 of the distance", ylabel="test accuracy")
    legend_below(drawn, handles, names, 3)
    return drawn


def draw_gap(results: Tree) -> Figure:
    """Draw the taus with the gap, with their intervals."""
    rows = sorted(
        (row for row in results["summary"]["gap"] if row["within"] is not None),
        key=lambda row: row["within"][0],
    )
    drawn, (axis,) = canvas(0.9 + 0.17 * len(rows))
    for index, row in enumerate(rows):
        tau, low, high, _ = row["within"]
        axis.plot([low, high], [index, index], color=look(0)["color"])
        axis.plot([tau], [index], marker="o", color=look(0)["color"])
    axis.yaxis.set_ticks(range(len(rows)), [row["quantity"] for row in rows])
    axis.axvline(0.0, linewidth=0.8)
    axis.set(xlabel="tau with the gap, within environment and density", xlim=(-1, 1))
    return drawn


PAGES = {
    "mask-topology": (topology, draw_topology),
    "what-tracks-the-gap": (gap, draw_gap),
}

if __name__ == "__main__":
    chosen = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in PAGES else None
    for page, (write, draw) in PAGES.items():
        if chosen in {None, page}:
            publish(page, Path(__file__).parent, write, {page: draw})

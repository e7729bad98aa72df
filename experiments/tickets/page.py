"""docs/results/what-tracks-the-gap.md and mask-topology.md from results.json: `python -m experiments.tickets.page [PAGE]`."""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.bounds import registry
from boundcalc.figures.style import canvas, legend_below, series_style
from experiments.common.page import command, data_name, fine_ticks, grid, made, num, publish, span
from experiments.common.record import Tree
from experiments.common.taus import draw_taus, firm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOPOLOGY = (
    "distance", "delta_r", "delta_r_imdb", "lambda", "lambda_imsg", "ramanujan_layers", "delta_r_z", "narc", "density",
)  # fmt: skip
NAMES = {
    "lenet300": "LeNet-300-100", "lenet5": "LeNet-5", "strided-8": "strided-8 (a CNN of three convolutions)",
    "resnet": "a ResNet of three blocks (8 to 32 channels, images at half their size)",
}  # fmt: skip
WHY = "trains for an hour, and needs MNIST, Fashion-MNIST and CIFAR-10 as JPEG"


def ran(results: Tree) -> str:
    """Return what was run."""
    setting, summary = results["setting"], results["summary"]
    size, rows, cells = setting["size"], summary["means"], results["cells"].values()
    seeds = Counter((c["data"], c["arch"], c["noise"]) for c in cells if c["pruner"] == setting["pruners"][0])
    most, least = max(seeds.values()), min(seeds.values())
    times = f"{most} seed{'s' if most > 1 else ''} of sample and initial weights"
    if least < most:
        times += f" ({least} in {sum(n < most for n in seeds.values())} of the environments)"
    pairs = "; ".join(
        f"{NAMES.get(arch, arch)} on {data_name(results, k)}, {', '.join(f'{100 * noise:g} %' for noise in noises)}"
        for k, arch in setting["pairs"]
        if (noises := sorted({c["noise"] for c in cells if (c["data"], c["arch"]) == (k, arch)}))
    )
    return (
        f"**What was run.** {summary['tickets']} tickets in {len(summary['environments'])} environments, data set,"
        f" architecture and share of the labels that are drawn anew: {pairs}. {size['samples']:,} training images,"
        f" {times}. Pruners:"
        f" {', '.join(setting['pruners'])}; densities {', '.join(map(str, size['densities']))}. Adam until the training"
        f" error is 0, at most {size['epochs']} epochs: {summary['fitted']} of {summary['tickets']} tickets are at or"
        f" below 1 % (the largest training error is {100 * summary['largest_train_error']:.0f} %), so that gap and test"
        " error are nearly one number. Test errors are of"
        f" {size['held']:,} images, the same for all tickets of an environment and seed. Mean gaps are"
        f" {_ends([row['gap'] for row in rows], 0)} %, with a sampling error of"
        f" {_ends([row['standard_error'] for row in rows], 1)} % a ticket. Of those at one environment, seed and density the variance"
        f" of the gap is {num(summary['noise_ratio'], 2)} times that of its sampling: much of what tickets of one density"
        " differ by is chance, which pulls every tau towards 0; 'clear' taus are over pairs two standard errors apart (of independent"
        " samples of images: on the same images differences are surer than that)."
    )


def _ends(shares: list[float], digits: int) -> str:
    return f"{100 * min(shares):.{digits}f} to {100 * max(shares):.{digits}f}"


def left(results: Tree) -> str:
    """Return what of the plan was not run."""
    setting = results["setting"]
    planned = len(setting["pairs"]) * len(setting["noises"]) * len(setting["pruners"]) * setting["seeds"]
    return (
        f"**Not run.** {planned - len(results['cells'])} of the {planned} lotteries of this plan (seeds come last)."
        f" Beyond it: every"
        " architecture on every data set, wider networks, full training sets. What others have published:"
        " [published tables](published-tables.md)."
    )


def means(results: Tree, names: tuple[str, ...] = ("environment", "density")) -> str:
    """Return the table of mean accuracies and gaps of groups of tickets."""
    rows = results["summary"]["means" if "density" in names else "pruners"]
    return grid(
        (*names, "tickets", "accuracy", "training error", "gap", "its sampling error"),
        [
            (
                *(_place(results, row[name]) if name == "environment" else row[name] for name in names), row["n"],
                f"{row['accuracy']:.3f}", f"{row['train_error']:.3f}", f"{row['gap']:.3f}", f"{row['standard_error']:.3f}",
            )
            for row in rows
        ],
    )  # fmt: skip


def _place(results: Tree, environment: str) -> str:
    data, arch, noise = environment.split()
    return f"{data_name(results, int(data))}, {arch}, noise {noise}"


def taus(rows: list[Tree]) -> str:
    """Return the table of taus."""
    return grid(
        (
            "quantity", "tau at one density", "of clear pairs", "mean over environments", "wrong pairs: median, 9 in 10, worst",
            "all densities of an environment", "all tickets",
        ),
        [
            (
                f"`{row['quantity']}`{_mark(row['quantity'])}", span(row["within"]), span(row["clear"]), span(row["environments"]),
                ", ".join(f"{100 * each:.0f} %" for each in row["errors"] or ()) or "-", span(row["pooled"]), span(row["all"]),
            )
            for row in rows
        ],
    )  # fmt: skip


READ = (
    "Taus are Kendall's, with 95 % bootstrap intervals: tickets are resampled within their environment, seed and density, in"
    " the fourth column"
    " environments. The first two numeric columns compare tickets of one environment, seed and density only. Wrong pairs:"
    " share of these pairs"
    " that a quantity orders wrongly, over environments, in the direction that suits it best (Dziugaite et al. 2020"
    " call it the sign"
    " error); a coin has 50 %."
)


def _mark(name: str) -> str:
    return f" ({registry[name].status})" if name in registry else ""


def _list(rows: list[Tree], key: str, most: int = 4) -> str:
    return ", ".join(f"`{row['quantity']}` {span(row[key])}" for row in rows[:most])


def gap(results: Tree) -> str:
    """Return the page on the gap."""
    rows = sorted(
        (row for row in results["summary"]["gap"] if row["within"] is not None), key=lambda row: -abs(row["within"][0])
    )  # fmt: skip
    return "\n\n".join([
        "# Which quantity tracks the gap?",
        "**Question** (in the way of Dziugaite, Drouin, Neal et al. 2020, In search of robust measures of"
        " generalization): which bound,"
        " certificate, score or kernel metric orders tickets by the gap between test and training error, at one"
        " density, in every"
        " environment?",
        ran(results),
        f"**Answer.** {_answer(rows)}",
        "![Taus with the gap, at one density and over all tickets](../_static/what-tracks-the-gap.svg)",
        "## Kendall's tau with the gap",
        READ,
        taus(rows),
        "Of a bound the logarithm of its value is compared; of `occam`, which speaks of another network, the"
        " compression, its bits. A"
        " quantity that tracks the gap need not be near it, and a bound need not track it. `galanti2023` is refuted and"
        " bounds nothing.",
        "## Gaps",
        means(results),
        means(results, ("pruner",)),
        left(results),
        made(results, "tickets"),
        command(f"{results['command']}   # goes on where it stopped", WHY),
    ]) + "\n"  # fmt: skip


def _answer(rows: list[Tree]) -> str:
    known = [row for row in rows if row["quantity"] != "density"]
    strong, wide = firm(known), firm(known, "all")
    worst = min((row["errors"][2] for row in known if row["errors"]), default=None)
    return (
        (f"At one density the intervals of {len(strong)} of {len(known)} quantities leave out 0 (about"
         f" {0.05 * len(known):.0f} would by chance):"
         f" {_list(strong, 'within')}." if strong else f"At one density no interval of {len(known)} quantities leaves out 0.")
        + (f" Over all tickets, where data, architecture and noise differ, {len(wide)} do: {_list(wide, 'all')}. That"
         f" order is one of"
           " environments, not of tickets." if wide else "")
        + ("" if worst is None else f" In its worst environment even the best quantity orders {100 * worst:.0f} % of the"
           " pairs wrongly.")
    )  # fmt: skip


def topology(results: Tree) -> str:
    """Return the page on mask topology."""
    rows = {row["quantity"]: row for row in results["summary"]["accuracy"]}
    return "\n\n".join([
        "# Does the topology of a mask order accuracies?",
        "**Claim** (Hoang, Kundu, Liu & Wang 2023, Don't just prune by magnitude!): the distance of a mask's"
        " full-spectrum coordinate from"
        " that of the dense initialization, and Ramanujan gaps, order the accuracies of tickets of one density.",
        ran(results),
        f"**Answer.** {_told(rows)}",
        "![Accuracy against distance](../_static/mask-topology.svg)",
        "## Kendall's tau with test accuracy",
        READ,
        taus([rows[name] for name in TOPOLOGY if name in rows]),
        "`delta_r_z` is the Ramanujan gap less the mean of random masks with as many weights, in their standard"
        " deviations, mean over"
        " layers. Masks chosen for their distance: [chosen masks](chosen-masks.md).",
        "## Accuracies",
        means(results),
        left(results),
        made(results, "tickets"),
        command(f"{results['command']}   # goes on where it stopped", WHY),
    ]) + "\n"  # fmt: skip


def _told(rows: dict[str, Tree]) -> str:
    """Say whether the distance orders accuracies at a density."""
    row = rows.get("distance")
    if row is None or row["within"] is None:
        return "The distance could not be compared."
    tau, low, high, _ = row["within"]
    others = [rows[name] for name in TOPOLOGY if name in rows and name not in {"distance", "density"}]
    return (
        f"At one environment, seed and density the distance has tau {span(row['within'])} with test accuracy, of clear pairs"
        f" {span(row['clear'])}:"
        + (" the interval holds 0, an order is not shown." if low <= 0 <= high
           else f" accuracy {'rises' if tau > 0 else 'falls'} with it.")
        + (f" After pooling densities it is {span(row['pooled'])}, and over all tickets"
         f" {span(row['all'])}." if row["pooled"] else "")
        + (f" In its worst environment it orders {100 * row['errors'][2]:.0f} % of the pairs wrongly." if row["errors"] else "")
        + (f" Of the {len(others)} other scores these leave out 0 at one density (about {0.05 * len(others):.1g} would by chance):"
           f" {_list(firm(others), 'within')}." if firm(others)
           else f" None of the {len(others)} other scores of the mask leaves out 0 at one density.")
    )  # fmt: skip


def draw_topology(results: Tree) -> Figure:
    """Draw accuracy less the mean of its environment, seed and density against distance, by density."""
    drawn, (axis,) = canvas(3.2)
    cells = results["cells"].values()
    tickets = [
        (f"{c['data']} {c['arch']} {c['noise']} {c['seed']}", ticket)
        for c in cells
        for ticket in c["tickets"]
    ]
    handles, names = [], []
    for index, density in enumerate(sorted({ticket["density"] for _, ticket in tickets}, reverse=True)):
        own = [(e, t) for e, t in tickets if t["density"] == density and t["scores"].get("distance")]
        mean = {e: [t["test_error"] for f, t in own if f == e] for e, _ in own}
        style = {**series_style(index), "linestyle": "none", "markersize": 3}
        handles += axis.plot(
            [math.log10(t["scores"]["distance"]) for _, t in own],
            [100 * (sum(mean[e]) / len(mean[e]) - t["test_error"]) for e, t in own],
            **style,
        )
        names.append(f"density {density:g}")
    fine_ticks(axis.xaxis, *axis.get_xlim())
    axis.set(xlabel="distance", ylabel="accuracy, %", title="Less the mean of environment, seed and density")
    legend_below(drawn, handles, names, 3)
    return drawn


def draw_gap(results: Tree) -> Figure:
    """Draw the taus with the gap."""
    rows = [row for row in results["summary"]["gap"] if row["quantity"] != "density"]
    return draw_taus(rows, "the gap", {"all": "all tickets", "within": "at one environment and density"})


PAGES = {
    "what-tracks-the-gap": (gap, draw_gap),
    "mask-topology": (topology, draw_topology),
}

if __name__ == "__main__":
    chosen = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in PAGES else None
    for page, (write, draw) in PAGES.items():
        if chosen in {None, page}:
            publish(page, Path(__file__).parent, write, {page: draw})

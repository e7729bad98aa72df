"""docs/results/graphon-limit.md from results.json: `python -m experiments.graphon_limit.page`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.figures.style import canvas, legend_below, log_axis, series_style
from experiments.common.page import command, ends, fine_ticks, grid, made, num, publish, span
from experiments.common.record import Tree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOLD = {
    "alpha": "decay exponent alpha", "effective_rank": "effective rank, trace / lambda_1", "gap": "gap, lambda_1 / lambda_2",
    "top5_energy": "energy of the top 5", "trace": "trace / m", "rate": "label energy, `y^T Theta y / y^T y`",
    "predicted": "residual predicted after 200 steps of size 1 / lambda_1",
    "at_one_rate": "residual predicted after 200 steps of one size for all",
}  # fmt: skip
FACTOR = 1.5
"""Two pruners' masks are called apart where they are at least so many times as far from each other as two seeds of one."""


def text(results: Tree) -> str:
    """Return the page."""
    setting, summary = results["setting"], results["summary"]
    return "\n\n".join([
        "# Masks of wide networks, and their kernel",
        "**Claim** (Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025, The Graphon Limit Hypothesis): as networks grow"
        " wide, the masks of a"
        " pruning method converge to a graphon of its own, and the spectrum of the graphon's neural tangent kernel"
        " tells how fast the"
        " pruned network trains.",
        ran(setting, summary),
        "![Distance from the widest network against width, and loss against the"
        " kernel](../_static/graphon-limit.svg)",
        "## Do the masks converge?",
        convergence(summary["rates"]),
        "## To limits of their own?",
        limits(summary["limits"]),
        "## Does the kernel tell how fast they train?",
        kernel(summary, setting["fit"]["hidden"]),
        left(setting, summary),
        made(results, "graphon_limit"),
        command(
            f"{results['command']}   # goes on with the seeds and depths that are missing",
            "trains for hours, and needs MNIST",
        ),
    ]) + "\n"  # fmt: skip


def ran(setting: Tree, summary: Tree) -> str:
    """Return what was run."""
    fit, rates = setting["fit"], summary["rates"]
    depths = sorted({row["hidden"] for row in rates})
    seeds = {depth: min(row["seeds"] for row in rates if row["hidden"] == depth) for depth in depths}
    told = " and ".join(
        f"{depth} hidden layers ({seeds[depth]} seed{'s' if seeds[depth] > 1 else ''})" for depth in depths
    )
    return (
        f"**What was run.** MLPs without biases on MNIST, {told}, widths {_list(setting['widths'])}, pruned at"
        " initialization to"
        f" {_list(setting['densities'])} of every layer (layer by layer, not globally) by"
        f" {_list(setting['pruners'])}. The masks between"
        " hidden layers become histograms of 64 x 64 cells, rows and columns sorted by degree. Distances are means"
        " over these layers: the"
        " L2 distance of the histograms, which is the paper's measure, and the certified upper end of the cut norm of"
        " their"
        f" difference.\n\nSecond part: {summary['counts']['fit']} networks of {fit['hidden']} x {fit['width']} units,"
        " densities"
        f" {_list(setting['fit_densities'])}, pruned by {_list(setting['fit_pruners'])}, trained for {fit['steps']}"
        " steps of Adam (rate"
        f" {fit['rate']:g}, batches of {fit['batch']}); the kernel is that of {fit['images']} images before training."
    )


def convergence(rates: list[Tree]) -> str:
    """Return the table of exponents, and what it says."""
    rows = [
        (
            row["hidden"], row["density"], row["pruner"], num(row["cut_high"][0]), num(row["cut_high"][-1]),
            *(
                span(row[name]) if row["seeds"] > 1 else f"{row[name][0]:.2f}"
                for name in ("cut_high_exponent", "l2_exponent")
            ),
        )
        for row in rates
    ]  # fmt: skip
    falls = all(
        later < before
        for row in rates
        for before, later in zip(row["cut_high"], row["cut_high"][1:], strict=False)
    )
    blind = {
        name: [row[f"{name}_exponent"][0] for row in rates if row["pruner"] == "random"]
        for name in ("cut_high", "l2")
    }
    others = [row["cut_high_exponent"][0] for row in rates if row["pruner"] not in {"random", "magnitude"}]
    widths = rates[0]["widths"]
    return (
        ("Consistent with it" if falls else "Not everywhere")
        + f": the cut distance from the network of the largest width {'falls' if falls else 'does not fall'}"
        " with every doubling of the width, for every pruner and density. The fall alone proves little. A histogram"
        " of a fixed number of cells averages over more and more entries as the width grows, so that the noise of"
        " random masks falls like 1 / width by itself: for random pruning, whose limit is constant, the exponents are"
        f" {ends(blind['cut_high'], 2)} (cut) and {ends(blind['l2'], 2)} (L2). Pruners whose limit has some shape are"
        f" slower, {ends(others, 2)} (cut). What speaks for limits is that they differ, below. A distance from a finite"
        " network holds that network's own noise, too.\n\n"
        + grid(
            ("hidden layers", "density", "pruner", f"cut distance at width {widths[0]}", f"at {widths[-1]}",
             "its exponent [95 %]", "exponent of the L2 distance [95 %]"),
            rows,
        )
    )  # fmt: skip


def limits(rows: list[Tree]) -> str:
    """Return the table of distances between pruners at the largest width, and what it says."""
    found = []
    for row in rows:
        a, b = row["pruners"]
        if a == b:
            continue
        own = [
            r["cut_high"]
            for r in rows
            if (r["hidden"], r["density"]) == (row["hidden"], row["density"])
            and set(r["pruners"]) in ({a}, {b})
        ]
        if own:
            found.append((row, row["cut_low"] / max(own), row["cut_high"] / max(own)))
    apart = [ratio for row, ratio, _ in found if set(row["pruners"]) != {"random", "magnitude"}]
    same = [high for row, _, high in found if set(row["pruners"]) == {"random", "magnitude"}]
    table = [
        (
            row["hidden"], row["density"], " and ".join(row["pruners"]),
            f"{num(row['cut_low'])} to {num(row['cut_high'])}", f"{high:.1f}",
        )
        for row, _, high in found
    ]  # fmt: skip
    if not found:
        return "Two seeds at the largest width are needed; they were not run."
    one = max(same) < FACTOR
    return (
        f"Random and magnitude pruning {'share one limit' if one else 'differ'}: their masks are {ends(same)} times"
        " as far from each other as two seeds of one pruner. The masks of every other two are"
        f" {'apart' if min(apart) > FACTOR else 'not all apart'}: at least {min(apart):.1f} times as far.\n\n"
        + grid(
            (
                "hidden layers",
                "density",
                "pruners",
                "cut distance, certified",
                "over that of two seeds of one",
            ),
            table,
        )
    )


def kernel(summary: Tree, hidden: int) -> str:
    """Return the table of rank correlations, and what it says."""
    rows = summary["correlations"]
    by_name = {row["metric"]: row for row in rows}
    own, one = by_name["predicted"], by_name["at_one_rate"]
    table = [
        (TOLD[row["metric"]], f"{num(row['ends'][0])} to {num(row['ends'][1])}", _tau(row, "pooled"), _tau(row, "partial"),
         span(row["within"]), span(row["within_pruner"]))
        for row in rows
    ]  # fmt: skip
    return (
        f"{verdict(by_name)}\n\nKendall's tau with the mean loss of the first steps, over {own['n']} networks, with 95 %"
        " bootstrap intervals (networks are resampled). What is to be explained is the order at one density, since a"
        " sparser network trains more slowly in any case. A negative tau means: the larger the metric, the faster the"
        " training.\n\n"
        + grid(
            ("metric", "smallest to largest", "tau, all", "partial to density", "within a density", "within a pruner"),
            table,
        )
        + "\n\n"
        + power(summary, hidden)
        + f" Predicted residual: in steps of 1 / lambda_1 every network is left with {num(own['ends'][0])} to"
        f" {num(own['ends'][1])} of its labels after 200 steps, whatever its pruner and density: the shapes of the spectra"
        f" hardly differ. With one step size for all it is {num(one['ends'][0])} to {num(one['ends'][1])}, tau"
        f" {span(one['within'])} within a density: what differs is the size of the kernel."
    )  # fmt: skip


def verdict(rows: dict[str, Tree]) -> str:
    """Say which metrics order the losses at one density."""
    found = [row for row in rows.values() if row["within"] and not row["within"][1] <= 0 <= row["within"][2]]
    size = [name for name in ("trace", "rate", "at_one_rate") if any(row["metric"] == name for row in found)]
    shape = [row for row in found if row["metric"] not in {"trace", "rate", "at_one_rate"}]
    told = ", ".join(f"{TOLD[row['metric']]} {span(row['within'])}" for row in shape)
    return (
        ("In part. The size of the kernel orders the losses at one density." if size else "Its size: not shown.")
        + (f" Of the metrics of its shape, which do not change with its size, these leave out 0: {told}." if shape
           else " No metric of its shape, which does not change with its size, is shown to.")
    )  # fmt: skip


def power(summary: Tree, hidden: int) -> str:
    """Return whether randomly pruned kernels go like c^L."""
    if summary["power"] is None:
        return ""
    return (
        f"Random pruning follows c^L: the trace of its kernel goes like density^b with b = {span(summary['power'])}, where"
        f" {hidden + 1} pruned layers, each of which scales the kernel by its density, ask for {hidden + 1}."
    )


def left(setting: Tree, summary: Tree) -> str:
    """Return what of the plan was not run."""
    depths = {row["hidden"] for row in summary["rates"]}
    missing = [f"{depth} hidden layers" for depth in setting["hidden"] if depth not in depths]
    fits = len(setting["fit_densities"]) * len(setting["fit_pruners"]) * setting["fit_seeds"]
    limit = (
        len(setting["hidden"]) * len(setting["widths"]) * len(setting["densities"])
        * len(setting["pruners"]) * setting["seeds"]
    )  # fmt: skip
    return (
        f"**Not run.** Of this plan {limit - summary['counts']['limit']} of {limit} masks and"
        f" {fits - summary['counts']['fit']} of {fits}"
        f" trainings{' (nothing of ' + _list(missing) + ')' if missing else ''}. Beyond it: width 2000, 20 seeds,"
        " pruning with one budget for"
        f" all layers, and 1024 units in the second part (here {setting['fit']['width']})."
    )


def _tau(row: Tree, name: str) -> str:
    interval = row[f"{name}_interval"]
    return span((row[name], *interval)) if row[name] is not None and interval else num(row[name], 2)


def _list(values: Iterable[object]) -> str:
    *some, last = [str(value) for value in values]
    return f"{', '.join(some)} and {last}" if some else last


def figure(results: Tree) -> Figure:
    """Draw the distance from the widest network against width, and the loss against the kernel."""
    rates = results["summary"]["rates"]
    hidden = min(row["hidden"] for row in rates)
    density = sorted({row["density"] for row in rates})[len({row["density"] for row in rates}) // 2]
    drawn, (top, bottom) = canvas(5.4, rows=2)
    own = [row for row in rates if (row["hidden"], row["density"]) == (hidden, density)]
    handles = []
    for index, row in enumerate(own):
        x = [math.log10(width) for width in row["widths"]]
        handles += top.plot(x, [math.log10(value) for value in row["cut_high"]], **series_style(index))
    widths = own[0]["widths"]
    top.xaxis.set_ticks([math.log10(width) for width in widths], [str(width) for width in widths])
    heights = [math.log10(value) for row in own for value in row["cut_high"]]
    fine_ticks(top.yaxis, min(heights), max(heights))
    top.set(
        xlabel="width",
        ylabel="cut distance",
        title=f"From width {max(results['setting']['widths'])}, density {density:g}",
    )
    fits = [cell for key, cell in results["cells"].items() if key.startswith("fit")]
    names = [row["pruner"] for row in own]
    for pruner in dict.fromkeys(cell["pruner"] for cell in fits):
        style = {**series_style(names.index(pruner) if pruner in names else len(names)), "linestyle": "none"}
        mine = [cell for cell in fits if cell["pruner"] == pruner]
        bottom.plot(
            [math.log10(cell["rate"]) for cell in mine], [cell["mean_loss"] for cell in mine], **style
        )
    logs = [math.log10(cell["rate"]) for cell in fits]
    log_axis(bottom.xaxis, min(logs), max(logs))
    bottom.set(xlabel="kernel along the labels", ylabel="mean loss of the first steps")
    legend_below(drawn, handles, names, 3)
    return drawn


if __name__ == "__main__":
    publish("graphon-limit", Path(__file__).parent, text, {"graphon-limit": figure})

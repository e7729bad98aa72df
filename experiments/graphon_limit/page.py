"""docs/results/graphon-limit.md from results.json: `python -m experiments.graphon_limit.page`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.figures.style import canvas, legend_below, log_axis, series_style
from experiments.common.page import command, ends, fine_ticks, grid, made, num, publish, span
from experiments.common.record import Tree
from experiments.graphon_limit.masks import CELLS
from experiments.graphon_limit.summary import LATE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOLD = {
    "alpha": "decay exponent alpha", "effective_rank": "effective rank, trace / lambda_1", "gap": "gap, lambda_1 / lambda_2",
    "top5_energy": "energy of the top 5", "trace": "trace / m", "rate": "label energy, `y^T Theta y / y^T y`",
    "predicted": f"residual predicted after {LATE} steps of size 1 / lambda_1",
    "at_one_rate": f"residual predicted after {LATE} steps of one size for all",
}  # fmt: skip
SIZE = ("trace", "rate", "at_one_rate")
"""Metrics that change with the size of the kernel."""
PAPER = (2000, 1024)
"""Widths of the paper's networks, the widest of its masks, and those that it trains."""
NEAR = 0.02
"""An exponent is called that of c^L where it is so near to it, relative to it."""
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
        f"**Answer.** {answer(summary, setting['fit']['hidden'])}",
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
        f" hidden layers become histograms of {CELLS} x {CELLS} cells, rows and columns sorted by degree. Distances are means"
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
    found = exponents(rates)
    widths = rates[0]["widths"]
    return (
        f"{'Consistent with it' if falls(rates) else 'Not everywhere'}: the cut distance from the network of the largest width"
        f" {'falls' if falls(rates) else 'does not always fall'} with every doubling of the width, for every pruner and"
        " density. The fall alone proves little. A histogram of a fixed number of cells averages over more and more entries as the"
        " width grows, so that the noise of random masks falls like 1 / width by itself: for random pruning, whose limit is"
        f" constant, the exponents are {ends(found['random'], 2)} (cut) and {ends(found['random, L2'], 2)} (L2). Pruners whose limit"
        f" has some shape have {ends(found['others'], 2)} (cut). What speaks for limits is that they differ, below. A distance from"
        " a finite network holds that network's own noise, too.\n\n"
        + grid(
            ("hidden layers", "density", "pruner", f"cut distance at width {widths[0]}", f"at {widths[-1]}",
             "its exponent [95 %]", "exponent of the L2 distance [95 %]"),
            rows,
        )
    )  # fmt: skip


def falls(rates: list[Tree]) -> bool:
    """Return whether every cut distance from the widest network falls from width to width."""
    return all(
        later < before
        for row in rates
        for before, later in zip(row["cut_high"], row["cut_high"][1:], strict=False)
    )


def exponents(rates: list[Tree]) -> dict[str, list[float]]:
    """Return the exponents of the fall: of random pruning, and of the pruners whose limit is not that of random pruning."""
    own = [row for row in rates if row["cut_high_exponent"]]
    return {
        "random": [row["cut_high_exponent"][0] for row in own if row["pruner"] == "random"],
        "random, L2": [row["l2_exponent"][0] for row in own if row["pruner"] == "random"],
        "others": [
            row["cut_high_exponent"][0] for row in own if row["pruner"] not in {"random", "magnitude"}
        ],
    }


def over_seeds(rows: list[Tree]) -> list[tuple[Tree, float, float]]:
    """Return the distance of every two pruners at the largest width over that of two seeds of one, its lower and its upper end."""
    found = []
    for row in rows:
        a, b = row["pruners"]
        own = [
            r
            for r in rows
            if (r["hidden"], r["density"]) == (row["hidden"], row["density"])
            and set(r["pruners"]) in ({a}, {b})
        ]
        if a != b and own:
            low, high = (max(r[end] for r in own) for end in ("cut_low", "cut_high"))
            found.append((row, row["cut_low"] / high, row["cut_high"] / low))
    return found


def limits(rows: list[Tree]) -> str:
    """Return the table of distances between pruners at the largest width, and what it says."""
    found = over_seeds(rows)
    if not found:
        return "Two seeds at the largest width are needed; they were not run."
    table = [
        (
            row["hidden"], row["density"], " and ".join(row["pruners"]),
            f"{num(row['cut_low'])} to {num(row['cut_high'])}", ends([low, high]),
        )
        for row, low, high in found
    ]  # fmt: skip
    return f"{limits_told(found)}\n\n" + grid(
        ("hidden layers", "density", "pruners", "cut distance, certified", "over that of two seeds of one"),
        table,
    )


def limits_told(found: list[tuple[Tree, float, float]]) -> str:
    """Return which pruners share a limit. Ratios are intervals between certified ends."""
    like = [each for each in found if set(each[0]["pruners"]) == {"random", "magnitude"}]
    apart = [low for row, low, _ in found if set(row["pruners"]) != {"random", "magnitude"}]
    one = not like or max(high for *_, high in like) < FACTOR
    both = ends([end for _, *own in like for end in own])
    told = (
        f"Random and magnitude pruning {'are not told apart' if one else 'differ'}: their masks are {both} times as far from"
        " each other as two seeds of one pruner (between certified ends). "
    )
    return (
        told
        * bool(like)
        + f"The masks of every other two are {'apart' if min(apart) > FACTOR else 'not all apart'}: at least"
        f" {min(apart):.1f} times as far."
    )


def answer(summary: Tree, hidden: int) -> str:
    """Return the answers to the three questions, with their intervals."""
    rates, found, apart = summary["rates"], exponents(summary["rates"]), over_seeds(summary["limits"])
    told = [
        f"Limits: the cut distance from the widest network {'falls' if falls(rates) else 'does not always fall'} with the width,"
        f" like width to the power {ends(found['random'], 2)} for random masks, which is their noise, and {ends(found['others'], 2)}"
        f" for pruners whose limit has a shape ({ends([row['seeds'] for row in rates], 0)} seeds a row; intervals in the table):"
        f" {'consistent with limits' if falls(rates) else 'limits are not shown'}, which widths alone cannot prove."
    ]  # fmt: skip
    if apart:
        told.append(f"Of their own? {limits_told(apart)}")
    told.append(
        f"The kernel and the speed of training: {verdict({row['metric']: row for row in summary['correlations']})}"
    )
    if summary["power"]:
        told.append(power(summary, hidden))
    return " ".join(told)


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
        f"{first_upper(verdict(by_name))}\n\nKendall's tau with the mean loss of the first steps, over {own['n']} networks, with 95 %"
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
        f" {num(own['ends'][1])} of its labels after {LATE} steps, whatever its pruner and density: the shapes of the spectra"
        f" hardly differ. With one step size for all it is {num(one['ends'][0])} to {num(one['ends'][1])}, tau"
        f" {span(one['within'])} within a density: what differs is the size of the kernel."
    )  # fmt: skip


def verdict(rows: dict[str, Tree]) -> str:
    """Say which metrics order the losses at one density."""
    found = [row for row in rows.values() if row["within"] and not row["within"][1] <= 0 <= row["within"][2]]
    size = ", ".join(f"{TOLD[row['metric']]} {span(row['within'])}" for row in found if row["metric"] in SIZE)
    shape = ", ".join(
        f"{TOLD[row['metric']]} {span(row['within'])}" for row in found if row["metric"] not in SIZE
    )
    count = len([name for name in rows if name not in SIZE])
    return (
        (f"its size orders the losses at one density (Kendall's tau: {size})." if size
         else "that its size orders the losses at one density is not shown.")
        + (f" Of {count} metrics of its shape, which do not change with its size, these leave out 0: {shape}." if shape
           else f" None of {count} metrics of its shape, which do not change with its size, leaves out 0.")
    )  # fmt: skip


def first_upper(text: str) -> str:
    """Return a sentence with a capital."""
    return text[0].upper() + text[1:]


def power(summary: Tree, hidden: int) -> str:
    """Return whether randomly pruned kernels go like c^L."""
    if summary["power"] is None:
        return ""
    layers = hidden + 1
    b, low, high = summary["power"]
    near = "follows c^L" if abs(b / layers - 1) < NEAR else "does not follow c^L"
    away = f"; b is {100 * abs(b / layers - 1):.1f} % away from {layers}, which its interval leaves out"
    return (
        f"Random pruning {near}: the trace of its kernel goes like density^b with b = {b:.3f} [{low:.3f}, {high:.3f}], where"
        f" {layers} pruned layers, each of which scales the kernel by its density, ask for {layers}"
        f"{'' if low <= layers <= high else away}."
    )


def wider(setting: Tree) -> str:
    """Return which of the paper's widths are beyond the plan."""
    first = f", width {PAPER[0]:,} in the first part" if max(setting["widths"]) < PAPER[0] else ""
    return first + (f", {PAPER[1]:,} units in the second" if setting["fit"]["width"] < PAPER[1] else "")


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
        f" trainings{' (nothing of ' + _list(missing) + ')' if missing else ''}. Beyond it: 20 seeds, pruning with one budget"
        f" for all layers{wider(setting)}."
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

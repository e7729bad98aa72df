"""docs/results/recovery.md from results.json: `python -m experiments.recovery.page`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.figures.style import canvas, legend_below, series_style
from experiments.common.page import command, ends, fine_ticks, grid, made, num, publish, span
from experiments.common.record import Tree
from experiments.common.statistics import share_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure


HALF = 0.5
CLOSE = 0.5
"""An exponent below is no sign of one of 1."""
NEAR = 0.1
"""Exponents so near to 1 are called nearly 1."""
NAMES = {"lenet300": "LeNet-300-100", "lenet5": "LeNet-5"}


def text(results: Tree) -> str:
    """Return the page."""
    setting, summary = results["setting"], results["summary"]
    return "\n\n".join([
        "# Recovery of sparse teachers",
        "**Claim** (Zhang, Wang, Liu, Chen & Xiong 2021, Why Lottery Ticket Wins?): for one hidden layer with a good"
        " mask the samples that"
        " are needed grow like r~, a mean of the surviving weights of a neuron; the fewer they are, the faster"
        " training converges, the"
        " larger the convex region around the teacher, and the smaller the error that noisy labels leave, like"
        " sqrt(r~ / N).",
        f"**What was run.** Teachers and students of `experiments/sample_complexity` with K = {setting['K']} neurons"
        " on"
        f" {setting['d']} Gaussian inputs, r from {setting['weights'][0]} to {setting['weights'][-1]} surviving"
        " weights a neuron,"
        f" {setting['seeds']} teachers each; heavy ball within the mask, from a start near the teacher. Last, lottery"
        f" tickets of {' and '.join(NAMES.get(how['arch'], how['arch']) for how in setting['lotteries'])}"
        " by iterative magnitude pruning on samples of MNIST.",
        f"**Answer.** {answer(summary)}",
        "![Success over samples, and test error over samples](../_static/recovery.svg)",
        "## Samples",
        samples(summary),
        "## Speed",
        speed(summary["rate"]),
        "## The convex region",
        region(summary["region"]),
        "## Noise",
        noise(summary["noise"]),
        "## Real data",
        *(tickets(how, summary["tickets"][how["arch"]]) for how in setting["lotteries"]),
        left(setting, summary),
        made(results, "recovery"),
        command(
            f"{results['command']}   # goes on with the samples and seeds that are missing",
            "trains for twelve minutes, and needs MNIST",
        ),
    ]) + "\n"  # fmt: skip


def answer(summary: Tree) -> str:
    """Return the claims one by one."""
    b, noisy, rates = summary["success_exponents"], summary["noise"], summary["rate"]
    needed = [
        row for found in summary["tickets"].values() for row in found[1:] if row["exponent"] is not None
    ]
    exponents = [row["exponent"] for row in needed]
    by_seed = [each for row in needed for each in row["by_seed"]]
    told = [
        f"Samples: they grow like the surviving weights to the power {span(b['r'])}, like r~ to the power {span(b['r_tilde'])} (in"
        f" brackets the ends with one r left out), where 1 is claimed: {proportional(b)}." if b else "",
        f"Speed: {order(rates)}; -log of the factor a step goes like r~^b, b = "
        + " and ".join(f"{span(row['exponent'])} ({method(row)})" for row in rates) + "." if rates else "",
        f"Region: {starts(summary['region'])}",
        f"Noise: the error grows like the noise to the power {told_beside(noisy['noise'], 1.0, '1')}, r~ to the power"
        f" {told_beside(noisy['r_tilde'], 0.5, '1/2')} and N to the power {told_beside(noisy['N'], -0.5, '-1/2')}." if noisy else "",
        f"Real data: the sample that a test error needs goes like the surviving hidden weights to the power {min(exponents):.2f} to"
        f" {max(exponents):.2f}, of single seeds {min(by_seed):.2f} to {max(by_seed):.2f}, where 1 is claimed:"
        f" the claim {'does not carry over' if max(by_seed) < CLOSE else 'is not refuted'}." if exponents else "",
    ]  # fmt: skip
    return " ".join(filter(None, told))


def proportional(b: Tree) -> str:
    """Return which count the sample is proportional to."""
    far = {name: abs(b[name][0] - 1) for name in ("r", "r_tilde")}
    if far["r"] < far["r_tilde"] and far["r"] < NEAR:
        return "nearly proportional to the surviving weights, less so to r~"
    return "nearly proportional to r~" if far["r_tilde"] < NEAR else "proportional to neither"


def method(row: Tree) -> str:
    """Return the method of training of a row of rates."""
    return "gradient descent" if row["momentum"] == 0 else f"heavy ball {row['momentum']:g}"


def order(rates: list[Tree]) -> str:
    """Return whether sparser students converge faster at every step of r."""
    steps = [pair for row in rates for pair in zip(row["contraction"], row["contraction"][1:], strict=False)]
    falls = sum(low < high for low, high in steps)
    return (
        "sparser is faster"
        if falls == len(steps)
        else f"sparser is faster in {falls} of {len(steps)} steps of r"
    )


def told_beside(found: list[float], claimed: float, name: str) -> str:
    """Return an exponent beside what is claimed of it."""
    inside = "" if found[1] <= claimed <= found[2] else ", which the interval leaves out"
    return f"{span(found)} ({name} is claimed{inside})"


def starts(rows: list[Tree]) -> str:
    """Return from where students recover their teacher, with the larger sample."""
    own = sorted(
        (row for row in rows if row["N"] == max(each["N"] for each in rows)), key=lambda row: row["r"]
    )
    ends, kept, back = [], [], []
    for row in own:
        lost = [d for d, share in zip(row["distance"], row["share"], strict=True) if share <= HALF]
        if not lost:
            kept.append(f"{row['r']}")
        elif row["share"][-1] <= HALF:
            at = "before the first" if row["radius"] is None else f"at {row['radius']:.2g}"
            ends.append(f"r = {row['r']} (half {at})")
        else:
            back.append(f"r = {row['r']} at {', '.join(f'{d:g}' for d in lost)}, not farther out")
    told = [
        f"with the larger sample ({own[0]['N']:,}) and starts up to {own[0]['distance'][-1]:g} times the teacher's norm away"
    ]
    told += [f"half of the students or more fail from some distance on for {', '.join(ends)}"] * bool(ends)
    told += [f"half or more fail for {', '.join(back)}"] * bool(back)
    told += [f"never half for r = {', '.join(kept)}"] * bool(kept)
    n = own[0]["starts"]
    low, high = share_interval(n, n)
    says = (
        "consistent with a region that is larger for fewer weights"
        + ", but an end is seen at the largest r alone" * (len(ends) == 1)
        if ends and kept
        else "no end seen"
    )
    return f"{told[0]} {'; '.join(told[1:])}: {says}. Each share is of {n} starts: all of them is [{low:.2f}, {high:.2f}] at 95 %."


def samples(summary: Tree) -> str:
    """Return the thresholds of recovery."""
    rows = summary["success"]
    b = {name: num(found[0]) for name, found in summary["success_exponents"].items()} or {
        "r": "-",
        "r_tilde": "-",
    }
    table = [
        (row["arrangement"], row["r"], num(row["r_tilde"]), num(row["N10"]), num(row["N50"]), num(row["N90"]),
         num(row["N50"] / row["r_tilde"] if row["N50"] else None), num(row["N50"] / (row["K"] * row["r"]) if row["N50"] else None))
        for row in rows
    ]  # fmt: skip
    pairs = [
        (one, other)
        for one in rows
        for other in rows
        if one["r"] == other["r"] and (one["arrangement"], other["arrangement"]) == ("same", "disjoint")
    ]
    told = "".join(
        f" With {one['r']} weights a neuron, r~ is {one['r_tilde'] / other['r_tilde']:.1f} times as large where all"
        " neurons share their"
        f" inputs as where no two do; the sample is {one['N50'] / other['N50']:.2f} times as large."
        for one, other in pairs
        if one["N50"] and other["N50"]
    )
    per_weight = [row["N50"] / (row["K"] * row["r"]) for row in rows if row["N50"]]
    widths = [row["N90"] / row["N10"] for row in rows if row["N90"] and row["N10"]]
    sharp = (
        f"Half of the students recover their teacher at {ends(per_weight, 2)} samples a surviving weight; from a tenth to nine tenths"
        f" it takes {ends(widths, 2)} times the sample. "
        if widths
        else ""
    )
    return (
        f"{sharp}Over random supports the sample of half the successes grows like r^{b['r']} and like r~^{b['r_tilde']}"
        + (
            f": {proportional(summary['success_exponents'])}. r~ counts overlapping supports twice."
            if summary["success_exponents"]
            else "."
        )
        + f"{told}\n\n"
        + grid(
            ("supports", "r", "r~", "N at 10 %", "N at 50 %", "N at 90 %", "N / r~", "N / (K r)"),
            table,
        )
    )


def speed(rows: list[Tree]) -> str:
    """Return the rates of convergence."""
    table = [
        (
            method(row),
            ", ".join(f"{r}: {value:.3f}" for r, value in zip(row["r"], row["contraction"], strict=True)),
            f"{row['r_squared_sqrt']:.3f}", f"{row['r_squared_linear']:.3f}", span(row["exponent"]),
        )
        for row in rows
    ]  # fmt: skip
    return (
        f"At one sample size the factor by which the distance shrinks a step rises with r: {order(rows)}. A line in sqrt(r~) fits"
        f" the factors {line(rows)} than one in r~.\n\n"
        + grid(
            (
                "method",
                "factor a step, by r",
                "R^2 of a line in sqrt(r~)",
                "in r~",
                "exponent of -log(factor) in r~ [95 %]",
            ),
            table,
        )
    )


def line(rows: list[Tree]) -> str:
    """Return whether the factors are nearer to a line in sqrt(r~) than to one in r~."""
    better = [row["r_squared_sqrt"] > row["r_squared_linear"] for row in rows]
    return "better" if all(better) else "no better" if not any(better) else "not always better"


def region(rows: list[Tree]) -> str:
    """Return the distances from which teachers are recovered."""
    table = [
        (
            row["N"], row["r"], num(row["r_tilde"]), num(row["N"] / row["r_tilde"]),
            *(f"{share:.2f}" for share in row["share"]), "beyond" if row["radius"] is None and row["beyond"] else num(row["radius"]),
        )
        for row in sorted(rows, key=lambda row: (row["N"], row["r"]))
    ]  # fmt: skip
    return (
        "Share of students that recover their teacher, by the distance of the start in units of the teacher's norm;"
        " the last column is"
        " where it first falls to half. Starts go off in a random direction within the mask, so that this is no"
        " radius of a ball in which"
        " every start succeeds, and training ends after a fixed number of steps.\n\n"
        + grid(
            ("N", "r", "r~", "N / r~", *(f"{distance:g}" for distance in rows[0]["distance"]), "half at"),
            table,
        )
    )


def noise(found: Tree) -> str:
    """Return the exponents of the error that noise leaves."""
    if not found:
        return "Too few runs for a fit."
    return (
        "Least squares in logarithms over all runs with noisy labels: the final distance from the teacher grows like"
        f" noise^b with b = {span(found['noise'])} (1 is claimed), like r~^b with b = {span(found['r_tilde'])} (1/2),"
        " and like N^b with"
        f" b = {span(found['N'])} (-1/2). Runs: {found['runs']}; left out because they did not come near the teacher:"
        f" {found['lost']}."
    )


def tickets(how: Tree, found: list[Tree]) -> str:
    """Return the smallest samples of real data."""
    if not found:
        return f"{NAMES.get(how['arch'], how['arch'])} was not run."
    surface, *needed = found
    table = [
        (f"{hidden:,.0f}", *(f"{100 * error:.1f} %" for error in errors))
        for hidden, errors in zip(surface["hidden"], surface["test_error"], strict=True)
    ]
    parts = [
        f"{NAMES.get(how['arch'], how['arch'])}, {how['steps']} steps of Adam, {how['seeds']}"
        f" seed{'s' if how['seeds'] > 1 else ''}: test error of the tickets, mean over seeds, by hidden survivors (all"
        f" layers but the last) and sample:\n\n"
        + grid(("hidden survivors", *map(str, surface["sizes"])), table)
    ]
    rows = [
        (
            f"{100 * row['error']:g} %",
            *(num(n, 4) for n in row["N"]),
            num(row["exponent"], 2),
            ", ".join(num(b, 2) for b in row["by_seed"]) or "-",
        )
        for row in needed
    ]
    parts.append(
        "The sample at which a test error is reached, interpolated; a hyphen where it lies outside of the samples"
        " that were run:\n\n"
        + grid(
            (
                "test error",
                *(f"{hidden:,.0f}" for hidden in surface["hidden"]),
                "exponent of the survivors",
                "of each seed",
            ),
            rows,
        )
    )
    known = [row["exponent"] for row in needed if row["exponent"] is not None]
    if known:
        parts.append(
            f"The claim asks for an exponent of 1. It is {min(known):.2f} to {max(known):.2f}: pruning these networks"
            " does not make the"
            " sample that a test error needs smaller in proportion to the weights that survive."
            if max(known) < CLOSE
            else f"The claim asks for an exponent of 1; it is {min(known):.2f} to {max(known):.2f}."
        )
    return "\n\n".join(parts)


def left(setting: Tree, summary: Tree) -> str:
    """Return what of the plan was not run."""
    planned = sum(len(how["samples"]) * how["seeds"] for how in setting["lotteries"])
    missing = planned - summary["counts"]["tickets"]
    return (
        f"**Not run.** {f'{missing} of the {planned} lotteries' if missing else 'Nothing'} of this plan. Beyond it:"
        f" more seeds and other data"
        " for the tickets, more than one number of neurons (`experiments/sample_complexity` has K from 2 to 16), masks"
        " that miss weights"
        " of the teacher."
    )


def figure(results: Tree) -> Figure:
    """Draw the success over samples a weight, and the test error of tickets over samples."""
    summary = results["summary"]
    drawn, (top, bottom) = canvas(5.4, rows=2)
    handles, names = [], []
    for index, row in enumerate(row for row in summary["success"] if row["arrangement"] == "random"):
        x = [math.log10(n / row["r_tilde"]) for n in row["N"]]
        handles += top.plot(x, row["share"], **series_style(index))
        names.append(f"r = {row['r']}")
    low, high = top.get_xlim()
    fine_ticks(top.xaxis, low + 0.1, high - 0.1)
    top.set(xlabel="samples over r~", ylabel="share recovered")
    first = results["setting"]["lotteries"][0]["arch"]
    if summary["tickets"][first]:
        surface = summary["tickets"][first][0]
        x = [math.log10(size) for size in surface["sizes"]]
        shown = math.inf
        for level in reversed(range(len(surface["hidden"]))):
            errors = [100 * error for error in surface["test_error"][level]]
            bottom.plot(x, errors, **series_style(level))
            if errors[0] < shown - 0.8:
                shown = errors[0]
                bottom.annotate(
                    f"{surface['hidden'][level]:,.0f}", (x[0], errors[0]), fontsize=7, ha="right", va="center",
                    xytext=(-4, 0), textcoords="offset points",
                )  # fmt: skip
        bottom.set_xlim(x[0] - 0.25 * (x[-1] - x[0]), x[-1] + 0.05)
        bottom.xaxis.set_ticks(x, [f"{size:,}" for size in surface["sizes"]])
        bottom.set(
            xlabel="samples of MNIST",
            ylabel="test error, %",
            title=f"{NAMES.get(first, first)}, by hidden survivors",
        )
    legend_below(drawn, handles, names, 3)
    return drawn


if __name__ == "__main__":
    publish("recovery", Path(__file__).parent, text, {"recovery": figure})

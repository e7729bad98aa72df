"""docs/results/graphons.md from results.json: `python -m experiments.graphons.page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from boundcalc.figures.style import LINE, canvas, legend_below, series_style
from experiments.common.page import command, grid, made, publish
from experiments.common.record import Tree

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def text(results: Tree) -> str:
    """Return the page."""
    setting, cells, summary = results["setting"], results["cells"], results["summary"]
    return "\n\n".join([
        "# Graphons of tickets",
        "**Claim** (Pham, Ta, Jacobs, Burkholz & Tran-Thanh 2025, The Graphon Limit Hypothesis): the masks of a pruning method tend"
        " to a graphon of its own; that of random pruning is constant.",
        f"**What was run.** The first layer of {len(cells)} tickets of LeNet-300-100, by iterative magnitude pruning: tickets that"
        " ship with boundcalc and levels of an open_lth lottery, and"
        f" {setting['randoms']} random masks with as many weights each. The cut norm of a mask's graphon of"
        f" {setting['cells']} x {setting['cells']} cells less the constant of the same density is enclosed between two proved ends;"
        " cells are those that predict held-out entries best. [What the columns mean](../theory/pham2025.md).",
        f"**Answer.** {answer(summary, setting['randoms'])}",
        "![Cut norm from the constant graphon](../_static/graphons.svg)",
        grid(
            ("ticket", "density", "cells by", "cut norm from constant", "of random masks", "bits a held-out entry",
             "at the density alone", "saved", "by random masks"),
            [
                (name, f"{100 * cell['density']:.2f} %", cell["cells_by"], _ends(cell["cut"]), _ends(summary[name]["random_cut"]),
                 f"{cell['bits']:.4f}", f"{cell['bits_at_density']:.4f}", f"{100 * summary[name]['bits_saved']:.1f} %",
                 " to ".join(f"{100 * each:.1f} %" for each in summary[name]["random_bits_saved"]))
                for name, cell in cells.items()
            ],
        ),
        "Sorting alone moves a random mask away from the constant, which is why random masks stand beside each ticket. Limits of wide"
        " networks, by several pruners: [masks of wide networks](graphon-limit.md).",
        "**Not run.** Other layers, architectures and lotteries; one ticket a density.",
        made(results, "graphons"),
        "Masks (first digits of SHA-256): " + ", ".join(f"{name} `{cell['mask_sha256'][:12]}`" for name, cell in cells.items()) + ".",
        command(f"{results['command']}   # goes on where it stopped", "needs an open_lth lottery"),
    ]) + "\n"  # fmt: skip


def answer(summary: Tree, randoms: int) -> str:
    """Return which masks are farther from constant than random ones."""
    beyond = [name for name, row in summary.items() if row["over_random"] > 1]
    within = [name for name in summary if name not in beyond]
    saved = [100 * row["bits_saved"] for row in summary.values()]
    told = f"{len(beyond)} of {len(summary)} masks are farther from the constant than every random mask"
    if beyond:
        told += ", at least " + ", ".join(
            f"{summary[name]['over_random']:.1f} times ({name})" for name in beyond
        )
    told += f"; not {', '.join(within)}" if within else ""
    told += f" (ends of proved intervals are compared; by chance a mask is beyond all of {randoms} with probability 1/{randoms + 1})."
    verdict = (
        f" A shape beyond that of random masks is not shown for {', '.join(within)}." if within
        else " Every mask has a shape beyond that of random masks."
    )  # fmt: skip
    return (
        f"{told} The cells save {min(saved):.1f} to {max(saved):.1f} % of the bits a held-out entry takes at the density alone;"
        " random masks save"
        f" {100 * min(row['random_bits_saved'][0] for row in summary.values()):.1f} to"
        f" {100 * max(row['random_bits_saved'][1] for row in summary.values()):.1f} %.{verdict}"
    )


def _ends(found: list[float]) -> str:
    return f"[{found[0]:.4f}, {found[1]:.4f}]"


def figure(results: Tree) -> Figure:
    """Draw the interval of every mask's cut norm, and those of its random masks."""
    cells = results["cells"]
    drawn, (axis,) = canvas(0.5 * len(cells) + 1.2)
    handles = []
    for row, cell in enumerate(cells.values()):
        axis.axhline(row, color=LINE, linewidth=0.6, zorder=0)
        for kind, each in enumerate(([cell], cell["randoms"])):
            middles = [sum(one["cut"]) / 2 for one in each]
            spread = [[m - one["cut"][0] for m, one in zip(middles, each, strict=True)],
                      [one["cut"][1] - m for m, one in zip(middles, each, strict=True)]]  # fmt: skip
            handles.append(
                axis.errorbar(
                    middles, [row] * len(each), xerr=spread, **{**series_style(kind), "linestyle": "none"}
                )
            )
    axis.set_yticks(range(len(cells)), list(cells))
    axis.invert_yaxis()
    axis.set_xlabel("cut norm from the constant graphon")
    legend_below(drawn, handles[:2], ["ticket", "random masks with as many weights"], 2)
    return drawn


if __name__ == "__main__":
    publish("graphons", Path(__file__).parent, text, {"graphons": figure})

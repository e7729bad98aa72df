"""docs/results/published-tables.md from results.json: `python -m experiments.published_tables.page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.common.page import command, grid, made, publish, span
from experiments.common.record import Tree
from experiments.common.taus import draw_taus, firm

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def text(results: Tree) -> str:
    """Return the page."""
    families = results["summary"]
    return "\n\n".join([
        "# Scores of masks in published tables",
        "**Claim** (Hoang, Liu, Marculescu & Wang 2023; Hoang, Kundu, Liu & Wang 2023): Ramanujan gaps of a mask order"
        " the accuracies of tickets of one density. Cunegatti, Farina, Bucur & Iacca 2024 found the gaps of layers as"
        " bipartite graphs no better than density, and offer features of the whole network as one multipartite graph.",
        f"**What was run.** The tables of Cunegatti et al. and of Hoang, Liu, Marculescu & Wang, as published:"
        f" {ran(families)}. A layer's score enters by its mean over layers."
        " Pairs of one data set, architecture and density are compared, and, for comparison, those of all densities;"
        " of the tables of Hoang et al. pairs of one seed, accuracies being those of the last epoch.",
        f"**Answer.** {' '.join(answer(name, family['quantities']) for name, family in families.items())}"
        f" {of_layers(families['bipartite, Hoang et al.'])} {more(families)}",
        "![Taus with accuracy](../_static/published-tables.svg)",
        grid(
            (
                "graph", "quantity", "tau at one density", "mean over environments", "wrong pairs: median, worst",
                "all densities of an environment",
            ),
            table(families),
        ),
        "**Not run.** Nothing was trained; tables of other papers were not read.",
        made(results, "published_tables"),
        command(results["command"], "needs the published tables"),
    ]) + "\n"  # fmt: skip


def ran(families: Tree) -> str:
    """Return how many tickets there are."""
    return "; ".join(
        f"{family['tickets']:,} tickets with scores of {graphs(name)}, {len(family['environments'])} pairs of data set"
        f" and architecture,"
        f" densities {', '.join(f'{density:g}' for density in family['densities'])}"
        for name, family in families.items()
    )  # fmt: skip


def graphs(family: str) -> str:
    """Return what a family of scores is of.

    Example:
        >>> graphs("bipartite, Hoang et al.")
        'bipartite graphs (Hoang et al.)'
    """
    kind, _, source = family.partition(", ")
    return f"{kind} graphs ({source})" if source else f"{kind} graphs"


def answer(name: str, rows: list[Tree]) -> str:
    """Return which quantities order accuracies."""
    found = firm([row for row in rows if row["within"] is not None])
    told = ", ".join(f"`{row['quantity']}` {span(row['within'])}" for row in found[:3])
    worst = min((row["errors"][2] for row in rows if row["errors"]), default=None)
    chance = 0.05 * len(rows)
    return (
        f"Of {len(rows)} quantities of {graphs(name)} {len(found)} order accuracies at one density (their"
        f" intervals leave out 0; about {chance:.1g} would by chance)"
        + (f", the strongest {told}" if found else "")
        + (f"; in the worst environment the best of all orders {100 * worst:.0f} % of the pairs"
         f" wrongly." if worst is not None else ".")
    )  # fmt: skip


def of_layers(family: Tree) -> str:
    """Return how far the densities of the layers alone order accuracies in the tables of Hoang et al."""
    gap, density = (
        next((row["within"] for row in family["quantities"] if row["quantity"] == name), None)
        for name in ("delta_r_imdb", "mean_layer_density")
    )
    if gap is None or density is None:
        return ""
    says = "no less well" if density[0] >= gap[0] else "less well"
    return (
        "In the tables of Hoang et al. the claim holds for `delta_r_imdb`; but the mean of the layers' densities, which says"
        " how a pruner spreads its weights over layers and nothing of how they are connected, orders the same accuracies"
        f" {says}: {span(density)}. Tickets of one seed are of different pruners, so that either order is one of pruners, which"
        " differ in both. These tables do not show that it is the topology that counts."
    )


def more(families: Tree) -> str:
    """Return whether multipartite graphs explain more than bipartite ones in the tables that have both."""
    best = {}
    for name in ("bipartite", "multipartite"):
        found = firm([row for row in families[name]["quantities"] if row["within"] is not None])
        if not found:
            return ""
        best[name] = found[0]
    ours, other = best["multipartite"]["within"], best["bipartite"]["within"]
    wrong = f"{100 * best['multipartite']['errors'][2]:.0f}"
    says = "more" if abs(ours[0]) > abs(other[0]) else "no more"
    return (
        f"In the tables of Cunegatti et al. the multipartite graph explains {says} than the bipartite ones: the strongest of its"
        f" {len(families['multipartite']['quantities'])} quantities has {span(ours)}, that of"
        f" {len(families['bipartite']['quantities'])} bipartite ones {span(other)}; but in its worst environment it orders"
        f" {wrong} % of the pairs wrongly."
    )


def table(families: Tree) -> list[tuple[str, ...]]:
    """Return the rows of the table."""
    rows = [(name, row) for name, family in families.items() for row in family["quantities"]]
    return [
        (
            name, f"`{row['quantity']}`", span(row["within"]), span(row["environments"]),
            ", ".join(f"{100 * each:.0f} %" for each in (row["errors"] or [])[::2]) or "-", span(row["pooled"]),
        )
        for name, row in rows
    ]  # fmt: skip


def figure(results: Tree) -> Figure:
    """Draw the taus with accuracy."""
    rows = [row for family in results["summary"].values() for row in family["quantities"]]
    return draw_taus(
        rows, "accuracy", {"pooled": "all densities of an environment", "within": "at one density"}
    )


if __name__ == "__main__":
    publish("published-tables", Path(__file__).parent, text, {"published-tables": figure})

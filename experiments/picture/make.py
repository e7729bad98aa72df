"""Draw the picture of the README: what is known of a demo ticket's error, proved numbers beside measured ones.

    python experiments/picture/make.py

writes docs/_static/ticket.svg, the same bytes every time on the same machine (extra `plot`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot

import boundcalc

ROOT = Path(__file__).parents[2]
TICKET = ROOT / "data" / "tickets" / "lenet300_density02.pt"
PICTURE = ROOT / "docs" / "_static" / "ticket.svg"
INK = {"your network": "#1f6fb4", "its compression": "#2a8c4a", "measured": "#555555"}


def rows(tree: dict[str, Any]) -> list[tuple[str, float, str]]:
    """Return label, value and whose error it speaks of, from the largest to the smallest.

    Args:
        tree: a report.
    """
    proved = [
        bound | {"name": name} for name, bound in tree["bounds"].items() if bound["status"] == "theorem"
    ]
    values = [bound for bound in proved if bound["value"] is not None]
    found = [
        (bound["name"], bound["value"], "your network") for bound in values if bound["subject"] == "network"
    ]
    found += [
        (bound["name"], bound["value"], "its compression")
        for bound in values
        if bound["subject"] == "compression"
    ]
    test = tree["verdict"]["test_set"]
    if test is not None:
        found.append((f"test set, {test['errors']} of {test['m']} wrong", test["value"], "your network"))
    measured = tree["empirical"]
    found += [(f"{split} error", measured[f"{split}_error"], "measured") for split in ("test", "train")]
    return sorted(found, key=lambda row: -row[1])


def draw(tree: dict[str, Any], path: Path) -> None:
    """Draw the rows on a logarithmic axis; everything from 1 upwards is shaded as vacuous.

    Args:
        tree: a report.
        path: of the picture, .svg.
    """
    matplotlib.rcParams.update({"svg.hashsalt": "boundcalc", "svg.fonttype": "none"})
    drawn = rows(tree)
    figure, axes = pyplot.subplots(figsize=(8, 0.28 * len(drawn) + 0.9), layout="constrained")
    for subject, ink in INK.items():
        own = [(index, value) for index, (_, value, of) in enumerate(drawn) if of == subject]
        label = {"measured": "measured", "your network": "proved of your network"}.get(
            subject, f"proved of {subject}"
        )
        axes.plot([value for _, value in own], [index for index, _ in own], "o", color=ink, label=label)
    right = max(value for _, value, _ in drawn) * 3
    axes.axvspan(1, right, color="#dddddd", zorder=0)
    axes.annotate("1 or more: says nothing", (1.2, len(drawn) - 1), color="#555555", fontsize=8, va="center")
    axes.set_xscale("log")
    axes.set_xlim(min(value for _, value, _ in drawn) / 2, right)
    axes.set_yticks(range(len(drawn)), [label for label, _, _ in drawn], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("share of wrong answers")
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main(argv: list[str] | None = None) -> None:
    """Analyse the ticket and draw.

    Args:
        argv: words of the command line; None for the process's own.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passes", type=int, help="search epochs of occam")
    parser.add_argument("--samples", default="sample", help="data, as --data takes it")
    parser.add_argument("-o", "--output", type=Path, default=PICTURE)
    given = parser.parse_args(argv)
    report = boundcalc.analyze(TICKET, data=given.samples, only=("bounds", "empirical"), passes=given.passes)
    draw(report.to_dict(), given.output)


if __name__ == "__main__":
    main()

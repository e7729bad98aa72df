"""The picture and the tables of docs/results/few-classes.md from results.json.

python experiments/sharper/plot.py -o docs/_static/few-classes.svg      # prints the tables
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boundcalc.figures.style import LINE, MARKERS, PROVED, PUBLISHED, SERIES, canvas, styled

HERE = Path(__file__).parent
FIRST = ("peeling", "path_norm")
NOT_PROVED = ("ledent2021", "lin2019")


def number(value: float | None) -> str:
    """Return a bound as the tables have it, rounded up; a dash where there is none."""
    if value is None:
        return "-"
    if value < 100:
        return f"{math.ceil(value * 1000) / 1000:.3f}"
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return f"{math.ceil(value / unit) * unit:.3g}"


def tables(results: Mapping[str, Any]) -> str:
    """Return both tables as Markdown."""
    lines = [
        "| data, network | density | D | training error | test error | `peeling` | as published | `path_norm` | as published |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in results.items():
        own = [(one["bounds"][bound]["value"], one["bounds"][bound]["as_published"]) for bound in FIRST]
        errors = (f"{one[key]:.4f}" for key in ("train_error", "test_error"))
        cells = (
            name, one["density"], one["strength"], *errors, *(number(value) for pair in own for value in pair)
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    others = sorted({bound for one in results.values() for bound in one["bounds"]} - set(FIRST))
    lines += ["", f"| data, network | {' | '.join(f'`{bound}`' for bound in others)} |"]
    lines += [f"|---|{'---|' * len(others)}"]
    for name, one in results.items():
        values = (number((one["bounds"].get(bound) or {}).get("value")) for bound in others)
        lines.append(f"| {name} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


def draw(results: Mapping[str, Any], place: Path) -> None:
    """Draw every bound of every ticket on a logarithmic axis, the line at 1 where a bound begins to say something."""
    bounds = list(dict.fromkeys(bound for one in results.values() for bound in one["bounds"]))
    with styled():
        figure, (axes,) = canvas(0.26 * len(bounds) + 1.6)
        for row, bound in enumerate(bounds):
            axes.axhline(row, color=LINE, linewidth=0.6, zorder=0)
            for kind, (name, one) in enumerate(results.items()):
                value = (one["bounds"].get(bound) or {}).get("value")
                if value is not None:
                    label = name if row == 0 else None
                    axes.plot(
                        value, row, MARKERS[kind % len(MARKERS)], color=SERIES[kind % len(SERIES)], label=label,
                        markerfacecolor="none" if bound in NOT_PROVED else None,
                    )  # fmt: skip
        axes.axvline(1.0, color=PROVED, linestyle="--", linewidth=0.8)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_yticks(range(len(bounds)), bounds)
        for label in axes.get_yticklabels():
            label.set_color(PUBLISHED if label.get_text() in NOT_PROVED else PROVED)
        axes.invert_yaxis()
        axes.set_xlabel("bound on the test error; below 1 (dashed) it says something")
        figure.legend(loc="outside lower center", ncols=2)
        undated: dict[str, Any] = {"Date": None} if place.suffix == ".svg" else {}
        figure.savefig(place, metadata=undated, facecolor="white")


def main() -> None:
    """Print the tables and write the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    parser.add_argument("-o", "--out", type=Path, help="file of the picture")
    given = parser.parse_args()
    results = json.loads(given.results.read_text())
    print(tables(results), end="")
    if given.out:
        draw(results, given.out)


if __name__ == "__main__":
    main()

"""A page of docs/results and its figures, made from results.json and nothing else."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc.figures.files import render
from boundcalc.figures.picture import DrawnFigure
from boundcalc.figures.style import styled
from boundcalc.report.origin import Origin
from experiments.common.record import Tree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).parents[2] / "docs"
DATA = ("MNIST", "Fashion-MNIST", "CIFAR-10, JPEG")
"""What the full experiments are given as `--data`, in this order."""


def publish(
    name: str, folder: Path, text: Callable[[Tree], str], figures: dict[str, Callable[[Tree], Figure]]
) -> None:
    """Write docs/results/NAME.md and the figures docs/_static/FIGURE.svg, or to a folder that is given.

    Args:
        name: of the page.
        folder: of the experiment.
        text: from results.json to the page.
        figures: name -> from results.json to a figure.
    """
    parser = argparse.ArgumentParser(description=f"Write docs/results/{name}.md from results.json.")
    parser.add_argument("--results", type=Path, default=folder / "results.json")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of results/ and _static/")
    given = parser.parse_args()
    results = json.loads(given.results.read_text(encoding="utf-8"))
    for part in ("results", "_static"):
        (given.out / part).mkdir(parents=True, exist_ok=True)
    (given.out / "results" / f"{name}.md").write_text(text(results), encoding="utf-8")
    for title, draw in figures.items():
        with styled():
            drawn = DrawnFigure(draw(results), title, "", Origin("measured", ""), {})
        (given.out / "_static" / f"{title}.svg").write_bytes(render(drawn, "svg"))


def fine_ticks(axis: Any, low: float, high: float) -> None:
    """Put ticks at 1, 2 and 5 times powers of ten on an axis that shows logarithms to base 10.

    Args:
        axis: `axes.xaxis` or `axes.yaxis`.
        low: the least logarithm.
        high: the largest.
    """
    places = [
        (power + math.log10(digit), digit * 10.0**power)
        for power in range(math.floor(low), math.ceil(high) + 1)
        for digit in (1, 2, 5)
    ]
    shown = [(place, value) for place, value in places if low - 0.1 <= place <= high + 0.1]
    axis.set_ticks([place for place, _ in shown], [f"{value:.3g}" for _, value in shown])


def data_name(results: Tree, index: int) -> str:
    """Return the name of a data set by its number in `--data`."""
    return DATA[index] if any(name.startswith("1 ") for name in results["inputs"]) else "digits"


def grid(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def num(value: float | None, digits: int = 3) -> str:
    """Return a number of some digits, or a hyphen."""
    return "-" if value is None else f"{value:.{digits}g}"


def ends(values: Sequence[float], digits: int = 1) -> str:
    """Return the smallest and the largest of some numbers, or one where both are shown alike.

    Example:
        >>> ends([2.0, 1.0]), ends([1.01, 1.02])
        ('1.0 to 2.0', '1.0')
    """
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def signed(value: float) -> str:
    """Return a number with two decimals, or one digit where these would hide its sign.

    Example:
        >>> signed(0.5), signed(0.0), signed(-0.0021)
        ('0.50', '0.00', '-0.002')
    """
    return f"{value:.2f}" if abs(value) >= 0.005 or not value else f"{value:.1g}"


def span(found: Sequence[float] | None) -> str:
    """Return an estimate with its interval, as `x [low, high]`.

    Example:
        >>> span((0.5, 0.4, 0.61)), span(None)
        ('0.50 [0.40, 0.61]', '-')
    """
    return "-" if found is None else f"{signed(found[0])} [{signed(found[1])}, {signed(found[2])}]"


def command(words: str, why: str) -> str:
    """Return a block with a command that the documentation's tests do not run, and why."""
    return f"```bash\n# not run here: {why}\n{words}\n```"


def made(results: Tree, name: str) -> str:
    """Return the last section: how the page is made, from which data and by which versions."""
    told = ", ".join(
        f"{what} {' and '.join(version) if isinstance(version, list) else version}"
        for what, version in results["versions"].items()
    )
    files = ", ".join(f"{file} `{digest[:12]}`" for file, digest in results["inputs"].items())
    return (
        f"## How it was made\n\nEvery number is in `experiments/{name}/results.json`; `python -m"
        f" experiments.{name}.page` writes this"
        f" page and its pictures from it. Versions: {told}."
        + f" Data (first digits of SHA-256): {files}."
        * bool(files)
    )

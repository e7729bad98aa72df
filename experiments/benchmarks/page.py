"""docs/results/benchmarks.md from results.json: `python -m experiments.benchmarks.page`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.common.page import command, grid, num, publish
from experiments.common.record import Tree

TITLES = {
    "zoo": (
        "Reports of standard networks",
        "Random weights, 90 % pruned, 3 x 224 x 224 images, `--samples 50000 --input-bound 1`. Seconds are of the"
        " processor, both cores together; imports of torch and of what it loads are not counted. The peak of memory is"
        " that of the report, the module included.",
    ),
    "train": ("Training", "LeNet-300-100 at half density on full MNIST."),
    "throughput": (
        "Many checkpoints",
        "`boundcalc batch` on LeNet-300-100 with random masks of densities 0.5 to 0.01: bounds, samples and topology;"
        " and stores that are opened and exported.",
    ),
    "gntk": (
        "Graphon NTK",
        "Processor seconds. The roofline is what the matrix products, and an arc cosine and a square root a cell, layer and"
        " pair, take at the rates of that moment; the twin is a plain implementation that goes tile by tile.",
    ),
    "start": ("Start, and a whole report", "Seconds of the clock."),
    "bounds": (
        "All bounds",
        "A ResNet-18 for 3 x 32 x 32 images, the search of `occam`, and growth with the weights.",
    ),
    "spectral": (
        "Certified spectral norms",
        "The layers of the same ResNet-18, against computations in float64 that certify nothing.",
    ),
    "topology": ("Topology", "The twin builds each graph edge by edge in networkx."),
    "samples": ("r~ of a large layer", "Random masks, and one of disjoint blocks."),
    "graphon": ("Graphons of masks", "Random masks at 5 %."),
    "discovery": ("What a batch does first", "One checkpoint in ten is hostile."),
    "mapped": (
        "A memory-mapped data set",
        "Memory-mapped; the files are sparse on disk, so that the disk's speed is not measured.",
    ),
}
"""Script -> title of its section, and what a reader of its table needs to know."""


def page(results: Tree) -> str:
    """Return the page.

    Args:
        results: content of results.json.
    """
    met = [row["met"] for found in results.values() for row in found["rows"] if row["met"] is not None]
    missed = [
        TITLES[name][0] for name, found in results.items() for row in found["rows"] if row["met"] is False
    ]
    parts = [
        "# Benchmarks",
        f"Of {len(met)} targets {sum(met)} are met"
        + (f"; one is missed under: {', '.join(missed)}." if missed else ".")
        + " Each figure is of one run of a script; the last table says how long it took, and how many processor seconds other"
        " processes took meanwhile: where these are many, a time of the clock says little.",
    ]
    for name, (title, told) in TITLES.items():
        if name in results:
            parts += [f"## {title}", told, _table(results[name]["rows"])]
    parts += [
        "## How it was made",
        "Every number is in `experiments/benchmarks/results.json`; `python -m experiments.benchmarks.page` writes this page"
        " from it. The exit status of a script alone says whether its targets are met.",
        command(
            "python -m experiments.benchmarks.run --data mnist:DIR",
            "minutes, on a machine that does nothing else",
        ),
        grid(
            ("script", "seconds", "of others", "boundcalc", "torch", "numpy", "processor"),
            map(_made, results.values()),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: list[Tree]) -> str:
    met = {True: "yes", False: "**no**", None: "-"}
    lines = [
        (row["case"], f"{num(row['value'])} {row['unit']}", row["target"], met[row["met"]]) for row in rows
    ]
    return grid(("case", "measured", "target", "met"), lines)


def _made(found: Tree) -> tuple[Any, ...]:
    libraries = (found["versions"][name] for name in ("boundcalc", "torch", "numpy"))
    machine = f"{found['processor']}, {found['cores']} cores"
    return (f"`{found['command']}`", found["seconds"], found["others"], *libraries, machine)


if __name__ == "__main__":
    publish("benchmarks", Path(__file__).parent, page, {})

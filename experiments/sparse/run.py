"""Complexities of the peeling bound, which uses the mask, and of bounds by Toeplitz norms, which do not, on pruned tickets.

    python experiments/sparse/run.py                                                         the demo tickets, on the sample
    python experiments/sparse/run.py --lottery LOTTERY/replicate_1 --data mnist:DIR          and the levels of an open_lth lottery

Results go to results.json and results.md beside this file; the second is a page of the documentation.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import boundcalc
from boundcalc.report.numbers import upper

ROOT = Path(__file__).parents[2]
DEMO = ("lenet300_dense", "lenet300_density10", "lenet300_density02", "conv_density10")
OTHERS = (
    "golowich2018_fro",
    "golowich2018_1inf",
    "neyshabur2015_fro",
    "neyshabur2015_1inf",
    "path_norm",
)
MNIST = (0.1307, 0.3081)
"""Mean and standard deviation that open_lth normalises by."""


def figures(tree: dict[str, Any]) -> dict[str, Any]:
    """Return density, error and complexities of a ticket.

    Args:
        tree: of its report.
    """
    return {
        "density": tree["checkpoint"]["density"],
        "test_error": tree["empirical"]["test_error"],
        "complexity": {name: tree["bounds"][name]["complexity"] for name in ("peeling", *OTHERS)},
    }


def measure(path: Path, **options: Any) -> dict[str, Any]:
    """Return the figures of a ticket.

    Args:
        path: of the ticket.
        options: of the analysis.
    """
    return figures(boundcalc.analyze(path, only=("bounds", "empirical"), passes=0, **options).to_dict())


def page(results: dict[str, Any]) -> str:
    """Return results.md.

    Args:
        results: content of results.json.
    """
    tickets = results["tickets"].values()
    ratios = {
        other: [found["complexity"][other] / found["complexity"]["peeling"] for found in tickets]
        for other in OTHERS
    }
    told = ", ".join(f"{other} {min(found):.3g} to {max(found):.3g}" for other, found in ratios.items())
    lines = [
        "# Sparse against dense complexities",
        "",
        "**Claim** (Galanti et al. 2023): a bound that uses the sparsity of a network is orders of magnitude below bounds that do"
        " not.",
        "",
        f"**Answer.** On {len(tickets)} tickets, one seed each, times the Rademacher complexity that `peeling` proves: {told}."
        " Orders of magnitude it is for the Frobenius norms of a convolutional network only; on perceptrons it is a factor, which"
        " for Frobenius norms grows as weights are pruned away.",
        "",
        f"Made by `{results['command']}` with version {results['version']}: demo tickets on the sample that ships; levels of one"
        " open_lth lottery (LeNet-300-100), if any, on full MNIST. Nothing in it is random.",
        "",
        f"| ticket | density | test error | peeling | {' | '.join(f'{name} / peeling' for name in OTHERS)} |",
        f"|---|---|---|---|{'---|' * len(OTHERS)}",
    ]
    for name, found in results["tickets"].items():
        own = found["complexity"]["peeling"]
        cells = " | ".join(f"{found['complexity'][other] / own:.3g}" for other in OTHERS)
        lines.append(
            f"| {name} | {found['density']:.2%} | {found['test_error']:.2%} | {upper(own, 4)} | {cells} |"
        )
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> None:
    """Measure and write.

    Args:
        argv: words of the command line; None for the process's own.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lottery", type=Path, help="a replicate of open_lth, with folders level_N")
    parser.add_argument("--data", help="full MNIST, mnist:DIR")
    parser.add_argument("--only", nargs="*", default=DEMO, help="demo tickets")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent)
    given = parser.parse_args(argv)
    tickets = {name: measure(ROOT / "data" / "tickets" / f"{name}.pt", data="sample") for name in given.only}
    levels = (
        [] if given.lottery is None else sorted(given.lottery.glob("level_*"), key=lambda p: int(p.name[6:]))
    )
    for level in levels:
        tickets[f"open_lth level {level.name[6:]}"] = measure(level, data=given.data, normalize=MNIST)
    command = "python experiments/sparse/run.py"
    results = {
        "command": command + " --lottery LOTTERY/replicate_1 --data mnist:DIR" * bool(levels),
        "version": boundcalc.__version__,
        "tickets": tickets,
    }
    (given.output / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (given.output / "results.md").write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The results as markdown: `results.md` from `results.json` and the figure's table.

python experiments/certificates/page.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Tree = dict[str, Any]


def page(results: Tree, density: str) -> str:
    """Return results.md.

    Args:
        results: content of results.json.
        density: the table of density.md; empty before it was measured.
    """
    parts = [
        "# Certificates by picking: what was measured",
        "Written by `experiments/certificates/page.py`; the numbers are those of `results.json` beside it, each from the run of"
        f" the command below it. $\\delta = {results['delta']:g}$, full training sets. {results['machine']}.",
        "What the methods prove: [pick](../theory/pick.md), [hold-out](../theory/holdout.md),"
        " [disagreement](../theory/disagreement.md).",
        "## Networks that were trained by picking",
        _grid(
            ("run", "data", "certificate", "picked + wrong", "error at most", "aimed at", "test error", "minutes", "verify"),
            [_trained(run) for run in results["trained"]],
        ),
        "Minutes are of one core, and in brackets those of the clock, on a machine that other work shared. The bound pays for"
        " all settings that had been tried on the sample by then (`--pick-tried`) and for the choice among candidate rounds."
        " `verify` counts every error again, in float64.",
        *(_command(run) for run in results["trained"]),
        "## Other networks, through disagreement",
        _grid(
            ("network", "through", "disagreements", "error at most", "aimed at", "by the labels of the test set"),
            [_carried(run) for run in results["disagreement"]],
        ),
        "The examples without labels are the 10,000 test images; that the network was made without them is an assumption that"
        " the row of the report names. Where labels are known the test-set bound is smaller.",
        results["floor"],
        *dict.fromkeys(f"{run['network']}:\n\n```text\n{run['command']}\n```" for run in results["disagreement"]),
        "## Beside published certificates",
        _grid(
            ("source", "speaks of", "set aside", "MNIST", "Fashion-MNIST", "CIFAR-10", "stronger, weaker"),
            [_published(row, results) for row in results["published"]],
        ),
        "Published figures are quoted, at their authors' own confidence; they were not computed again here.",
        *(_against_density(results, density) if density else ()),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _against_density(results: Tree, density: str) -> tuple[str, ...]:
    return (
        "## Picked + wrong against density",
        "![Picked and wrong examples against the density of the network](../_static/density.svg)",
        "Written by `experiments/certificates/density.py`. Filled: picked + wrong, the examples that a ticket needed. Hollow:"
        " those of the dense network times $\\tilde r / \\tilde r_\\mathrm{dense}$, which is what"
        " [Zhang et al. 2021](../theory/zhang2021.md) say"
        f" that pruning saves. {results['density']}",
        density.strip(),
    )


def _trained(run: Tree) -> tuple[str, ...]:
    wall = f" ({run['wall_seconds'] / 60:.1f})" if run.get("wall_seconds") else ""
    return (
        run["network"], run["data"], run["certificate"], f"{run['picked']:,} + {run['wrong']:,}", f"**{_upper(run['value'])}**",
        f"{run['target']:g}" if run.get("target") else "-", f"{run['test_error']:.4f}", f"{run['cpu_seconds'] / 60:.1f}{wall}",
        run["verify"] or "not run",
    )  # fmt: skip


def _command(run: Tree) -> str:
    note = f"\n\n{run['note']}" if run.get("note") else ""
    return f"{run['network']}, {run['data']}, {run['certificate']}:\n\n```text\n{run['command']}\n```{note}"


def _carried(run: Tree) -> tuple[str, ...]:
    disagreements = f"{run['disagreements']:,} of {run['unlabelled']:,}"
    target = f"{run['target']:g}" if run.get("target") else "-"
    return (
        run["network"],
        run["through"],
        disagreements,
        f"**{_upper(run['value'])}**",
        target,
        _upper(run["test_set"]),
    )


def _published(row: Tree, results: Tree) -> tuple[str, ...]:
    values = {run["name"]: run["value"] for run in (*results["trained"], *results["disagreement"])}
    cells = []
    for name in ("mnist", "fashion", "cifar10"):
        said = row.get(name, "-")
        cells.append(_upper(values[said]) if said in values else said)
    return (row["source"], row["subject"], row["apart"], *cells, row["remark"])


def _upper(value: float) -> str:
    """Write a bound with four digits, rounded up."""
    from boundcalc.report.numbers import upper

    return upper(value, 4)


def _grid(headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headers, ("---",) * len(headers), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def written() -> str:
    """Return the page from the files of this folder."""
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    density = HERE / "density.md"
    return page(results, density.read_text(encoding="utf-8") if density.is_file() else "")


if __name__ == "__main__":
    (HERE / "results.md").write_text(written(), encoding="utf-8")

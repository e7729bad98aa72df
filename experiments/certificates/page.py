"""results.md from results.json and density.json; it is a page of the documentation.

python experiments/certificates/page.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Tree = dict[str, Any]
NAMES = {"lenet300": "LeNet-300-100", "lenet5": "LeNet-5"}


def page(results: Tree, density: Tree) -> str:
    """Return results.md.

    Args:
        results: content of results.json.
        density: content of density.json.
    """
    coded = [run for run in results["coded"] if "value" in run]
    parts = [
        "# Certificates: what was measured",
        f"Bounds on the error that hold with probability {1 - results['delta']:g}, from full training sets, beside published ones,"
        " which are quoted at their authors' own confidence and were not computed again.",
        _grid(
            ("source", "speaks of", "set aside", "MNIST", "Fashion-MNIST", "CIFAR-10", "stronger, weaker"),
            [_published(row, results) for row in results["published"]],
        ),
        "What the methods prove: [pick](../theory/pick.md), [hold-out](../theory/holdout.md),"
        " [pacbayes](../theory/pacbayes.md), [occam](../theory/occam.md), [disagreement](../theory/disagreement.md). A bound"
        " pays for all settings that had been tried on the sample by then (`--pick-tried`, `--tried`) and for the choice among"
        " candidate rounds. `verify` counts every error again, in float64. Minutes are of one core, and in brackets those of the"
        f" clock. {results['machine']}.",
        "## Networks that were trained by picking",
        _grid(
            ("run", "data", "certificate", "picked + wrong", "error at most", "aimed at", "test error", "rounds kept", "minutes",
             "seconds of verify", "and of --replay"),
            [_trained(run) for run in results["trained"]],
        ),
        "## Compressions",
        "Each speaks of a network that its file holds, not of the one that was trained; the bits are those of the whole ledger.",
        _grid(
            ("run", "data", "certificate", "bits", "wrong", "error at most", "minutes", "seconds of verify"),
            [_coded(run) for run in coded],
        ),
        "## Other networks, through disagreement",
        _grid(
            ("network", "through", "disagreements", "error at most", "aimed at", "by the labels of the test set"),
            [_carried(run) for run in results["disagreement"]],
        ),
        "The examples without labels are the 10,000 test images; that the network was made without them is an assumption that"
        " the row of the report names. Where labels are known the test-set bound is smaller.",
        *_against_density(density),
        "## Commands",
        "Every number is in `results.json` and `density.json` of `experiments/certificates/`. All rows are measured again, each by"
        " its own command, and this page is written, by",
        "```text\npython experiments/certificates/run.py --mnist DIR --fashion DIR --cifar FILE --ticket LEVEL_22 --out RUNS\n"
        "python experiments/certificates/density.py --out RUNS\n```",
        *dict.fromkeys(_command(run) for run in (*results["trained"], *coded, *results["disagreement"])),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _against_density(density: Tree) -> tuple[str, ...]:
    tickets = density["tickets"]
    dense = {row["arch"]: row["k"] for row in tickets if row["pruner"] == "dense"}
    told = [
        f"at a density of {share:g} tickets need {_ends(row['k'] / dense[row['arch']] for row in mine)} times as many examples as"
        f" the dense network, where r~ says {_ends(row['ratio'] for row in mine)}"
        for share in density["setting"]["densities"][1:]
        if (mine := [row for row in tickets if row["density"] == share])
    ]
    return (
        "## Picked + wrong against density",
        "[Zhang et al. 2021](../theory/zhang2021.md) say that a pruned network needs $\\tilde r / \\tilde r_\\mathrm{dense}$ times as"
        f" many examples. Measured by the examples that picking needs, pruning saves none: {'; '.join(told)}.",
        "![Picked and wrong examples against the density of the network](../_static/density.svg)",
        "Filled: picked + wrong, the examples that a ticket needed. Hollow: those of the dense network times"
        " $\\tilde r / \\tilde r_\\mathrm{dense}$. One seed, 10,000 images; the smallest of seven rounds counts for every ticket, all"
        " with the same short training, and a sparse network may want a longer one. Options:"
        f" `--data {density['setting']['data']} {density['setting']['options']}`.",
        _grid(
            ("network", "masks", "density", "picked + wrong", "k", "k / dense", "r~ / dense", "error at most", "test error"),
            [
                (
                    NAMES[row["arch"]], row["pruner"], f"{row['density']:g}", f"{row['picked']:,} + {row['wrong']:,}",
                    f"{row['k']:,}", f"{row['k'] / dense[row['arch']]:.2f}", f"{row['ratio']:.3f}", _upper(row["bound"]),
                    f"{row['test_error']:.4f}",
                )
                for row in tickets
            ],
        ),
    )  # fmt: skip


def _ends(values: Iterable[float]) -> str:
    found = sorted(values)
    return f"{found[0]:.2f} to {found[-1]:.2f}"


def _trained(run: Tree) -> tuple[str, ...]:
    return (
        run["network"], run["data"], run["certificate"], f"{run['picked']:,} + {run['wrong']:,}", f"**{_upper(run['value'])}**",
        _target(run), f"{run['test_error']:.4f}", str(len(run.get("picked_after_each_round", ())) or "-"), _minutes(run),
        _seconds(run, "verify_seconds"), _seconds(run, "replay_seconds"),
    )  # fmt: skip


def _coded(run: Tree) -> tuple[str, ...]:
    return (
        run["network"], run["data"], run["certificate"], f"{run['bits']:,.1f}", f"{run['wrong']:,}", f"**{_upper(run['value'])}**",
        _minutes(run), _seconds(run, "verify_seconds"),
    )  # fmt: skip


def _target(run: Tree) -> str:
    return f"{run['target']:g}" if run.get("target") else "-"


def _minutes(run: Tree) -> str:
    if not run.get("cpu_seconds"):
        return "-"
    return f"{run['cpu_seconds'] / 60:.1f} ({run['wall_seconds'] / 60:.1f})"


def _seconds(run: Tree, key: str) -> str:
    return f"{run[key]:g}" if run.get(key) else "-"


def _command(run: Tree) -> str:
    certificate = f", {run['data']}, {run['certificate']}" if "certificate" in run else ""
    note = f" {run['note']}" if run.get("note") else ""
    return f"{run['network']}{certificate}.{note}\n\n```text\n{run['command']}\n```"


def _carried(run: Tree) -> tuple[str, ...]:
    disagreements = f"{run['disagreements']:,} of {run['unlabelled']:,}"
    cells = run["network"], run["through"], disagreements, f"**{_upper(run['value'])}**"
    return (*cells, _target(run), _upper(run["test_set"]))


def _published(row: Tree, results: Tree) -> tuple[str, ...]:
    runs = (*results["trained"], *results["coded"], *results["disagreement"])
    values = {run["name"]: run["value"] for run in runs if "value" in run}
    cells = []
    for name in ("mnist", "fashion", "cifar10"):
        said = row.get(name, "-")
        cells.append(f"**{_upper(values[said])}**" if said in values else said)
    return (row["source"], row["subject"], row["apart"], *cells, row["remark"])


def _upper(value: float) -> str:
    """Write a bound with four digits, rounded up."""
    from boundcalc.report.numbers import upper

    return upper(value, 4)


def _grid(headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headers, ("---",) * len(headers), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def written(results: Path = HERE / "results.json") -> str:
    """Return the page from the files of this folder.

    Args:
        results: the file of that name, if another.
    """
    density = json.loads((HERE / "density.json").read_text(encoding="utf-8"))
    return page(json.loads(results.read_text(encoding="utf-8")), density)


def write(results: Path = HERE / "results.json") -> None:
    """Write results.md beside its results.

    Args:
        results: the file of that name, if another.
    """
    results.with_name("results.md").write_text(written(results), encoding="utf-8")


if __name__ == "__main__":
    write()

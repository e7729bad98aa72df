"""Do published scores of masks order published accuracies at one density?

    python -m experiments.published_tables.make FOLDER METRICS

FOLDER is `graph_data` of https://github.com/eliacunegatti/mge-snn: a row a ticket, or a row a layer of a ticket. METRICS is
`csv_metric` of https://github.com/VITA-Group/ramanujan-on-pai: for every density, data set, architecture and seed a row a layer of
each ticket, and a row an epoch of its training. Neither is part of boundcalc; only taus are kept.

Sources: Cunegatti, Farina, Bucur & Iacca 2024, Understanding sparse neural networks from their topology via multipartite graph
representations; Hoang, Liu, Marculescu & Wang 2023, Revisiting pruning at initialization through the lens of Ramanujan graph.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from experiments.common.record import Record, Tree, rounded
from experiments.tickets.summary import ACCURACY, ranked

BIPARTITE = {
    "degree_bound": "delta_r",
    "iterative_degree_bound": "delta_r_imdb",
    "iterative_spectral_gap": "lambda_imsg",
}
"""Column -> its name here, means over layers."""
AT_INITIALIZATION = {
    "rm": "delta_r", "irm": "delta_r_imdb", "sm": "delta_s", "ism": "delta_s_imdb", "random_factor": "narc",
    "sparsity": "mean_layer_density",
}  # fmt: skip
"""The same of the tables of Hoang, Liu, Marculescu & Wang 2023; what they call the sparsity of a layer is its density."""
UNROLLED = "graph_metrics/unrolled/unrolled.csv"
COMMAND = "python -m experiments.published_tables.make FOLDER METRICS"
HELD = 10_000
"""Test images of each accuracy."""


def main() -> None:
    """Write results.json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("metrics", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    files = [*sorted(given.folder.glob("ramanunjan_results/*/*.csv")), given.folder / UNROLLED]
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    digests[given.metrics.name] = of_folder(given.metrics)
    record = Record(given.out, {"held": HELD}, digests, COMMAND)
    families = {
        "bipartite": [ticket for file in files[:-1] for ticket in layered(file)],
        "bipartite, Hoang et al.": list(at_initialization(given.metrics)),
        "multipartite": list(whole(files[-1])),
    }
    record.tree["versions"] = record.versions
    record.tree["summary"] = {family: summary(rows) for family, rows in families.items()}
    record.write()


def of_folder(folder: Path) -> str:
    """Return the SHA-256 of the digests of all tables in a folder, by name."""
    files = sorted(folder.rglob("*.csv"), key=lambda file: file.relative_to(folder).as_posix())
    digests = [
        f"{file.relative_to(folder).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n"
        for file in files
    ]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def summary(rows: list[Tree]) -> Tree:
    """Return number, environments and sparsities of the tickets, and the taus of every quantity with accuracy."""
    names = sorted({name for row in rows for name in row["values"]})
    return rounded({
        "tickets": len(rows),
        "environments": sorted({row["environment"] for row in rows}),
        "densities": sorted({row["density"] for row in rows}),
        "quantities": [ranked(rows, name, ACCURACY) for name in names],
    })  # fmt: skip


def ticket(row: dict[str, str], values: dict[str, float]) -> Tree:
    """Return what is known of a ticket; seeds are not told apart, so that tickets of several are compared with each other."""
    environment = f"{row['dataset']} {row['model']}"
    return told(environment, round(1 - float(row["sparsity"]), 6), float(row["accuracy"]), values)


def told(
    environment: str, density: float, accuracy: float, values: dict[str, float], seed: str | None = None
) -> Tree:
    """Return a ticket as it is compared with others of its environment, density and seed."""
    return {
        "environment": environment, "density": density, ACCURACY: accuracy, "seed": seed,
        "standard_error": (accuracy * (1 - accuracy) / HELD) ** 0.5, "values": values,
    }  # fmt: skip


def layered(file: Path) -> Iterator[Tree]:
    """Yield the tickets of a table with a row a layer; a value is the mean over the layers that have it."""
    tickets: list[list[dict[str, str]]] = []
    for row in read(file):
        if float(row["layer_id"]) == 0 or not tickets:
            tickets.append([])
        tickets[-1].append(row)
    for layers in tickets:
        yield ticket(layers[0], means(layers, BIPARTITE))


def means(layers: list[dict[str, str]], names: dict[str, str]) -> dict[str, float]:
    """Return the mean of every score over the layers that have it, by its name here."""
    known = {
        name: [float(row[column]) for row in layers if row[column] and math.isfinite(float(row[column]))]
        for column, name in names.items()
    }
    return {name: fmean(values) for name, values in known.items() if values}


def at_initialization(folder: Path) -> Iterator[Tree]:
    """Yield the tickets of a folder DENSITY/DATA/ARCHITECTURE with the tables of every seed: accuracies are of the last epoch."""
    for file in sorted(folder.glob("density_*/*/*/csv/graph_seed-*.csv")):
        seed = file.stem.rpartition("-")[2]
        density, data, architecture = file.relative_to(folder).parts[:3]
        last = {
            row["prune_type"]: float(row["test_acc"]) for row in read(file.with_name(f"summary-{seed}.csv"))
        }
        layers: dict[str, list[dict[str, str]]] = {}
        for row in read(file):
            layers.setdefault(row["prune_type"], []).append(row)
        for pruner, rows in layers.items():
            if pruner in last:
                yield told(
                    f"{data} {architecture}", float(density.removeprefix("density_")), last[pruner],
                    means(rows, AT_INITIALIZATION), seed,
                )  # fmt: skip


def read(file: Path) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def whole(file: Path) -> Iterator[Tree]:
    """Yield the tickets of a table with a row a ticket."""
    no_scores = {"accuracy", "pruning", "sparsity", "model", "dataset", "seed", "nodes"}
    for row in read(file):
        values = {name: float(text) for name, text in row.items() if name not in no_scores and text}
        yield ticket(row, {name: value for name, value in values.items() if math.isfinite(value)})


if __name__ == "__main__":
    main()

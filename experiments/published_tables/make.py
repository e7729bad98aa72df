"""Do published scores of masks order published accuracies at one sparsity? `python -m experiments.published_tables.make FOLDER`.

FOLDER is `graph_data` of https://github.com/eliacunegatti/mge-snn, which is not part of boundcalc: a row a ticket, or a
row a layer of a ticket. Only taus are kept. Source: Cunegatti, Farina, Bucur & Iacca 2024, Understanding sparse neural
networks from their topology via multipartite graph representations.
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
UNROLLED = "graph_metrics/unrolled/unrolled.csv"
HELD = 10_000
"""Test images of each accuracy."""


def main() -> None:
    """Write results.json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    files = [*sorted(given.folder.glob("ramanunjan_results/*/*.csv")), given.folder / UNROLLED]
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    record = Record(given.out, {"held": HELD}, digests)
    families = {
        "bipartite": [ticket for file in files[:-1] for ticket in layered(file)],
        "multipartite": list(whole(files[-1])),
    }
    record.tree["summary"] = {family: summary(rows) for family, rows in families.items()}
    record.write()


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
    accuracy = float(row["accuracy"])
    return {
        "environment": f"{row['dataset']} {row['model']}", "density": round(1 - float(row["sparsity"]), 6), ACCURACY: accuracy,
        "standard_error": (accuracy * (1 - accuracy) / HELD) ** 0.5, "values": values,
        "seed": None,
    }  # fmt: skip


def layered(file: Path) -> Iterator[Tree]:
    """Yield the tickets of a table with a row a layer; a value is the mean over the layers that have it."""
    tickets: list[list[dict[str, str]]] = []
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if float(row["layer_id"]) == 0 or not tickets:
                tickets.append([])
            tickets[-1].append(row)
    for layers in tickets:
        known = {
            name: [
                float(layer[column])
                for layer in layers
                if layer[column] and math.isfinite(float(layer[column]))
            ]
            for column, name in BIPARTITE.items()
        }
        yield ticket(layers[0], {name: fmean(values) for name, values in known.items() if values})


def whole(file: Path) -> Iterator[Tree]:
    """Yield the tickets of a table with a row a ticket."""
    told = {"accuracy", "pruning", "sparsity", "model", "dataset", "seed", "nodes"}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            values = {name: float(text) for name, text in row.items() if name not in told and text}
            yield ticket(row, {name: value for name, value in values.items() if math.isfinite(value)})


if __name__ == "__main__":
    main()

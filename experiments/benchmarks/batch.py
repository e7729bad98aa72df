"""Benchmark: tickets by the hundred. Run with `python experiments/benchmarks/batch.py`.

Random masks of several densities on LeNet-300-100, each with its own weights, go through `boundcalc batch` with one worker
and with two, a core each, one after the other in one run; and stores of made-up rows are opened and exported.
``--tickets 20 --rows 5000`` is a small version.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from common import timed

from boundcalc.batch.runner import run
from boundcalc.batch.store import StoredNumber, connect, insert_quantities, opened, transaction
from boundcalc.batch.table import render
from boundcalc.options import Options

PARTS = ("bounds", "samples", "topology")
OPTIONS = Options(samples=60000, input_bound=1.0, only=PARTS)
DENSITIES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
WORKERS = (1, 2)
LEAST_RATIO = 1.7
MOST_WORK = 0.3
MOST_EXPORT = 5.0
A_CHECKPOINT = 250
"""Rows of the long table that a report of `PARTS` has, about."""


def make_tickets(folder: Path, count: int) -> None:
    """Save networks of random weights and masks."""
    import torch

    from boundcalc.tickets.architectures import lenet300

    torch.manual_seed(0)
    for number in range(count):
        model = lenet300()
        density = DENSITIES[number % len(DENSITIES)]
        state = {
            name: value * (torch.rand(value.shape) < density) if value.ndim == 2 else value
            for name, value in model.state_dict().items()
        }
        torch.save(state, folder / f"ticket_{number}.pt")


def throughput(count: int) -> Iterator[tuple[str, float, str, bool]]:
    """Yield the rows of tickets a second and of work a ticket.

    Raises:
        RuntimeError: some tickets failed.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "tickets"
        folder.mkdir()
        make_tickets(folder, count)
        seconds, work = {}, {}
        cores = sorted(os.sched_getaffinity(0))
        for workers in WORKERS:
            os.sched_setaffinity(0, cores[:workers])
            store = Path(place) / f"{workers}.sqlite"
            seconds[workers], done = timed(lambda: run([folder], store, OPTIONS, workers))  # noqa: B023
            if done.done != count:
                raise RuntimeError(f"{done.done} of {count} tickets analyzed")
            with opened(store) as found:
                work[workers] = sum(row.seconds or 0.0 for row in found.rows()) / count
        os.sched_setaffinity(0, cores)
        ratio = seconds[1] / seconds[2]
        for workers in WORKERS:
            yield f"{count} tickets, workers {workers}", count / seconds[workers], "tickets/s", True
        yield f"two workers against one (>= {LEAST_RATIO})", ratio, "times", ratio >= LEAST_RATIO
        yield f"work a ticket, one worker (<= {MOST_WORK})", work[1], "s", work[1] <= MOST_WORK


def make_store(path: Path, checkpoints: int, rows: int) -> None:
    """Fill a store with checkpoints of so many rows of the long table each."""
    connection = connect(path)
    report = zlib.compress(json.dumps({"checkpoint": {}}).encode())
    shown = [
        *(("bounds", f"bound_{i}", "log10_value", 2.5 + i, "theorem") for i in range(10)),
        ("samples", "", "ratio", 0.0123456789, ""),
        ("empirical", "", "test_error", 0.0234567891, ""),
        ("empirical", "", "gap", 0.0123456789, ""),
    ]
    rest = [("topology", f"layer{i % 3}", f"score[{i}]", 0.1 + i, "") for i in range(rows)]
    quantities = [StoredNumber(*cells, "", "") for cells in (*shown, *rest)][:rows]
    with transaction(connection):
        connection.execute("INSERT INTO settings VALUES ('made-up', '{}')")
        for number in range(checkpoints):
            found = connection.execute(
                "INSERT INTO checkpoints (path, sha256, options, settings, version, state, format, parameters, surviving, density)"
                " VALUES (?, ?, 'made-up', 'made-up', '0', 'done', 'plain', 100, 10, 0.1)",
                (f"/runs/replicate_{number // 100}/level_{number % 100}/main", f"{number:064d}"),
            )
            insert_quantities(connection, found.lastrowid or 0, quantities)
            connection.execute("INSERT INTO reports VALUES (?, ?)", (found.lastrowid, report))
    connection.close()


def export(path: Path, format: str) -> Callable[[], str]:
    """Return a function that opens a store and renders it."""

    def exported() -> str:
        with opened(path) as store:
            return render(store, format)

    return exported


def exports(rows: int) -> Iterator[tuple[str, float, str, bool]]:
    """Yield the rows of stores that are opened and exported."""
    shapes = {
        "long table": (max(1, rows // A_CHECKPOINT), A_CHECKPOINT, ("csv", "table")),
        "checkpoints": (rows, 13, ("table", "csv")),
    }
    with tempfile.TemporaryDirectory() as place:
        for name, (checkpoints, each, formats) in shapes.items():
            store = Path(place) / f"{name}.sqlite"
            make_store(store, checkpoints, each)
            for number, format in enumerate(formats):
                spent, _ = timed(export(store, format))
                held = number > 0 or spent <= MOST_EXPORT
                goal = f" (<= {MOST_EXPORT:g})" if number == 0 else ""
                label = f"{checkpoints:,} checkpoints, {checkpoints * each:,} rows: open and export {format}{goal}"
                yield label, spent, "s", held


def main(tickets: int, rows: int) -> int:
    """Print the table; the exit status says whether the targets are met."""
    failed = 0
    print("| case | measured | met |")
    print("|---|---|---|")
    for source in (exports(rows), throughput(tickets)):
        for label, value, unit, met in source:
            failed += not met
            print(f"| {label} | {value:.3g} {unit} | {'yes' if met else 'NO'} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    sys.exit(main(arguments.tickets, arguments.rows))

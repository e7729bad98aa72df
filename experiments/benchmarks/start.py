"""Benchmarks of the start and of a whole report. Run with `python experiments/benchmarks/start.py`.

Commands are interleaved, so that a slow moment of the machine hits all of them; the ratio is that of the medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common import Row, options, table, within

ROOT = Path(__file__).parents[2]
TICKET = str(ROOT / "data" / "tickets" / "lenet300_density02.pt")
BASE = "import torch"
REPORT = "`boundcalc data/tickets/lenet300_density02.pt --data sample`"
REPORTS = 3
MOST_REPORT = 15.0


@dataclass(frozen=True)
class Case:
    """A command, and how many times the time of `import torch` it may take, if there is a limit."""

    name: str
    words: tuple[str, ...]
    most: float | None = None


CASES = (
    Case(BASE, ("-c", "import torch")),
    Case("boundcalc --help", ("-m", "boundcalc", "--help"), 0.5),
    Case("boundcalc lenet300 (no data)", ("-m", "boundcalc", TICKET), 2.5),
    Case(
        "boundcalc lenet300 --samples 60000 --input-bound 1",
        ("-m", "boundcalc", TICKET, "--samples", "60000", "--input-bound", "1"),
        2.5,
    ),
)


def seconds(words: tuple[str, ...]) -> float:
    """Return the wall time of one Python process."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *words],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
    return time.perf_counter() - start


def measure(rounds: int) -> dict[str, float]:
    """Return the median time of each case over interleaved rounds; one more round warms the disk cache."""
    times: dict[str, list[float]] = {case.name: [] for case in CASES}
    for number in range(rounds + 1):
        for case in CASES:
            spent = seconds(case.words)
            if number:
                times[case.name].append(spent)
    return {name: statistics.median(spent) for name, spent in times.items()}


def rows(rounds: int) -> Iterator[Row]:
    """Yield the times of the commands against that of `import torch`, and of a whole report."""
    medians = measure(rounds)
    for case in CASES:
        yield Row(f"`{case.name}`, median of {rounds}", medians[case.name], "s")
        if case.most is not None:
            yield within("the same: times `import torch`", medians[case.name] / medians[BASE], "", case.most)
    spent = [seconds(("-m", "boundcalc", TICKET, "--data", "sample")) for _ in range(REPORTS)]
    yield within(f"{REPORT}, to its end: slowest of {REPORTS}", max(spent), "s", MOST_REPORT)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    sys.exit(table(rows(given.rounds), given.json))

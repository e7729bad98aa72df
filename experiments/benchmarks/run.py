"""Benchmarks: ratios measured in one run, against targets. Run with `python experiments/benchmarks/run.py`.

Commands are interleaved, so that a slow moment of the machine hits all of them; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TICKET = str(ROOT / "data" / "tickets" / "lenet300_density02.pt")
BASE = "import torch"


@dataclass(frozen=True)
class Case:
    """A command, and how many times the time of `import torch` it may take."""

    name: str
    words: tuple[str, ...]
    most: float


CASES = (
    Case(BASE, ("-c", "import torch"), 1.0),
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


def main(rounds: int) -> int:
    """Print the table; the exit status says whether every target is met."""
    medians = measure(rounds)
    failed = 0
    print(f"| command | median of {rounds}, s | times import torch | target | met |")
    print("|---|---|---|---|---|")
    for case in CASES:
        ratio = medians[case.name] / medians[BASE]
        met = ratio <= case.most
        failed += not met
        print(
            f"| {case.name} | {medians[case.name]:.3f} | {ratio:.2f} | {case.most} | {'yes' if met else 'NO'} |"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    sys.exit(main(parser.parse_args().rounds))

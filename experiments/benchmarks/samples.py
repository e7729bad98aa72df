"""Benchmark: r~ of a layer of 4096 neurons with 4096 inputs. Run with `python experiments/benchmarks/samples.py`.

Random masks of several densities and one of disjoint blocks, for which no union can be cut short. Only the line with a target
decides the exit status.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boundcalc.samples.zhang2021 import r_tilde


@dataclass(frozen=True)
class Case:
    """A mask: share of surviving weights, in how many blocks, and the seconds it may take, if any."""

    density: float
    blocks: int = 1
    most: float | None = None


CASES = (Case(0.01, most=5.0), Case(0.1), Case(0.5), Case(1.0), Case(0.5, blocks=2))


def mask(case: Case, size: int) -> NDArray[np.bool_]:
    """Return a random (1, size, size) mask whose neurons read only the inputs of their own block."""
    random = np.random.default_rng(0)
    drawn = random.random((size, size), np.float32) < case.density * case.blocks
    block = np.arange(size) * case.blocks // size
    return (drawn & (block[:, None] == block[None, :]))[None]


def seconds(support: NDArray[np.bool_], rounds: int) -> float:
    """Return the median wall time of r~."""
    spent = []
    for _ in range(rounds):
        start = time.perf_counter()
        r_tilde(support)
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def main(size: int, rounds: int) -> int:
    """Print the table; the exit status says whether the target is met."""
    failed = 0
    print(f"| mask {size} x {size} | r~ | median of {rounds}, s | target, s | met |")
    print("|---|---|---|---|---|")
    for case in CASES:
        support = mask(case, size)
        spent = seconds(support, rounds)
        met = case.most is None or spent <= case.most
        failed += not met
        label = f"density {case.density}" + (f", {case.blocks} disjoint blocks" if case.blocks > 1 else "")
        goal = "| - | - |" if case.most is None else f"| {case.most} | {'yes' if met else 'NO'} |"
        print(f"| {label} | {r_tilde(support):.2f} | {spent:.2f} {goal}")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    sys.exit(main(arguments.size, arguments.rounds))

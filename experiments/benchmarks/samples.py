"""Benchmark: r~ of a layer of 4096 neurons with 4096 inputs. Run with `python experiments/benchmarks/samples.py`.

Random masks of several densities and one of disjoint blocks, for which no union can be cut short. Only the line with a target
decides the exit status.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from common import Row, options, table, within
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


def rows(size: int, rounds: int) -> Iterator[Row]:
    """Yield the time of each mask."""
    for case in CASES:
        support = mask(case, size)
        blocks = f", {case.blocks} disjoint blocks" if case.blocks > 1 else ""
        label = (
            f"{size} x {size}, density {case.density}{blocks}, r~ {r_tilde(support):.2f}: median of {rounds}"
        )
        spent = seconds(support, rounds)
        yield Row(label, spent, "s") if case.most is None else within(label, spent, "s", case.most)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    sys.exit(table(rows(given.size, given.rounds), given.json))

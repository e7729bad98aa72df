"""Have the masks of tickets a shape as graphons, beyond that of random masks of their density?

    python -m experiments.graphons.run --data lottery:LOTTERY/replicate_1    # from the clone's root; goes on where it stopped
    python -m experiments.graphons.run --data digits --tiny --out /tmp/graphons

One cell a mask: the first layer of a demo ticket or of a level of an open_lth lottery, and random masks with as many weights.
Source: Pham et al. 2025.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import boundcalc
from boundcalc.graphon.counts import EntryCounts
from boundcalc.graphon.mask_graphons import of_layer
from boundcalc.graphon.ordering import layer_counts
from experiments.common.command import experiment
from experiments.common.record import Tree

DEMO = Path(__file__).parents[2] / "data" / "tickets"
LOTTERY = "lottery:"


@dataclass(frozen=True)
class Setting:
    """All that the results depend on, the lottery apart.

    Attributes:
        tickets: of the demo.
        levels: of the lottery, if one is given.
        cells: largest number of cells per side.
        randoms: random masks of each ticket's shape and number of weights.
    """

    tickets: tuple[str, ...] = ("lenet300_density10", "lenet300_density02")
    levels: tuple[int, ...] = (8, 22)
    cells: int = 64
    randoms: int = 5


TINY = Setting(("lenet300_density02", "lenet300_density10"), (), 8, 2)


def main(words: list[str] | None = None) -> None:
    """Run the cells that are missing."""
    data = f"{LOTTERY}LOTTERY/replicate_1"
    experiment(__file__, (Setting(), TINY), plan, lambda cells, _: summary(cells), words, data)


def plan(setting: Setting, data: list[str], _: Path) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield a cell a ticket."""
    for name in setting.tickets:
        yield name, partial(measured, DEMO / f"{name}.pt", setting)
    if data[0].startswith(LOTTERY):
        for level in setting.levels:
            place = Path(data[0].removeprefix(LOTTERY)) / f"level_{level}"
            yield f"open_lth level {level}", partial(measured, place, setting)


def measured(path: Path, setting: Setting) -> Tree:
    """Return the graphon of a ticket's first layer, and those of random masks."""
    counts = layer_counts(boundcalc.load(path))[0]
    kept = np.arange(counts.counts.size) < counts.surviving
    randoms = []
    for seed in range(setting.randoms):
        shuffled = np.random.default_rng(seed).permutation(kept).reshape(counts.shape)
        randoms.append(_row(EntryCounts(shuffled.astype(counts.counts.dtype), 1), setting.cells))
    return {
        "mask_sha256": hashlib.sha256(counts.counts.tobytes()).hexdigest(),
        "shape": list(counts.shape),
        "density": counts.density,
        **_row(counts, setting.cells),
        "randoms": randoms,
    }


def _row(counts: EntryCounts, cells: int) -> Tree:
    found = of_layer("fc1", counts, cells, [0, 0])
    assert found.held_out is not None
    best = min(x for x in (found.held_out.sorted, found.held_out.spectral) if x is not None)
    return {
        "cells_by": found.used,
        "cut": list(found.cut_from_constant),
        "bits": best,
        "bits_at_density": found.held_out.constant,
    }


def summary(cells: Mapping[str, Tree]) -> Tree:
    """Return by how much each mask is farther from constant, and better predicted, than random masks."""
    return {
        name: {
            "random_cut": [min(one["cut"][0] for one in cell["randoms"]), max(one["cut"][1] for one in cell["randoms"])],
            "over_random": cell["cut"][0] / max(one["cut"][1] for one in cell["randoms"]),
            "bits_saved": 1 - cell["bits"] / cell["bits_at_density"],
            "random_bits_saved": [
                pick(1 - one["bits"] / one["bits_at_density"] for one in cell["randoms"]) for pick in (min, max)
            ],
        }
        for name, cell in cells.items()
    }  # fmt: skip


if __name__ == "__main__":
    main()

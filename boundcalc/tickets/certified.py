"""The certificate-minded mode: a description-length certificate of every level, and when to stop.

Each level's survivors are quantised, trained with their rounding and pruned further by the search of `boundcalc.occam`; the network
that it certifies is kept. Iterative pruning stops where two levels in a row have brought nothing smaller.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from boundcalc.bounds.normalization import Normalization
from boundcalc.checkpoint import read
from boundcalc.empirical.split import Split
from boundcalc.files import read_json
from boundcalc.network.load import from_checkpoint
from boundcalc.occam.search import SearchTask, search
from boundcalc.occam.state import state_dict
from boundcalc.tickets import paths, storage

DELTA = 0.05
PATIENCE = 2
"""Levels in a row that may bring nothing smaller."""


@dataclass(frozen=True, eq=False)
class Examiner:
    """What every level's certificate is computed with.

    Attributes:
        split: training samples, streamed.
        m: how many.
        shape: of one sample as the network reads it, an image with its channels.
        passes: of the search over the sample.
        device: where it trains.
        seed: of the order of samples.
        normalization: of the inputs; paid for unless it was fixed before the sample.
    """

    split: Split
    m: int
    shape: tuple[int, ...]
    passes: int
    device: str
    seed: int
    normalization: Normalization = Normalization()


def certify(home: Path, level: int, module: nn.Module, examiner: Examiner) -> Mapping[str, Any]:
    """Certify a level's ticket and keep the network of which the certificate speaks; does nothing where that is done.

    Args:
        home: folder of the seed.
        level: a level that is written.
        module: of the run's architecture.
        examiner: sample and effort.

    Returns:
        What the level's file says: value, bits, train_error, surviving.

    Raises:
        NotCovered: the network has an operation that the code does not describe.
        UsageError: the files cannot be written.
    """
    place = paths.certificate(home, level)
    if place.is_file():
        return _read(place)
    checkpoint = read(paths.main(home, level))
    network = from_checkpoint(checkpoint, module, examiner.shape)
    price = examiner.normalization.bits
    found = search(
        SearchTask(
            network, examiner.split, examiner.m, DELTA, {}, examiner.device, examiner.seed, examiner.passes, price
        )
    )  # fmt: skip
    best = found.best
    tree = {
        "schema": "boundcalc.certificate/1",
        "level": level,
        "subject": "compression",
        "prior": "data-free",
        "value": best.value,
        "delta": DELTA,
        "bits": sum(best.bits.values()),
        "normalization_bits": price,
        "train_error": best.errors / examiner.m,
        "surviving": best.network.surviving,
        "found_by": best.name,
        "passes": found.passes,
        "samples": examiner.m,
    }
    state = state_dict(checkpoint.tensors, network, best.network)
    place.parent.mkdir(exist_ok=True)
    storage.write(place.with_suffix(".safetensors"), lambda part: save_file(state, part))
    storage.write(place, lambda part: part.write_text(json.dumps(tree, indent=4) + "\n", encoding="utf-8"))
    return tree


def certificates(home: Path) -> dict[int, dict[str, Any]]:
    """Return what is written, by level."""
    found = [_read(file) for file in paths.certificate(home, 0).parent.glob("level_*.json")]
    return {tree["level"]: tree for tree in sorted(found, key=lambda tree: int(tree["level"]))}


def is_past_best(home: Path) -> bool:
    """Return whether the last levels have brought no smaller certificate."""
    values = [tree["value"] for tree in certificates(home).values()]
    return len(values) > PATIENCE and min(values[-PATIENCE:]) >= min(values[:-PATIENCE])


def _read(file: Path) -> dict[str, Any]:
    tree: dict[str, Any] = read_json(file)
    return tree

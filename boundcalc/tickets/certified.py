"""The certificate-minded mode: a certificate of a compression of every level, and when to stop.

Each level's survivors are where a search starts: that of `boundcalc.occam`, or that of `boundcalc.certificates.pacbayes`. The
network that it certifies is kept, and certificate.json lies beside the ticket. Iterative pruning stops where two levels in a row
have brought nothing smaller.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from boundcalc._version import __version__
from boundcalc.certificates.compressed import decoded, of_drawn, of_word
from boundcalc.certificates.file import NAME, Certificate, digest_of_split
from boundcalc.certificates.ledger import common_lines
from boundcalc.certificates.pacbayes.search import DrawTask, settled
from boundcalc.certificates.pacbayes.search import search as draw
from boundcalc.checkpoint import read
from boundcalc.empirical.split import Split
from boundcalc.errors import NotCovered
from boundcalc.files import read_json
from boundcalc.network.digest import digest_of_network
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network
from boundcalc.occam.search import SearchTask, search
from boundcalc.occam.state import state_dict
from boundcalc.tickets import paths, storage
from boundcalc.tickets.plan import RunPlan

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
        plan: of the run; its `certify` are the passes of the search, its `method` says which.
        device: where occam trains.
        seed: of the order of samples.
        classes: labels.
        tell: told how far the search of pacbayes is: passes done, and of how many.
    """

    split: Split
    m: int
    shape: tuple[int, ...]
    plan: RunPlan
    device: str
    seed: int
    classes: int = 10
    tell: Callable[[int, int], None] = lambda done, passes: None


def certify(home: Path, level: int, module: nn.Module, examiner: Examiner) -> Mapping[str, Any]:
    """Certify a compression of a level's ticket and keep it; does nothing where that is done.

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
    plan, sha = examiner.plan, digest_of_split(examiner.split)
    made_by = {
        "plan": plan.tree(), "seed": examiner.seed, "level": level, "classes": examiner.classes, "tried": plan.tried,
        "versions": {"boundcalc": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }  # fmt: skip
    coded, found_by = (_drawn if plan.method == "pacbayes" else _spelt)(network, examiner, sha)
    draft = Certificate(
        plan.method, "compression", "data-free", plan.data, sha, examiner.m, plan.normalize, DELTA, 1.0, (), 0, (), "",
        made_by, coded,
    )  # fmt: skip
    found = decoded(draft, network, examiner.split)
    value = found.bound(DELTA)
    certificate = replace(
        draft,
        value=value,
        wrong=found.errors,
        ledger=found.lines,
        network_sha256=digest_of_network(found.network),
    )
    tree = {
        "schema": "boundcalc.certificate/1",
        "level": level,
        "subject": "compression",
        "prior": "data-free",
        "value": value,
        "delta": DELTA,
        "bits": math.fsum(line.bits for line in found.lines[1:]),
        "normalization_bits": found.lines[0].bits,
        "train_error": found.errors / examiner.m,
        "surviving": found.network.surviving,
        "found_by": found_by,
        "passes": plan.certify,
        "samples": examiner.m,
    }
    state = state_dict(checkpoint.tensors, network, found.network)
    place.parent.mkdir(exist_ok=True)
    storage.write(place.with_suffix(".safetensors"), lambda part: save_file(state, part))
    beside = paths.main(home, level) / NAME
    storage.write(beside, lambda part: part.write_text(certificate.text(), encoding="utf-8"))
    storage.write(place, lambda part: part.write_text(json.dumps(tree, indent=4) + "\n", encoding="utf-8"))
    return tree


def _spelt(network: Network, examiner: Examiner, sha: str) -> tuple[dict[str, Any], str]:
    passes = examiner.plan.certify or 0
    try:  # half of the passes for a start that stands noise on every weight
        start = settled(_task(network, examiner, sha, passes // 2)) if passes > 1 else None
    except NotCovered:
        start = None
    left = passes if start is None else passes - passes // 2
    found = search(
        SearchTask(
            network, examiner.split, examiner.m, DELTA, {}, examiner.device, examiner.seed, left, start=start
        )
    )  # fmt: skip
    return of_word(found.plan, found.best.word), found.best.name


def _drawn(network: Network, examiner: Examiner, sha: str) -> tuple[dict[str, Any], str]:
    found = draw(_task(network, examiner, sha, examiner.plan.certify or 1))
    return of_drawn(found.frame.tree, found.stages), "draw"


def _task(network: Network, examiner: Examiner, sha: str, passes: int) -> DrawTask:
    plan, done = examiner.plan, itertools.count(1)
    return DrawTask(
        network, examiner.split, sha, examiner.m, plan.normalize, DELTA, passes, examiner.seed, plan.beta,
        common_lines(plan.normalize, plan.normalize_fixed, plan.tried), lambda: examiner.tell(next(done), passes),
    )  # fmt: skip


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

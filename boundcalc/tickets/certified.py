"""Certify a compression of every level's ticket, and decide when to stop pruning.

The search, `boundcalc.occam` or `boundcalc.certificates.pacbayes`, starts from each level's surviving weights. The network
that it certifies is kept, and certificate.json is written beside the ticket. Iterative pruning stops after two levels in a
row without a smaller certificate.
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
from boundcalc.certificates.pacbayes.search import DrawTask, mean_network, search_draw
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
"""Number of consecutive levels without a smaller certificate after which pruning stops."""


@dataclass(frozen=True, eq=False)
class Examiner:
    """The inputs for computing every level's certificate.

    Attributes:
        split: training samples, streamed.
        m: number of training samples.
        shape: shape of one sample as the network reads it, an image with its channels.
        plan: plan of the run; its `certify` is the number of passes of the search, its `method` is the kind of search.
        device: device on which occam trains.
        seed: seed for the order of samples.
        classes: number of labels.
        on_progress: callback for the progress of the pacbayes search: takes the number of passes done and their total.
    """

    split: Split
    m: int
    shape: tuple[int, ...]
    plan: RunPlan
    device: str
    seed: int
    classes: int = 10
    on_progress: Callable[[int, int], None] = lambda done, passes: None


def certify(home: Path, level: int, module: nn.Module, examiner: Examiner) -> Mapping[str, Any]:
    """Certify a compression of a level's ticket and save it; if that is already done, only read the result.

    Args:
        home: folder of the seed.
        level: a level that has been written.
        module: a module of the run's architecture.
        examiner: sample and effort.

    Returns:
        The content of the level's file: value, bits, train_error, surviving and more.

    Raises:
        NotCovered: when the network has an operation that the code does not describe.
        UsageError: when the files cannot be written.
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
    coded, found_by = (_draw_certificate if plan.method == "pacbayes" else _codeword_certificate)(
        network, examiner, sha
    )
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


def _codeword_certificate(network: Network, examiner: Examiner, sha: str) -> tuple[dict[str, Any], str]:
    passes = examiner.plan.certify or 0
    try:  # half of the passes for a start that stands noise on every weight
        start = mean_network(_task(network, examiner, sha, passes // 2)) if passes > 1 else None
    except NotCovered:
        start = None
    left = passes if start is None else passes - passes // 2
    found = search(
        SearchTask(
            network, examiner.split, examiner.m, DELTA, {}, examiner.device, examiner.seed, left, start=start
        )
    )  # fmt: skip
    return of_word(found.plan, found.best.word), found.best.name


def _draw_certificate(network: Network, examiner: Examiner, sha: str) -> tuple[dict[str, Any], str]:
    found = search_draw(_task(network, examiner, sha, examiner.plan.certify or 1))
    return of_drawn(found.frame.tree, found.stages), "draw"


def _task(network: Network, examiner: Examiner, sha: str, passes: int) -> DrawTask:
    plan, done = examiner.plan, itertools.count(1)
    return DrawTask(
        network, examiner.split, sha, examiner.m, plan.normalize, DELTA, passes, examiner.seed, plan.beta,
        common_lines(plan.normalize, plan.normalize_fixed, plan.tried), lambda: examiner.on_progress(next(done), passes),
    )  # fmt: skip


def certificates(home: Path) -> dict[int, dict[str, Any]]:
    """Return the certificates that have been written, by level."""
    found = [_read(file) for file in paths.certificate(home, 0).parent.glob("level_*.json")]
    return {tree["level"]: tree for tree in sorted(found, key=lambda tree: int(tree["level"]))}


def is_past_best(home: Path) -> bool:
    """Return whether the last `PATIENCE` levels have not produced a smaller certificate than the levels before."""
    values = [tree["value"] for tree in certificates(home).values()]
    return len(values) > PATIENCE and min(values[-PATIENCE:]) >= min(values[:-PATIENCE])


def _read(file: Path) -> dict[str, Any]:
    tree: dict[str, Any] = read_json(file)
    return tree

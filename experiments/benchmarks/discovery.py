"""Benchmark: what `boundcalc batch` does before the first analysis. Run with `python experiments/benchmarks/discovery.py`.

5,000 checkpoints, of which one in ten is hostile, are found below one folder, digested and claimed in an empty store, and once
more when all are known. ``--files 200`` is a small version.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import options, table, timed, within
from safetensors.numpy import save_file

from boundcalc.batch.claims import Claims, Failure
from boundcalc.batch.discover import discover
from boundcalc.batch.keys import Key, key_of, settings_of
from boundcalc.options import Options

MOST = 30.0
"""Seconds that discovery and digest may take."""
WEIGHTS = (300, 784)
"""Shape of the largest layer: a file is of the size of LeNet-300-100."""


def make(folder: Path, count: int) -> None:
    """Write checkpoints of every layout, one in ten of them hostile."""
    draw = np.random.default_rng(0)
    weight = draw.standard_normal(WEIGHTS).astype(np.float32)
    for number in range(count):
        weight[0, 0] = number
        tensors = {"fc.weight": weight}
        place = folder / f"replicate_{number % 7}" / f"run_{number % 50}"
        place.mkdir(parents=True, exist_ok=True)
        kind = number % 20
        if kind == 0:
            os.mkfifo(place / f"pipe_{number}.pt")
        elif kind == 10:
            index = {"weight_map": {"w": "../../../../../../dev/zero"}}
            (place / f"m_{number}.safetensors.index.json").write_text(json.dumps(index))
        elif kind == 1:
            main = folder / "lottery" / f"level_{number}" / "main"
            main.mkdir(parents=True)
            save_file(tensors, main / "model_ep2_it0.pth")
            save_file(tensors, main / "mask.pth")
        elif kind == 2:
            home = place / f"sharded_{number}"
            home.mkdir()
            save_file(tensors, home / "a-1-of-2.safetensors")
            save_file({"b": weight[:1]}, home / "a-2-of-2.safetensors")
            index = {"weight_map": {"fc.weight": "a-1-of-2.safetensors", "b": "a-2-of-2.safetensors"}}
            (home / "a.safetensors.index.json").write_text(json.dumps(index))
        else:
            save_file(tensors, place / f"net_{number}.safetensors")


def steps(count: int) -> Iterator[tuple[str, float, str, float]]:
    """Yield label, seconds, their unit and the limit of each step.

    Raises:
        RuntimeError: not all files were found.
    """
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "runs"
        make(folder, count)
        settings = settings_of(Options())
        seconds, paths = timed(lambda: discover([folder]))
        if len(paths) != count:
            raise RuntimeError(f"{len(paths)} of {count} found")
        spent, keys = timed(lambda: [key_of(path, settings) for path in paths])
        yield f"{count:,} checkpoints: discovery", seconds, "s", MOST
        yield f"{count:,} checkpoints: discovery and digest", seconds + spent, "s", MOST
        claims = Claims(Path(home) / "s.sqlite", settings)
        try:
            spent, _ = timed(lambda: claim(claims, keys))
            yield f"{count:,} checkpoints: claims and failures filed", spent, "s", MOST
            spent, _ = timed(lambda: [claims.claim(key) for key in keys])
            yield f"{count:,} checkpoints: claims when all are known", spent, "s", MOST
        finally:
            claims.close()


def claim(claims: Claims, keys: list[Key]) -> None:
    """Claim every checkpoint, and give each up as refused."""
    for key in keys:
        _, row = claims.claim(key)
        claims.fail(row, Failure(f"{key.path}: not analyzed here", refused=True))


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--files", type=int, default=5000)
    given = parser.parse_args()
    sys.exit(table((within(*step) for step in steps(given.files)), given.json))

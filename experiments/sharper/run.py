"""Norm bounds that say something: pruned networks trained with the peeling norm, every norm bound beside it.

    python experiments/sharper/run.py --data mnist:DIR            # about 15 minutes on one core; goes on where it stopped
    python experiments/sharper/run.py --data digits --tiny

Masks are random, fixed before the sample, so that none is paid for. Results go to results.json beside this file, one entry a setting.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import boundcalc
from boundcalc.cli.main import main as boundcalc_command
from boundcalc.empirical.datasets import open_data
from boundcalc.features.orientations import orientations

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Setting:
    """One ticket.

    Attributes:
        name: of its entry.
        network: callable of networks.py.
        classes: labels of the data that are kept.
        density: share of weights kept at random.
        strength: factor of the peeling norm in the loss.
        epochs: passes of training.
        loss: of training.
        rate: learning rate at the start.
        cells: of the fixed first stage "orientations" in front of the network, along each side; 0 for none. Its values are the data
            then: bounds by norms of the whole network on the images are those of what stands behind it on these values.
        aside: training samples that are set aside before: their mean is taken from all others, which are the sample.
    """

    name: str
    network: str
    classes: tuple[int, ...]
    density: float
    strength: float
    epochs: int
    loss: str = "cross-entropy"
    rate: float = 0.003
    cells: int = 0
    aside: int = 0


SETTINGS = (
    Setting("0 against 1, perceptron", "two_classes_30", (0, 1), 0.17, 0.3, 10),
    Setting("0 against 1, convolution", "two_classes_conv", (0, 1), 0.5, 0.3, 6),
    Setting("0, 1 and 2, perceptron", "three_classes_60", (0, 1, 2), 0.2, 0.01, 10, "mse"),
    Setting("ten classes, perceptron", "ten_classes_100", tuple(range(10)), 0.2, 0.03, 6),
    Setting(
        "ten classes, perceptron, squared loss", "ten_classes_100", tuple(range(10)), 0.2, 0.002, 15, "mse"
    ),
    Setting(
        "ten classes, centered, perceptron",
        "ten_classes_100",
        tuple(range(10)),
        0.2,
        0.001,
        20,
        "mse",
        aside=1000,
    ),
    Setting(
        "ten classes, first stage, perceptron",
        "ten_classes_behind",
        tuple(range(10)),
        0.3,
        0.01,
        6,
        "mse",
        cells=7,
    ),
    Setting(
        "ten classes, first stage, linear",
        "ten_classes_behind_linear",
        tuple(range(10)),
        0.8,
        0.003,
        6,
        "mse",
        cells=7,
    ),
    Setting(
        "ten classes, first stage, centered, perceptron",
        "ten_classes_behind_30",
        tuple(range(10)),
        0.5,
        0.02,
        8,
        "mse",
        cells=7,
        aside=1000,
    ),
    Setting(
        "ten classes, first stage, centered, linear",
        "ten_classes_behind_linear",
        tuple(range(10)),
        0.8,
        0.003,
        6,
        "mse",
        cells=7,
        aside=1000,
    ),
)


def subset(data: str, classes: tuple[int, ...], path: Path, cells: int = 0, aside: int = 0) -> None:
    """Write the samples of some classes, renumbered, as an npz file: behind the first stage, less the mean of those set aside."""
    opened = open_data(data)
    arrays = {}
    for name, split in (("train", opened.train), ("test", opened.test)):
        assert split is not None
        parts = [(x, y) for x, y in split.batches(10_000)]
        x, y = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        kept = np.isin(y, classes)
        arrays[f"x_{name}"] = behind(x[kept].astype(np.float32), cells)
        arrays[f"y_{name}"] = np.searchsorted(classes, y[kept])
    if aside:
        mean = arrays["x_train"][:aside].mean(0, dtype=np.float64).astype(np.float32)
        arrays = {
            name: (values - mean if name.startswith("x") else values)[aside * name.endswith("train") :]
            for name, values in arrays.items()
        }
    np.savez(path, **arrays)


def behind(x: np.ndarray, cells: int) -> np.ndarray:
    """Return what the first stage makes of images."""
    if not cells:
        return x
    images = torch.from_numpy(x).reshape(-1, 1, *x.shape[-2:])
    return torch.cat([orientations(part, cells) for part in images.split(1000)]).numpy()


def run(setting: Setting, data: str, folder: Path, *, tiny: bool) -> dict[str, Any]:
    """Train one ticket and return its errors and the value of each norm bound.

    Raises:
        SystemExit: training failed.
    """
    path = folder / "subset.npz"
    subset(data, setting.classes, path, setting.cells, setting.aside)
    model = f"{HERE / 'networks.py'}:{'tiny' if tiny else setting.network}"
    words = [
        "train", "--data", f"npz:{path}", "--model", model, "--pruner", "random", "--density", f"{setting.density}",
        "--optimizer", "adam", "--lr", f"{setting.rate}", "--loss", setting.loss, "--schedule", "cosine",
        "--epochs", "1" if tiny else f"{setting.epochs}", "--regularise", "peeling",
        "--weight-decay", f"{setting.strength}", "--out", str(folder / "run"), "--quiet",
    ]  # fmt: skip
    if boundcalc_command(words):
        raise SystemExit(f"{setting.name}: training failed")
    ticket = folder / "run" / "replicate_0" / "level_0" / "main" / "model.safetensors"
    report = boundcalc.analyze(
        ticket,
        data=f"npz:{path}",
        model=model,
        only=("bounds", "empirical"),
        passes=0,
        mask_origin="independent",
    ).to_dict()
    bounds = {
        name: {
            "value": found["value"],
            "complexity": found["complexity"],
            "as_published": (found["terms"].get("as_published") or {}).get("value"),
        }
        for name, found in report["bounds"].items()
        if found["kind"] in {"F", "loss"} and found["value"] is not None and found["status"] != "refuted"
    }
    return {
        "m": report["data"]["m"],
        "train_error": report["empirical"]["train_error"],
        "test_error": report["empirical"]["test_error"],
        "margin": report["bounds"]["peeling"]["margin"],
        "margin_error": report["bounds"]["peeling"]["terms"]["margin_error"],
        "density": setting.density,
        "strength": setting.strength,
        "bounds": dict(sorted(bounds.items(), key=lambda pair: pair[1]["value"])),
    }


def main(words: list[str]) -> int:
    """Run every setting that has no entry yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="e.g. mnist:DIR")
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    parser.add_argument("--only", help="the settings whose names begin with this")
    parser.add_argument("--tiny", action="store_true", help="one epoch of a tiny network on two classes")
    given = parser.parse_args(words)
    done = json.loads(given.out.read_text()) if given.out.is_file() else {}
    for setting in SETTINGS[:1] if given.tiny else SETTINGS:
        if setting.name in done or not setting.name.startswith(given.only or ""):
            continue
        with tempfile.TemporaryDirectory() as folder:
            done[setting.name] = run(setting, given.data, Path(folder), tiny=given.tiny)
        given.out.write_text(json.dumps(done, indent=1) + "\n")
        best = done[setting.name]["bounds"]["peeling"]["value"]
        print(f"{setting.name}: peeling {best:.3f}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

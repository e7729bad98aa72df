"""Lottery tickets of LeNet-300-100 by iterative magnitude pruning on samples of several sizes."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from boundcalc.cli.main import main as boundcalc_command
from boundcalc.tickets.networks import by_name
from boundcalc.tickets.samples import Samples
from boundcalc.tickets.training import measure
from experiments.common.record import Tree
from experiments.common.splits import CPU, splits


@dataclass(frozen=True)
class Lottery:
    """How tickets are made.

    Attributes:
        samples: sizes of the sample.
        levels: prunings.
        pruned: share of the surviving weights that a pruning removes.
        epochs: of every level on the largest sample; smaller ones get as many steps.
        seeds: one lottery each, with a sample of its own.
        errors: test errors for which the smallest sample is asked.
    """

    samples: tuple[int, ...] = (500, 1000, 2000, 4000, 8000, 16000)
    levels: int = 8
    pruned: float = 0.5
    epochs: int = 4
    seeds: int = 2
    errors: tuple[float, ...] = (0.12, 0.10, 0.08, 0.06)


def lottery(data: str, how: Lottery, samples: int, seed: int) -> Tree:
    """Return density, hidden survivors and errors of every level on a sample of one size.

    Raises:
        SystemExit: training failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        sample, out = Path(folder) / "sample.npz", Path(folder) / "run"
        held = _draw(data, samples, seed, sample)
        large = held.x[0].numel() == 784
        epochs = max(1, round(how.epochs * max(how.samples) / samples))
        words = [
            "train", "--data", f"npz:{sample}", "--pruner", "imp", "--levels", f"{how.levels}",
            "--prune-fraction", f"{how.pruned}", "--optimizer", "adam", "--lr", "0.0012", "--batch-size", "60",
            "--epochs", f"{epochs}", "--seed", f"{seed}", "--out", str(out), "--quiet", "--device", "cpu",
        ]  # fmt: skip
        words += ["--arch", "lenet300"] if large else ["--model", "experiments.recovery.tickets:small"]
        with redirect_stdout(sys.stderr):
            status = boundcalc_command(words)
        if status:
            raise SystemExit(f"tickets on {samples} samples: training failed")
        levels = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("**/ticket.json"))]
        levels.sort(key=lambda ticket: ticket["level"])
        folders = sorted(out.glob("**/level_*/main"), key=_level)
        hidden = [_hidden(path) for path in folders]
        errors = [
            _error(path, by_name("lenet300", (1, 28, 28)) if large else small(), held) for path in folders
        ]
    return {
        "N": samples, "seed": seed, "epochs": epochs,
        "density": [ticket["density"] for ticket in levels],
        "surviving": [ticket["surviving"] for ticket in levels],
        "hidden": hidden,
        "train_error": [ticket["train_error"] for ticket in levels],
        "test_error": errors,
    }  # fmt: skip


def small() -> torch.nn.Module:
    """Return a perceptron for images of 8 x 8."""
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
    )


def _level(path: Path) -> int:
    return int(path.parent.name.removeprefix("level_"))


def _hidden(folder: Path) -> int:
    """Return the surviving weights of all layers but the last."""
    masks = list(torch.load(folder / "mask.pth", weights_only=True).values())
    return sum(int(mask.sum()) for mask in masks[:-1])


def _error(folder: Path, module: torch.nn.Module, held: Samples) -> float:
    """Return the share of the test split that a ticket gets wrong."""
    module.load_state_dict(load_file(folder / "model.safetensors"))
    return measure(module, held, "cross-entropy", CPU)[1]


def _draw(data: str, count: int, seed: int, path: Path) -> Samples:
    """Write a random sample of the training split, and return the test split."""
    train, test = splits(data)
    rows = torch.randperm(train.m, generator=torch.Generator().manual_seed(4_000_003 + seed))[:count]
    np.savez(path, x_train=train.x[rows].numpy(), y_train=train.y[rows].numpy())
    return test

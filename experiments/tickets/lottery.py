"""One lottery: tickets of a pruner at several densities, and every number that boundcalc has of them."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

import boundcalc
from boundcalc.cli.main import main as boundcalc_command
from experiments.common.record import Tree
from experiments.common.splits import splits

FRACTION = 0.5
PARTS = ("bounds", "samples", "graphon", "gntk", "empirical")


@dataclass(frozen=True)
class Environment:
    """What a lottery's tickets have in common.

    Attributes:
        data: a form of `--data`.
        arch: of the networks.
        noise: share of the training labels drawn anew.
        samples: of the training set.
        held: of the test set, whose labels are left as they are.
    """

    data: str
    arch: str
    noise: float
    samples: int
    held: int


def lottery(where: Environment, pruner: str, seed: int, size: tuple[int, int, int], also: Tree) -> Tree:
    """Return the tickets of one pruner at the densities 1/2, 1/4, ...

    Args:
        where: data and architecture.
        pruner: its name.
        seed: of the sample, the initial weights and the pruner.
        size: prunings, epochs, and images of the kernel.
        also: told in the cell, too.

    Raises:
        SystemExit: training failed.
    """
    levels, epochs, images = size
    densities = [FRACTION ** (level + 1) for level in range(levels)]
    with tempfile.TemporaryDirectory() as folder:
        sample, train, out = (Path(folder) / name for name in ("all.npz", "train.npz", "run"))
        draw(where, seed, sample, train)
        own = where.arch == "small"
        words = [
            "train", "--data", f"npz:{train}", "--pruner", pruner, "--optimizer", "adam", "--batch-size", "50",
            "--epochs", f"{epochs}", "--seed", f"{seed}", "--out", str(out), "--quiet", "--device", "cpu",
            *(("--model", f"{__name__}:small") if own else ("--arch", where.arch)),
            *(
                ("--levels", f"{levels}", "--prune-fraction", f"{FRACTION}")
                if pruner == "imp"
                else ("--density", ",".join(map(str, densities)))
            ),
        ]  # fmt: skip
        with redirect_stdout(sys.stderr):
            status = boundcalc_command(words)
        if status:
            raise SystemExit(f"{pruner} in {where}: training failed")
        home = out / f"replicate_{seed}"
        folders = sorted(home.glob("level_[0-9]*"), key=lambda path: int(path.name.removeprefix("level_")))
        kept = folders[-levels:]
        made = [
            ticket(level / "main", sample, images, density)
            for level, density in zip(kept, densities, strict=True)
        ]
    return {**also, "arch": where.arch, "noise": where.noise, "pruner": pruner, "seed": seed, "tickets": made}


def ticket(folder: Path, data: Path, images: int, density: float) -> Tree:
    """Return the numbers of one ticket: of its mask on the initial weights, and of the trained network."""
    told = json.loads((folder / "ticket.json").read_text(encoding="utf-8"))
    model = None if told["arch"] and ":" not in told["arch"] else told["arch"]
    trained = boundcalc.analyze(
        folder / "model.safetensors", data=f"npz:{data}", model=model, only=PARTS, passes=0, batch=images, device="cpu",
        mask_origin=told["mask_origin"],
    ).to_dict()  # fmt: skip
    before = boundcalc.analyze(
        folder / "model_ep0_it0.pth", data=f"npz:{data}", model=model, only=("topology",), device="cpu"
    ).to_dict()  # fmt: skip
    measured = trained["empirical"]
    return {
        "density": density,
        "surviving": told["surviving"],
        "train_error": measured["train_error"],
        "test_error": measured["test_error"],
        "gap": measured["gap"],
        "bounds": {
            name: bound["log10_value"]
            for name, bound in trained["bounds"].items()
            if bound["log10_value"] is not None
        },
        "scores": scores(trained, before),
    }


def scores(trained: Tree, before: Tree) -> Tree:
    """Return the numbers of a ticket that bound nothing, by name."""
    topology, kernel = before["topology"], trained["gntk"] or {}
    graphons = (trained["graphon"] or {}).get("layers") or []
    found: dict[str, Any] = {
        "distance": topology["distance"],
        **dict(
            zip(("delta_r", "delta_r_imdb", "lambda", "lambda_imsg"), topology["coordinate"], strict=True)
        ),
        "ramanujan_layers": topology["ramanujan_layers"],
        "narc": _mean([layer["narc"] for layer in topology["layers"]]),
        "samples_ratio": trained["samples"]["ratio"],
        "graphon_l2": _mean([layer["l2_from_constant"] for layer in graphons]),
        "graphon_cut": _mean([layer["cut_from_constant"][1] for layer in graphons]),
        **{f"ntk_{name}": kernel.get(name) for name in ("alpha", "effective_rank", "gap", "top5_energy")},
    }
    return {name: value for name, value in found.items() if value is not None}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def draw(where: Environment, seed: int, both: Path, train: Path) -> None:
    """Write a sample of both splits, and the training split alone, labels drawn anew with the environment's probability."""
    random = torch.Generator().manual_seed(5_000_003 + seed)
    arrays = {}
    for name, split, count in zip(
        ("train", "test"), splits(where.data), (where.samples, where.held), strict=True
    ):
        rows = torch.randperm(split.m, generator=random)[:count]
        arrays[f"x_{name}"], arrays[f"y_{name}"] = split.x[rows].numpy(), split.y[rows].numpy()
    labels = arrays["y_train"]
    drawn = torch.randint(int(labels.max()) + 1, (len(labels),), generator=random).numpy()
    chosen = (torch.rand(len(labels), generator=random) < where.noise).numpy()
    arrays["y_train"] = np.where(chosen, drawn, labels)
    np.savez(both, **arrays)
    np.savez(train, x_train=arrays["x_train"], y_train=arrays["y_train"])


def small() -> torch.nn.Module:
    """Return a perceptron for images of 8 x 8."""
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
    )

"""Norm bounds that say something: pruned networks trained with the peeling norm, every norm bound beside it.

    python -m experiments.sharper.run --data mnist:DIR     # from the clone's root, 15 minutes; goes on where it stopped
    python -m experiments.sharper.run --data digits --tiny --out /tmp/sharper

Masks are random, fixed before the sample, so that none is paid for. One cell a ticket.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

import boundcalc
from boundcalc.bounds import registry
from boundcalc.certificates.test_set import error_bound
from boundcalc.cli.main import main as boundcalc_command
from boundcalc.empirical.datasets import open_data
from boundcalc.features.orientations import orientations
from experiments.common.command import experiment
from experiments.common.record import Tree

HERE = Path(__file__).parent
DELTA = 0.05
CHOICES = 20
"""Architectures that were tried, about."""
SPARSE = ("peeling", "path_norm")
"""Theorems that use which weights a mask keeps."""


@dataclass(frozen=True)
class Ticket:
    """One ticket.

    Attributes:
        name: of its cell.
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


TICKETS = (
    Ticket("0 against 1, perceptron", "two_classes_30", (0, 1), 0.17, 0.3, 10),
    Ticket("0 against 1, convolution", "two_classes_conv", (0, 1), 0.5, 0.3, 6),
    Ticket("0, 1 and 2, perceptron", "three_classes_60", (0, 1, 2), 0.2, 0.01, 10, "mse"),
    Ticket("ten classes, perceptron", "ten_classes_100", tuple(range(10)), 0.2, 0.03, 6),
    Ticket(
        "ten classes, perceptron, squared loss", "ten_classes_100", tuple(range(10)), 0.2, 0.002, 15, "mse"
    ),
    Ticket(
        "ten classes, centered, perceptron",
        "ten_classes_100",
        tuple(range(10)),
        0.2,
        0.001,
        20,
        "mse",
        aside=1000,
    ),
    Ticket(
        "ten classes, first stage, perceptron",
        "ten_classes_behind",
        tuple(range(10)),
        0.3,
        0.01,
        6,
        "mse",
        cells=7,
    ),
    Ticket(
        "ten classes, first stage, linear",
        "ten_classes_behind_linear",
        tuple(range(10)),
        0.8,
        0.003,
        6,
        "mse",
        cells=7,
    ),
    Ticket(
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
    Ticket(
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


@dataclass(frozen=True)
class Setting:
    """All that the results depend on, the data apart.

    Attributes:
        tickets: that are trained.
        seed: of masks, initial weights and training.
    """

    tickets: tuple[Ticket, ...] = TICKETS
    seed: int = 0


TINY = Setting((replace(TICKETS[0], network="tiny", epochs=1), replace(TICKETS[1], network="tiny", epochs=1)))


def main(words: list[str] | None = None) -> None:
    """Run the cells that are missing."""
    experiment(__file__, (Setting(), TINY), plan, lambda cells, _: summary(cells), words)


def plan(setting: Setting, data: list[str], _: Path) -> Iterator[tuple[str, Callable[[], Tree]]]:
    """Yield a cell a ticket."""
    for ticket in setting.tickets:
        yield ticket.name, partial(run, ticket, data[0], setting.seed)


def summary(cells: Mapping[str, Tree]) -> Tree:
    """Return what is compared of each ticket: the smallest theorem that uses sparsity, and the smallest other."""
    proved = {name for name, bound in registry.items() if bound.status == "theorem"}
    found = {}
    for name, cell in cells.items():
        values = {bound: each["value"] for bound, each in cell["bounds"].items() if bound in proved}
        sparse = min(set(values) & set(SPARSE), key=lambda bound: values[bound])
        other = min(set(values) - set(SPARSE), key=lambda bound: values[bound])
        found[name] = {
            "sparse": sparse,
            "value": values[sparse],
            "other": other,
            "other_value": values[other],
            "standard_error": (cell["test_error"] * (1 - cell["test_error"]) / cell["held"]) ** 0.5,
            "error_bound": error_bound(round(cell["test_error"] * cell["held"]), cell["held"], DELTA),
            "price_of_choice": price(cell["m"]),
        }
    return found


def price(m: int) -> float:
    """Return what one choice of `CHOICES` architectures adds to a bound on m samples, at most: that at a weight of 1 for all else."""
    confident = math.log(1 / DELTA)
    return 2 * (((confident + math.log(CHOICES)) / (2 * m)) ** 0.5 - (confident / (2 * m)) ** 0.5)


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


def run(ticket: Ticket, data: str, seed: int) -> Tree:
    """Train one ticket and return its errors and the value of each norm bound."""
    with tempfile.TemporaryDirectory() as folder:
        return measured(ticket, data, seed, Path(folder))


def measured(ticket: Ticket, data: str, seed: int, folder: Path) -> Tree:
    """Train one ticket in a folder.

    Raises:
        SystemExit: training failed.
    """
    path = folder / "subset.npz"
    subset(data, ticket.classes, path, ticket.cells, ticket.aside)
    model = f"{HERE / 'networks.py'}:{ticket.network}"
    words = [
        "train", "--data", f"npz:{path}", "--model", model, "--pruner", "random", "--density", f"{ticket.density}",
        "--optimizer", "adam", "--lr", f"{ticket.rate}", "--loss", ticket.loss, "--schedule", "cosine",
        "--epochs", f"{ticket.epochs}", "--regularise", "peeling",
        "--weight-decay", f"{ticket.strength}", "--seed", f"{seed}", "--out", str(folder / "run"), "--quiet",
    ]  # fmt: skip
    if boundcalc_command(words):
        raise SystemExit(f"{ticket.name}: training failed")
    trained = folder / "run" / "replicate_0" / "level_0" / "main" / "model.safetensors"
    report = boundcalc.analyze(
        trained,
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
        "held": len(np.load(path)["y_test"]),
        "train_error": report["empirical"]["train_error"],
        "test_error": report["empirical"]["test_error"],
        "margin": report["bounds"]["peeling"]["margin"],
        "margin_error": report["bounds"]["peeling"]["terms"]["margin_error"],
        "density": ticket.density,
        "strength": ticket.strength,
        "bounds": dict(sorted(bounds.items(), key=lambda pair: pair[1]["value"])),
    }


if __name__ == "__main__":
    main()

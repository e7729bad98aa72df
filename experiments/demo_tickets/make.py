"""Make the demo tickets of data/tickets: winning tickets of LeNet-300-100 and CONV-4-16 on the sample set.

Iterative magnitude pruning with rewinding to the initialization (Frankle & Carbin 2019): train, remove the
weights of smallest magnitude over all layers together, set the survivors back to their initial values, train
again. Biases are not pruned. The networks see the 10,000 training images of `sample` scaled to [0, 1]; the
test images are only counted.

    python experiments/demo_tickets/make.py

The same machine and version of torch give the same bytes every time: one thread, deterministic algorithms,
seeds below. Other processors round differently, and a few weights then fall on the other side of the
threshold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from boundcalc.empirical.datasets import Split, open_data
from boundcalc.tickets.architectures import conv_by_name, lenet300

HERE = Path(__file__).parent
TICKETS = HERE.parents[1] / "data" / "tickets"
BATCH = 60
TINY_IMAGES = 300


@dataclass(frozen=True)
class Recipe:
    """How one family of tickets is made.

    Attributes:
        network: name in boundcalc.tickets.architectures.
        seed: of the initialization and of the order of the images.
        rate: Adam's learning rate.
        epochs: at every level.
        kept: share of the weights kept by one level.
        targets: densities that the levels must hit, falling; each is saved.
        plain: the target saved as plain weights with exact zeros; the others are saved in torch's live form.
    """

    network: str
    seed: int
    rate: float
    epochs: int
    kept: float
    targets: tuple[float, ...]
    plain: float | None = None


LENET = Recipe("lenet300", seed=1, rate=1.2e-3, epochs=12, kept=0.8, targets=(0.1, 0.02), plain=0.02)
CONV = Recipe("conv_4_16", seed=1, rate=2e-3, epochs=6, kept=0.6, targets=(0.1,))


def main(arguments: list[str] | None = None) -> None:
    """Make every ticket, write the files and what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=TICKETS)
    parser.add_argument(
        "--tiny", action="store_true", help="a few images, one epoch, few levels: a test of the script"
    )
    options = parser.parse_args(arguments)
    recipes = [LENET, CONV]
    if options.tiny:
        recipes = [replace(recipe, epochs=1, kept=0.3) for recipe in recipes]
    options.out.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        results = [result for recipe in recipes for result in make(recipe, options.out, options.tiny)]
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")


def make(recipe: Recipe, out: Path, tiny: bool) -> list[dict[str, object]]:
    """Run one recipe to its last target; write its files and return a record of each."""
    data = open_data("sample")
    train, test = tensors(data.train, tiny), tensors(data.test, tiny)
    torch.manual_seed(recipe.seed)
    network = lenet300() if recipe.network == "lenet300" else conv_by_name(recipe.network)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    stem = recipe.network.partition("_")[0]
    records = [save(network, out / f"{stem}_init.pt", train, test)]
    total = sum(layer.weight.numel() for layer in layers(network))
    saved = {round(target * total): target for target in recipe.targets}
    for level, kept in enumerate(counts(recipe, total)):
        if level:
            shrink(network, kept)
            rewind(network, start)
        fit(network, train, recipe, level)
        error = mistakes(network, test)
        print(f"{recipe.network} level {level} density {kept / total:.4f} test error {error:.4f}", flush=True)
        if level == 0 and stem == "lenet300":
            records.append(save(network, out / f"{stem}_dense.pt", train, test))
        if kept in saved:
            if saved[kept] == recipe.plain:
                for layer in layers(network):
                    prune.remove(layer, "weight")
            records.append(
                save(network, out / f"{stem}_density{round(100 * saved[kept]):02}.pt", train, test)
            )
    return records


def tensors(split: Split | None, tiny: bool) -> tuple[Tensor, Tensor]:
    """Return a split's images, float32 `(m, 1, 28, 28)` in [0, 1], and labels."""
    assert split is not None
    x, y = zip(*split.batches(), strict=True)
    count = TINY_IMAGES if tiny else None
    return torch.from_numpy(np.concatenate(x)[:count]).float(), torch.from_numpy(np.concatenate(y)[:count])


def layers(network: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """Return the layers whose weights are pruned: all linear and convolution layers."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]


def counts(recipe: Recipe, total: int) -> list[int]:
    """Return how many weights each level keeps: all, then a fixed share, stopping by at every target."""
    kept = [total]
    for target in recipe.targets:
        while round(kept[-1] * recipe.kept) > round(target * total):
            kept.append(round(kept[-1] * recipe.kept))
        kept.append(round(target * total))
    return kept


def shrink(network: nn.Module, kept: int) -> None:
    """Mask all but the `kept` weights of largest magnitude, over all layers together."""
    surviving = sum(int((layer.weight != 0).sum()) for layer in layers(network))
    parameters = [(layer, "weight") for layer in layers(network)]
    prune.global_unstructured(parameters, prune.L1Unstructured, amount=surviving - kept)


def rewind(network: nn.Module, start: dict[str, Tensor]) -> None:
    """Set every weight and bias to its initial value, under the masks that are there."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(start[name.removesuffix("_orig")])


def fit(network: nn.Module, train: tuple[Tensor, Tensor], recipe: Recipe, level: int) -> None:
    """Train by Adam with cross-entropy, the learning rate falling linearly to zero."""
    x, y = train
    order = torch.Generator().manual_seed(1000 * recipe.seed + level)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    steps = recipe.epochs * -(-len(y) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(y), generator=order).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()


def mistakes(network: nn.Module, split: tuple[Tensor, Tensor]) -> float:
    """Return the share of images that are misclassified."""
    x, y = split
    with torch.no_grad():
        return float(torch.cat([network(part).argmax(1) for part in x.split(500)]).ne(y).double().mean())


def save(
    network: nn.Module, path: Path, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]
) -> dict[str, object]:
    """Write the state dict and return the file's record: parameters, density, errors and digest."""
    torch.save({name: value.clone() for name, value in network.state_dict().items()}, path)
    weights = [layer.weight for layer in layers(network)]
    total, surviving = sum(w.numel() for w in weights), sum(int((w != 0).sum()) for w in weights)
    return {
        "file": path.name,
        "parameters": total,
        "surviving": surviving,
        "density": surviving / total,
        "train_error": mistakes(network, train),
        "test_error": mistakes(network, test),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


if __name__ == "__main__":
    main()

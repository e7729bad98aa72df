"""A run: levels of tickets from one initialisation, with rewinding, resumed after any interruption.

The state written after every epoch holds all that the next one depends on. The order of samples and the draws of pruners
come from generators seeded by seed, level and epoch, so they need no state.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from boundcalc.errors import BoundcalcError, UsageError
from boundcalc.tickets import masks as masking
from boundcalc.tickets import networks, pruners, storage
from boundcalc.tickets.certified import Examiner, certificates, certify, is_past_best
from boundcalc.tickets.curve import Curve
from boundcalc.tickets.masks import Masks
from boundcalc.tickets.networks import Weights
from boundcalc.tickets.place import Place
from boundcalc.tickets.plan import Plan
from boundcalc.tickets.samples import Samples
from boundcalc.tickets.training import Trainer, measure


class Progress(Protocol):
    """Told after every epoch."""

    def __call__(self, level: int, epoch: int, error: float) -> None:
        """Take note.

        Args:
            level: in training.
            epoch: just done.
            error: share of mistakes, of the test set or else the running one.
        """


def silent(level: int, epoch: int, error: float) -> None:
    """Take no note."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What all levels of a run share.

    Attributes:
        plan: of the run.
        seed: of everything random.
        home: folder of the seed.
        train: training samples.
        test: test samples, or None.
        place: where to train.
        progress: told after every epoch.
        examiner: of the levels' certificates, or None.
    """

    plan: Plan
    seed: int
    home: Path
    train: Samples
    test: Samples | None
    place: Place
    progress: Progress = silent
    examiner: Examiner | None = None

    @property
    def classes(self) -> int:
        """One more than the largest label."""
        labels = [int(split.y.max()) for split in (self.train, self.test) if split is not None]
        return max(labels) + 1

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.train.m // self.plan.recipe.batch_size)


@dataclass(frozen=True, eq=False)
class Standing:
    """How far a run is: at the end of an epoch of a level.

    Attributes:
        level: in training.
        epoch: passes done.
        masks: of the level.
        initial: weights before any training.
        rewound: weights that later levels start from; None until that epoch is reached.
        curve: of the level so far.
    """

    level: int
    epoch: int
    masks: Masks
    initial: Weights
    rewound: Weights | None
    curve: Curve


def run(bench: Bench, resume: bool = False) -> list[dict[str, Any]]:
    """Make every ticket of a run, those apart that are there.

    Args:
        bench: plan, samples and folder.
        resume: whether an unfinished run is gone on with.

    Returns:
        What ticket.json says, level by level.

    Raises:
        UsageError: the run is unfinished and `resume` is false.
        BoundcalcError: the training diverges.
    """
    levels = range(len(bench.plan.densities()))
    if not _is_finished(bench, levels):
        if storage.is_begun(bench.home) and not resume:
            raise UsageError(
                f"{bench.home} holds an unfinished run; add --resume to go on, or name another --out"
            )
        with own_random_numbers(bench):
            _make(bench, levels)
    storage.drop_state(bench.home)
    made = [level for level in levels if storage.is_written(bench.home, level)]
    return [storage.read_ticket(bench.home, level) for level in made]


def _is_finished(bench: Bench, levels: range) -> bool:
    if bench.examiner is None:
        return all(storage.is_written(bench.home, level) for level in levels)
    return _stops(bench) or all(level in certificates(bench.home) for level in levels)


def _stops(bench: Bench) -> bool:
    return bench.plan.pruner == "imp" and is_past_best(bench.home)


@contextmanager
def own_random_numbers(bench: Bench) -> Iterator[None]:
    """Draw from generators seeded for the run, and leave the caller's as they were."""
    devices = [bench.place.device] if bench.place.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(bench.seed)
        yield


def _make(bench: Bench, levels: range) -> None:
    template = networks.build(bench.plan, bench.train.shape, bench.classes)
    saved = storage.load_state(bench.home)
    standing, trainer = _restored(bench, template, saved) if saved else _first(bench, template)
    if bench.plan.pruner != "imp":
        storage.write_initial(bench.home, standing.initial)
    for level in levels:
        if level < standing.level:
            continue
        standing = _train(bench, template, trainer, standing)
        trained = networks.plain(trainer.module, template.state_dict())
        storage.write_level(bench.home, _level(bench, standing, trained), bench.plan.tree())
        if bench.examiner is not None:
            certify(bench.home, level, copy.deepcopy(template), bench.examiner)
            if _stops(bench):
                return
        if level + 1 in levels:
            masks = _masks(bench, template, standing, trained)
            standing, trainer = _begun(bench, template, replace(standing, level=level + 1, masks=masks))


def _first(bench: Bench, template: nn.Module) -> tuple[Standing, Trainer]:
    initial = networks.plain(template, template.state_dict())
    rewound = None if bench.plan.rewind else initial
    standing = Standing(-1, 0, masking.ones(template), initial, rewound, Curve())
    masks = standing.masks if bench.plan.pruner == "imp" else _masks(bench, template, standing, initial)
    return _begun(bench, template, replace(standing, level=0, masks=masks))


def _masks(bench: Bench, template: nn.Module, standing: Standing, trained: Weights) -> Masks:
    if bench.plan.pruner == "imp":
        return _smallest_removed(
            bench.plan, {key: trained[key].abs() for key in standing.masks}, standing.masks
        )
    return masks_at_initialisation(bench, template, standing.initial, standing.level + 1)


def masks_at_initialisation(bench: Bench, template: nn.Module, initial: Weights, level: int) -> Masks:
    """Return the masks of a level that a pruner finds in the initial weights."""
    plan = bench.plan
    generator = _generator(bench.seed, "prune", 0)
    seen = bench.train.of_each_class(plan.per_class, generator)
    sight = pruners.Sight(seen.x, seen.y, plan.recipe.loss, generator)
    module = bench.place.network(networks.start(template, initial, masking.ones(template), False))
    found = pruners.prune(module, plan.pruner, plan.densities()[level], plan.scope, sight)
    return {key: mask.cpu() for key, mask in found.items()}


def _smallest_removed(plan: Plan, scores: Mapping[str, Tensor], masks: Masks) -> Masks:
    kept = 1 - plan.prune_fraction
    if plan.scope == "global":
        return masking.keep_best(
            scores, masks, kept * masking.surviving(masks) / masking.size(masks), plan.scope
        )
    return {
        key: masking.keep_best(
            {key: scores[key]}, {key: mask}, kept * float(mask.sum()) / mask.numel(), "layerwise"
        )[key]
        for key, mask in masks.items()
    }


def _begun(bench: Bench, template: nn.Module, standing: Standing) -> tuple[Standing, Trainer]:
    plan = bench.plan
    epoch = plan.start(standing.level)
    weights = standing.initial if standing.level == 0 else standing.rewound
    assert weights is not None
    trainer = _trainer(bench, template, weights, standing.masks)
    curve = measured(bench, trainer.module, Curve(), epoch, trained_on=True)
    standing = replace(standing, epoch=epoch, curve=curve)
    _save(bench, standing, trainer)
    return standing, trainer


def _trainer(bench: Bench, template: nn.Module, weights: Weights, masks: Masks) -> Trainer:
    recipe = bench.plan.recipe
    module = networks.start(template, weights, masks, recipe.weight_norm)
    placed, penalty = bench.place.network(module), None
    if recipe.regularize:
        from boundcalc.tickets.regularizer import Penalty

        penalty = Penalty(placed, tuple(bench.train.x.shape[1:]), recipe.weight_decay)
    return Trainer(placed, masks, recipe, bench.place, penalty)


def _train(bench: Bench, template: nn.Module, trainer: Trainer, standing: Standing) -> Standing:
    plan = bench.plan
    for epoch in range(standing.epoch, plan.recipe.epochs):
        order = _generator(bench.seed, "order", epoch)
        loss, error = trainer.epoch(epoch, bench.train, order)
        if not torch.isfinite(torch.tensor(loss)):
            raise BoundcalcError(
                f"{bench.home}: training diverged in epoch {epoch + 1} of level {standing.level}; lower --lr"
            )
        curve = standing.curve.with_rows((epoch + 1) * bench.steps, running_loss=loss, running_error=error)
        last = epoch + 1 == plan.recipe.epochs
        curve = measured(bench, trainer.module, curve, epoch + 1, trained_on=last)
        rewound = standing.rewound
        if rewound is None and epoch + 1 == plan.rewind:
            rewound = networks.plain(trainer.module, template.state_dict())
        standing = replace(standing, epoch=epoch + 1, curve=curve, rewound=rewound)
        _save(bench, standing, trainer)
        test_error = curve.last("test_error")
        bench.progress(standing.level, epoch + 1, error if test_error is None else test_error)
    return standing


def measured(bench: Bench, module: nn.Module, curve: Curve, epoch: int, trained_on: bool) -> Curve:
    """Return the curve with loss and error of the test samples, and of the training samples where asked for."""
    loss, iteration = bench.plan.recipe.loss, epoch * bench.steps
    if trained_on:
        value, error = measure(module, bench.train, loss, bench.place)
        curve = curve.with_rows(iteration, train_loss=value, train_error=error)
    if bench.test is None:
        return curve
    value, error = measure(module, bench.test, loss, bench.place)
    return curve.with_rows(
        iteration,
        test_loss=value,
        test_error=error,
        test_accuracy=1 - error,
        test_examples=float(bench.test.m),
    )


def _level(bench: Bench, standing: Standing, trained: Weights) -> storage.Level:
    begin = standing.initial if standing.level == 0 else standing.rewound
    assert begin is not None
    weights = {bench.plan.start(standing.level): begin}
    if standing.level == 0 and standing.rewound is not None:
        weights[bench.plan.rewind] = standing.rewound
    masked = {
        epoch: {
            key: torch.where(standing.masks[key], tensor, 0.0) if key in standing.masks else tensor
            for key, tensor in values.items()
        }
        for epoch, values in {**weights, bench.plan.recipe.epochs: trained}.items()
    }
    return storage.Level(standing.level, masked, standing.masks, standing.curve, ticket_of(bench, standing))


def ticket_of(bench: Bench, standing: Standing) -> dict[str, Any]:
    """Return what ticket.json says of a trained level."""
    plan, curve = bench.plan, standing.curve
    train_error, test_error = curve.last("train_error"), curve.last("test_error")
    assert train_error is not None
    density = masking.surviving(standing.masks) / masking.size(standing.masks)
    return {
        "schema": "boundcalc.ticket/1",
        "arch": plan.arch or plan.model,
        **({} if plan.first_stage is None else {"first_stage": plan.first_stage}),
        "pruner": plan.pruner,
        "scope": plan.scope,
        "level": standing.level,
        "seed": bench.seed,
        "density": density,
        "surviving": masking.surviving(standing.masks),
        "parameters": masking.size(standing.masks),
        "classes": bench.classes,
        "collapsed": [key for key, mask in standing.masks.items() if not bool(mask.any())],
        "mask_origin": plan.mask_origin(density),
        "data": plan.data,
        "normalize": None if plan.normalize is None else list(plan.normalize),
        "samples": bench.train.m,
        "epochs": plan.recipe.epochs - plan.start(standing.level),
        "train_error": train_error,
        "test_error": test_error,
        "gap": None if test_error is None else test_error - train_error,
        "first_epoch_loss": next(iter(curve.of("running_loss")), None),
        "sum_of_losses": sum(curve.of("running_loss")),
    }


def _save(bench: Bench, standing: Standing, trainer: Trainer) -> None:
    cuda = bench.place.device.type == "cuda"
    state = {
        "level": standing.level,
        "epoch": standing.epoch,
        "masks": standing.masks,
        "initial": standing.initial,
        "rewound": standing.rewound,
        "curve": list(standing.curve.rows),
        "trainer": trainer.state(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state(bench.place.device) if cuda else None,
    }
    storage.save_state(bench.home, state)


def _restored(bench: Bench, template: nn.Module, saved: Mapping[str, Any]) -> tuple[Standing, Trainer]:
    standing = Standing(
        saved["level"],
        saved["epoch"],
        saved["masks"],
        saved["initial"],
        saved["rewound"],
        Curve(tuple((name, iteration, value) for name, iteration, value in saved["curve"])),
    )
    trainer = _trainer(bench, template, standing.initial, standing.masks)
    trainer.restore(saved["trainer"])
    torch.set_rng_state(saved["random"])
    if saved["random_cuda"] is not None and bench.place.device.type == "cuda":
        torch.cuda.set_rng_state(saved["random_cuda"], bench.place.device)
    return standing, trainer


def _generator(seed: int, purpose: str, number: int) -> torch.Generator:
    digest = hashlib.sha256(f"{seed} {purpose} {number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

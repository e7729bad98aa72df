"""A run: levels of tickets from one initialization, with rewinding, which can be resumed after any interruption.

The state written after every epoch contains everything that the next one depends on. The order of samples and the random
numbers of pruners come from generators seeded by seed, level and epoch, so they need no state.
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
from boundcalc.tickets.hardware import Hardware
from boundcalc.tickets.masks import Masks
from boundcalc.tickets.networks import Weights
from boundcalc.tickets.plan import RunPlan
from boundcalc.tickets.samples import Samples
from boundcalc.tickets.training import Trainer, measure


class Progress(Protocol):
    """A callback that is called after every epoch."""

    def __call__(self, level: int, epoch: int, error: float) -> None:
        """Report an epoch.

        Args:
            level: level in training.
            epoch: number of epochs done.
            error: share of errors on the test set or, without one, the running one.
        """


def silent(level: int, epoch: int, error: float) -> None:
    """Report nothing."""


@dataclass(frozen=True, eq=False)
class RunContext:
    """The data shared by all levels of a run.

    Attributes:
        plan: plan of the run.
        seed: seed of everything random.
        home: folder of the seed.
        train: training samples.
        test: test samples, or None.
        hardware: device to train on.
        progress: called after every epoch.
        examiner: inputs for the levels' certificates, or None.
    """

    plan: RunPlan
    seed: int
    home: Path
    train: Samples
    test: Samples | None
    hardware: Hardware
    progress: Progress = silent
    examiner: Examiner | None = None

    @property
    def classes(self) -> int:
        """Number of classes: one more than the largest label."""
        labels = [int(split.y.max()) for split in (self.train, self.test) if split is not None]
        return max(labels) + 1

    @property
    def steps(self) -> int:
        """Number of steps per epoch."""
        return -(-self.train.m // self.plan.recipe.batch_size)


@dataclass(frozen=True, eq=False)
class TrainingState:
    """The state of a run at the end of an epoch.

    Attributes:
        level: level in training.
        epoch: number of passes done.
        masks: masks of the level.
        initial: weights before any training.
        rewound: weights that later levels start from; None until that epoch is reached.
        curve: training curve of the level so far.
    """

    level: int
    epoch: int
    masks: Masks
    initial: Weights
    rewound: Weights | None
    curve: Curve


def run(context: RunContext, resume: bool = False) -> list[dict[str, Any]]:
    """Make every ticket of a run that does not exist yet.

    Args:
        context: plan, samples and folder.
        resume: whether to continue an unfinished run.

    Returns:
        The content of ticket.json, level by level.

    Raises:
        UsageError: when the run is unfinished and `resume` is false.
        BoundcalcError: when the training diverges.
    """
    levels = range(len(context.plan.densities()))
    if not _is_finished(context, levels):
        if storage.is_started(context.home) and not resume:
            raise UsageError(
                f"{context.home} holds an unfinished run; add --resume to continue it, or give another --out"
            )
        with own_random_numbers(context):
            _run_levels(context, levels)
    storage.drop_state(context.home)
    made = [level for level in levels if storage.is_written(context.home, level)]
    return [storage.read_ticket(context.home, level) for level in made]


def _is_finished(context: RunContext, levels: range) -> bool:
    if context.examiner is None:
        return all(storage.is_written(context.home, level) for level in levels)
    return _is_stopped_early(context) or all(level in certificates(context.home) for level in levels)


def _is_stopped_early(context: RunContext) -> bool:
    return context.plan.pruner == "imp" and is_past_best(context.home)


@contextmanager
def own_random_numbers(context: RunContext) -> Iterator[None]:
    """Use random number generators seeded for the run, and restore the caller's afterwards."""
    devices = [context.hardware.device] if context.hardware.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(context.seed)
        yield


def _run_levels(context: RunContext, levels: range) -> None:
    template = networks.build(context.plan, context.train.shape, context.classes)
    saved = storage.load_state(context.home)
    state, trainer = _restored(context, template, saved) if saved else _first_level(context, template)
    if context.plan.pruner != "imp":
        storage.write_initial(context.home, state.initial)
    for level in levels:
        if level < state.level:
            continue
        state = _train(context, template, trainer, state)
        trained = networks.plain_tensors(trainer.module, template.state_dict())
        storage.write_level(context.home, _level(context, state, trained), context.plan.tree())
        if context.examiner is not None:
            certify(context.home, level, copy.deepcopy(template), context.examiner)
            if _is_stopped_early(context):
                return
        if level + 1 in levels:
            masks = _masks(context, template, state, trained)
            state, trainer = _start_level(context, template, replace(state, level=level + 1, masks=masks))


def _first_level(context: RunContext, template: nn.Module) -> tuple[TrainingState, Trainer]:
    initial = networks.plain_tensors(template, template.state_dict())
    rewound = None if context.plan.rewind else initial
    state = TrainingState(-1, 0, masking.ones(template), initial, rewound, Curve())
    masks = state.masks if context.plan.pruner == "imp" else _masks(context, template, state, initial)
    return _start_level(context, template, replace(state, level=0, masks=masks))


def _masks(context: RunContext, template: nn.Module, state: TrainingState, trained: Weights) -> Masks:
    if context.plan.pruner == "imp":
        return _smallest_removed(context.plan, {key: trained[key].abs() for key in state.masks}, state.masks)
    return masks_at_initialization(context, template, state.initial, state.level + 1)


def masks_at_initialization(context: RunContext, template: nn.Module, initial: Weights, level: int) -> Masks:
    """Return the masks of a level that a pruner computes from the initial weights."""
    plan = context.plan
    generator = _generator(context.seed, "prune", 0)
    seen = context.train.of_each_class(plan.per_class, generator)
    inputs = pruners.PrunerInputs(seen.x, seen.y, plan.recipe.loss, generator)
    module = context.hardware.network(
        networks.masked_module(template, initial, masking.ones(template), False)
    )
    found = pruners.prune(module, plan.pruner, plan.densities()[level], plan.scope, inputs)
    return {key: mask.cpu() for key, mask in found.items()}


def _smallest_removed(plan: RunPlan, scores: Mapping[str, Tensor], masks: Masks) -> Masks:
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


def _start_level(
    context: RunContext, template: nn.Module, state: TrainingState
) -> tuple[TrainingState, Trainer]:
    plan = context.plan
    epoch = plan.start(state.level)
    weights = state.initial if state.level == 0 else state.rewound
    assert weights is not None
    trainer = _trainer(context, template, weights, state.masks)
    curve = with_measurements(context, trainer.module, Curve(), epoch, trained_on=True)
    state = replace(state, epoch=epoch, curve=curve)
    _save(context, state, trainer)
    return state, trainer


def _trainer(context: RunContext, template: nn.Module, weights: Weights, masks: Masks) -> Trainer:
    recipe = context.plan.recipe
    module = networks.masked_module(template, weights, masks, recipe.weight_norm)
    placed, penalty = context.hardware.network(module), None
    if recipe.regularize:
        from boundcalc.tickets.regularizer import Penalty

        penalty = Penalty(placed, tuple(context.train.x.shape[1:]), recipe.weight_decay)
    return Trainer(placed, masks, recipe, context.hardware, penalty)


def _train(context: RunContext, template: nn.Module, trainer: Trainer, state: TrainingState) -> TrainingState:
    plan = context.plan
    for epoch in range(state.epoch, plan.recipe.epochs):
        order = _generator(context.seed, "order", epoch)
        loss, error = trainer.epoch(epoch, context.train, order)
        if not torch.isfinite(torch.tensor(loss)):
            raise BoundcalcError(
                f"{context.home}: training diverged in epoch {epoch + 1} of level {state.level}; lower --lr"
            )
        curve = state.curve.with_rows((epoch + 1) * context.steps, running_loss=loss, running_error=error)
        last = epoch + 1 == plan.recipe.epochs
        curve = with_measurements(context, trainer.module, curve, epoch + 1, trained_on=last)
        rewound = state.rewound
        if rewound is None and epoch + 1 == plan.rewind:
            rewound = networks.plain_tensors(trainer.module, template.state_dict())
        state = replace(state, epoch=epoch + 1, curve=curve, rewound=rewound)
        _save(context, state, trainer)
        test_error = curve.last("test_error")
        context.progress(state.level, epoch + 1, error if test_error is None else test_error)
    return state


def with_measurements(
    context: RunContext, module: nn.Module, curve: Curve, epoch: int, trained_on: bool
) -> Curve:
    """Return the curve, extended by loss and error on the test samples and, if `trained_on`, on the training samples."""
    loss, iteration = context.plan.recipe.loss, epoch * context.steps
    if trained_on:
        value, error = measure(module, context.train, loss, context.hardware)
        curve = curve.with_rows(iteration, train_loss=value, train_error=error)
    if context.test is None:
        return curve
    value, error = measure(module, context.test, loss, context.hardware)
    return curve.with_rows(
        iteration,
        test_loss=value,
        test_error=error,
        test_accuracy=1 - error,
        test_examples=float(context.test.m),
    )


def _level(context: RunContext, state: TrainingState, trained: Weights) -> storage.Level:
    begin = state.initial if state.level == 0 else state.rewound
    assert begin is not None
    weights = {context.plan.start(state.level): begin}
    if state.level == 0 and state.rewound is not None:
        weights[context.plan.rewind] = state.rewound
    masked = {
        epoch: {
            key: torch.where(state.masks[key], tensor, 0.0) if key in state.masks else tensor
            for key, tensor in values.items()
        }
        for epoch, values in {**weights, context.plan.recipe.epochs: trained}.items()
    }
    return storage.Level(state.level, masked, state.masks, state.curve, ticket_of(context, state))


def ticket_of(context: RunContext, state: TrainingState) -> dict[str, Any]:
    """Return the content of ticket.json for a trained level."""
    plan, curve = context.plan, state.curve
    train_error, test_error = curve.last("train_error"), curve.last("test_error")
    assert train_error is not None
    density = masking.surviving(state.masks) / masking.size(state.masks)
    return {
        "schema": "boundcalc.ticket/1",
        "arch": plan.arch or plan.model,
        **({} if plan.first_stage is None else {"first_stage": plan.first_stage}),
        "pruner": plan.pruner,
        "scope": plan.scope,
        "level": state.level,
        "seed": context.seed,
        "density": density,
        "surviving": masking.surviving(state.masks),
        "parameters": masking.size(state.masks),
        "classes": context.classes,
        "collapsed": [key for key, mask in state.masks.items() if not bool(mask.any())],
        "mask_origin": plan.mask_origin(density),
        "data": plan.data,
        "normalize": None if plan.normalize is None else list(plan.normalize),
        "samples": context.train.m,
        "epochs": plan.recipe.epochs - plan.start(state.level),
        "train_error": train_error,
        "test_error": test_error,
        "gap": None if test_error is None else test_error - train_error,
        "first_epoch_loss": next(iter(curve.of("running_loss")), None),
        "sum_of_losses": sum(curve.of("running_loss")),
    }


def _save(context: RunContext, state: TrainingState, trainer: Trainer) -> None:
    cuda = context.hardware.device.type == "cuda"
    stored = {
        "level": state.level,
        "epoch": state.epoch,
        "masks": state.masks,
        "initial": state.initial,
        "rewound": state.rewound,
        "curve": list(state.curve.rows),
        "trainer": trainer.state(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state(context.hardware.device) if cuda else None,
    }
    storage.save_state(context.home, stored)


def _restored(
    context: RunContext, template: nn.Module, saved: Mapping[str, Any]
) -> tuple[TrainingState, Trainer]:
    state = TrainingState(
        saved["level"],
        saved["epoch"],
        saved["masks"],
        saved["initial"],
        saved["rewound"],
        Curve(tuple((name, iteration, value) for name, iteration, value in saved["curve"])),
    )
    trainer = _trainer(context, template, state.initial, state.masks)
    trainer.restore(saved["trainer"])
    torch.set_rng_state(saved["random"])
    if saved["random_cuda"] is not None and context.hardware.device.type == "cuda":
        torch.cuda.set_rng_state(saved["random_cuda"], context.hardware.device)
    return state, trainer


def _generator(seed: int, purpose: str, number: int) -> torch.Generator:
    digest = hashlib.sha256(f"{seed} {purpose} {number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

"""Runs on disk. Every file, and every level's folder, is written completely or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from boundcalc.errors import CheckpointError, UsageError
from boundcalc.files import open_file, read_json
from boundcalc.tickets import paths
from boundcalc.tickets.curve import Curve
from boundcalc.tickets.masks import Masks, size, surviving
from boundcalc.tickets.networks import Weights
from boundcalc.tickets.plan import RunPlan

SCHEMA = "boundcalc.run/1"


@dataclass(frozen=True, eq=False)
class Level:
    """One trained ticket, ready to be written.

    Attributes:
        number: number of the level.
        weights: epoch -> plain state dict, with pruned weights zero; the last is the trained one.
        masks: key -> bool mask.
        curve: its training curve.
        ticket: content of ticket.json.
        files: name -> text of further files, such as a certificate.
    """

    number: int
    weights: Mapping[int, Weights]
    masks: Masks
    curve: Curve
    ticket: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)


def claim(run: Path, plan: RunPlan) -> None:
    """Reserve a folder for a run, or check that it belongs to this run.

    Args:
        run: the folder, which is created if missing.
        plan: plan of the run.

    Raises:
        UsageError: when it holds a run with other options or something else, or cannot be written.
    """
    tree = json.loads(json.dumps(plan.tree()))
    file = run / paths.RUN
    if file.is_file():
        theirs = _run_options(file)
        differing = [key for key in (*tree, *theirs) if tree.get(key) != theirs.get(key)]
        if differing:
            raise UsageError(
                f"{run} holds a run with another {_difference(theirs, tree, differing[0])}; give another --out"
            )
        return
    try:
        run.mkdir(parents=True, exist_ok=True)
        if any(run.iterdir()):
            raise UsageError(
                f"{run} is not empty and does not hold a run ({paths.RUN} is missing); give another --out"
            )
        text = json.dumps({"schema": SCHEMA, "options": tree}, indent=1) + "\n"
        write(file, lambda place: place.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{run}: cannot be written: {error.strerror}") from error


def is_written(home: Path, number: int) -> bool:
    """Return whether a level is complete."""
    return paths.level(home, number).is_dir()


def is_started(home: Path) -> bool:
    """Return whether the folder of a seed contains the result of any epoch."""
    return (home / paths.STATE).is_file() or is_written(home, 0)


def write_level(home: Path, level: Level, options: Mapping[str, Any]) -> None:
    """Write a level's folder under a temporary name, then rename it; do nothing if it exists already.

    Args:
        home: folder of the seed.
        level: the level to write.
        options: options of the run, for hparams.log of level 0.
    """
    if is_written(home, level.number):
        return
    passing = home / f".level_{level.number}"
    with _reporting_write_errors(home):
        _fill(passing, level, options)
        os.replace(passing, paths.level(home, level.number))


def _fill(passing: Path, level: Level, options: Mapping[str, Any]) -> None:
    shutil.rmtree(passing, ignore_errors=True)
    folder = passing / "main"
    folder.mkdir(parents=True)
    for epoch, weights in level.weights.items():
        torch.save(weights, folder / paths.model(epoch))
    torch.save({key: mask.cpu().int() for key, mask in level.masks.items()}, folder / paths.MASK)
    counts = {"total": float(size(level.masks)), "unpruned": float(surviving(level.masks))}
    for name, tree in ((paths.REPORT, counts), (paths.TICKET, dict(level.ticket))):
        (folder / name).write_text(json.dumps(tree, indent=4) + "\n", encoding="utf-8")
    for name, text in level.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / paths.LOGGER).write_text(level.curve.text(), encoding="utf-8")
    metadata = {"ticket": json.dumps(dict(level.ticket))}  # of several entries the order would not be fixed
    save_file(level.weights[max(level.weights)], folder / paths.TENSORS, metadata=metadata)
    if level.number == 0:
        (folder / paths.OPTIONS).write_text(_hparams(options), encoding="utf-8")


def write_initial(home: Path, weights: Weights) -> None:
    """Write the initialization, unmasked, as open_lth's pretraining does: it is the reference of all levels.

    Args:
        home: folder of the seed.
        weights: plain state dict of the initialization.
    """
    target = paths.pretrained(home) / paths.model(0)
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        write(target, lambda place: torch.save(weights, place))


def read_ticket(home: Path, number: int) -> dict[str, Any]:
    """Return the content of a written level's ticket.json.

    Raises:
        CheckpointError: when it is missing or damaged.
    """
    file = paths.main(home, number) / paths.TICKET
    try:
        tree: dict[str, Any] = read_json(file)
    except CheckpointError as error:
        raise CheckpointError(
            file, "missing or damaged; remove the level's folder and use --resume"
        ) from error
    return tree


def save_state(home: Path, state: Mapping[str, Any]) -> None:
    """Write the state that --resume needs."""
    with _reporting_write_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        write(home / paths.STATE, lambda place: torch.save(dict(state), place))


def load_state(home: Path) -> dict[str, Any] | None:
    """Return the state that --resume needs, on the CPU; None if the training has not started or is complete.

    Raises:
        CheckpointError: when the file is damaged.
    """
    file = home / paths.STATE
    if not os.path.lexists(file):
        return None
    try:
        with open_file(file) as source:
            state: dict[str, Any] = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            file, "is not the training state of a run of boundcalc train; give another --out"
        ) from error
    return state


def drop_state(home: Path) -> None:
    """Remove the state that --resume needs, when the run is complete."""
    (home / paths.STATE).unlink(missing_ok=True)


def write(target: Path, fill: Callable[[Path], object]) -> None:
    """Write a file by way of a temporary one beside it, which is flushed to disk and then renamed.

    Args:
        target: path of the file.
        fill: writes the file at the path that it is given.
    """
    passing = target.with_name(f".{target.name}.part")
    try:
        fill(passing)
        with passing.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(passing, target)
    finally:
        passing.unlink(missing_ok=True)


@contextmanager
def _reporting_write_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch's zip writer tells a full disk by a RuntimeError
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{folder}: cannot be written: {reason}") from error


def _run_options(file: Path) -> dict[str, Any]:
    try:
        tree = read_json(file)
        options: dict[str, Any] = tree["options"]
        if tree["schema"] != SCHEMA or not isinstance(options, dict):
            raise ValueError
    except (CheckpointError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            file, "is not the description of a run of boundcalc train; give another --out"
        ) from error
    return options


def _difference(theirs: Mapping[str, Any], ours: Mapping[str, Any], key: str) -> str:
    then, now = theirs.get(key), ours.get(key)
    if isinstance(then, dict) and isinstance(now, dict):
        inner = next(name for name in (*now, *then) if then.get(name) != now.get(name))
        return _difference(then, now, inner)
    return f"{key.replace('_', '-')} ({_word(then)}, not {_word(now)})"


def _word(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return "none" if value is None else str(value)


def _hparams(options: Mapping[str, Any]) -> str:
    recipe = options["recipe"]
    outer = [(key, value) for key, value in options.items() if key != "recipe"]
    lines = ["Run Hyperparameters", *(f"    * {key} => {_word(value)}" for key, value in outer)]
    return "\n".join(
        [*lines, "Training Hyperparameters", *(f"    * {k} => {_word(v)}" for k, v in recipe.items())]
    )

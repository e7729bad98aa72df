"""Find the checkpoint in a folder by file names alone, without opening a file."""

from __future__ import annotations

import re
from pathlib import Path

from boundcalc.checkpoint import foreign
from boundcalc.checkpoint.conventions.state import listing
from boundcalc.checkpoint.masks.folder import is_mask_file
from boundcalc.checkpoint.shards import INDEX_SUFFIXES, shard_files
from boundcalc.errors import CheckpointError
from boundcalc.files import entries, is_folder

SUFFIXES = (".bin", ".ckpt", ".pt", ".pt2", ".pth", ".pth.tar", ".safetensors")
"""Endings of checkpoint files for which a folder is searched; a file given by its own path may have any ending."""

_COMPANION = re.compile(
    r"(?:optim|optimizer|optimizer_states?|scheduler|lr_scheduler|scaler|sampler|rng_state|random_states|training_args|trainer_state)"
    r"(?:[_.\-]\w+)*\.(?:bin|pt|pth)|.*_(?:optim|model)_states\.pt"
)
_META = "meta.pt"
"""The file that Lightning adds to a folder of torch.distributed.checkpoint; it holds everything except the weights."""


def is_companion(name: str) -> bool:
    """Recognize by name the files for resuming training that Transformers' Trainer, Accelerate and DeepSpeed write beside a
    model.
    """
    return _COMPANION.fullmatch(name) is not None


def model_in(folder: Path) -> tuple[Path, str]:
    """Find the checkpoint in a folder.

    Args:
        folder: a folder that is not a result folder of open_lth.

    Returns:
        The only checkpoint in it (for shards, their index), and a sentence about the files beside it that are not models.

    Raises:
        CheckpointError: when there is none or several; the message says what the folder is, if that is known.
    """
    inside = entries(folder)
    files = [
        path for path in inside if path.name.endswith((*SUFFIXES, *INDEX_SUFFIXES)) and not is_mask_file(path)
    ]
    found = _without_shards([path for path in files if not is_companion(path.name)])
    foreigner = foreign.folder(folder)
    if foreigner is not None and all(path.name == _META for path in found):
        raise CheckpointError(folder, foreigner)
    if len(found) > 1:
        names = listing([path.name for path in found], 8)
        raise CheckpointError(folder, f"a folder of several checkpoints; give the path of one: {names}")
    if not found:
        raise CheckpointError(folder, _nothing_found(inside, files))
    beside = [path.name for path in files if is_companion(path.name)]
    return found[
        0
    ], f"{listing(beside)} beside it not read: state for resuming the training" if beside else ""


def _without_shards(files: list[Path]) -> list[Path]:
    indices = [path for path in files if path.name.endswith(INDEX_SUFFIXES)]
    shards = {shard.name for index in indices for shard in shard_files(index)[1:]}
    return [path for path in files if path.name not in shards]


def _nothing_found(inside: list[Path], companions: list[Path]) -> str:
    folders = [path.name for path in inside if is_folder(path) and not path.name.startswith(".")]
    if companions:
        return f"a folder without a model in it, but with {listing([path.name for path in companions])}"
    below = f"; it holds the folders {listing(folders)}: give the path of the one to read" if folders else ""
    return f"a folder without a checkpoint in it (names that end in {', '.join(SUFFIXES)}){below}"

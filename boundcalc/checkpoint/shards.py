"""Checkpoints split into several files, of safetensors or torch.save, with an index that maps each tensor to its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from boundcalc.budget import Budget
from boundcalc.checkpoint import pickled, safetensors_file
from boundcalc.checkpoint.container import Container, container
from boundcalc.errors import CheckpointError
from boundcalc.files import check_inside, open_file, read_json

INDEX_SUFFIXES = (".safetensors.index.json", ".bin.index.json")
_LONGEST_NAME = 255
_PICKLED = frozenset({Container.TORCH_ZIP, Container.TORCH_LEGACY})


def load_shards(index: Path, budget: Budget) -> dict[str, torch.Tensor]:
    """Read all shards that an index names; they must be in the same folder.

    Args:
        index: path of ``model.safetensors.index.json``, ``pytorch_model.bin.index.json`` and the like.
        budget: memory budget of all files together.

    Returns:
        Name -> tensor in the order of the index.

    Raises:
        CheckpointError: when the index is malformed, a shard is missing or a tensor is not in its shard.
    """
    homes = _weight_map(index)
    loaded = {shard: _load(_beside(index, shard), budget) for shard in sorted(set(homes.values()))}
    for key, shard in homes.items():
        if not isinstance(loaded[shard].get(key), torch.Tensor):
            raise CheckpointError(index, f"{key} is not in {shard}, where the index says it is")
    unlisted = [key for saved in loaded.values() for key in saved if key not in homes]
    if unlisted:
        raise CheckpointError(index, f"the shards hold {unlisted[0]}, which the index does not list")
    return {key: loaded[shard][key] for key, shard in homes.items()}


def shard_files(index: Path) -> tuple[Path, ...]:
    """Return an index and the shards that it names, without opening the shards.

    Args:
        index: path of an index, as for `load_shards`.

    Returns:
        The index, then the shards by name.

    Raises:
        CheckpointError: when the index is malformed, or names a file outside its own folder.
    """
    return (index, *(_beside(index, shard) for shard in sorted(set(_weight_map(index).values()))))


def _load(path: Path, budget: Budget) -> dict[Any, Any]:
    kind = container(path)
    if kind is Container.SAFETENSORS:
        return dict(safetensors_file.load(path)[0])
    if kind not in _PICKLED:
        raise CheckpointError(path, "listed as a shard, but neither a safetensors nor a torch.save file")
    with open_file(path) as file:
        saved = pickled.load(file, path, budget)
    if not isinstance(saved, dict):
        raise CheckpointError(
            path, f"listed as a shard, but holds a {type(saved).__name__}, not a state dict"
        )
    return saved


def _beside(index: Path, name: str) -> Path:
    if "/" in name or "\\" in name or "\0" in name or name in {"", ".", ".."}:
        raise CheckpointError(index, f"names a shard outside its own folder: {name!r}")
    if len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        raise CheckpointError(
            index, f"names a shard by {len(name)} letters, which is longer than a file name can be"
        )
    return check_inside(index.parent / name, index.parent)


def _weight_map(index: Path) -> dict[str, str]:
    tree = read_json(index)
    homes = tree.get("weight_map") if isinstance(tree, dict) else None
    if homes is None:
        raise CheckpointError(index, "not an index of shards: no weight_map in it")
    if not isinstance(homes, dict) or not homes or not all(isinstance(name, str) for name in homes.values()):
        raise CheckpointError(index, "its weight_map does not map tensors to files")
    return homes

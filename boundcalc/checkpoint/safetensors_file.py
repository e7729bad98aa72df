"""safetensors: one file, or shards with their index."""

from __future__ import annotations

from pathlib import Path

import torch

from boundcalc.checkpoint.sniff import Container, container
from boundcalc.errors import CheckpointError
from boundcalc.files import check_inside, read_bytes, read_json

INDEX_SUFFIX = ".safetensors.index.json"


def load(path: Path) -> dict[str, torch.Tensor]:
    """Read one safetensors file.

    Args:
        path: the file.

    Returns:
        Name -> tensor, in the file's order (sorted, not the order of the layers).

    Raises:
        CheckpointError: when the header is malformed or the file is truncated.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as load_bytes

    try:
        return load_bytes(read_bytes(path))
    except (
        SafetensorError,
        OSError,
        RuntimeError,
        KeyError,
        ValueError,
        TypeError,
        OverflowError,
    ) as problem:
        raise CheckpointError(path, f"damaged safetensors file ({problem})") from None


def load_shards(index: Path) -> dict[str, torch.Tensor]:
    """Read all shards that an index names; they must lie beside it.

    Args:
        index: the ``*.safetensors.index.json`` file.

    Returns:
        Name -> tensor in the order of the index.

    Raises:
        CheckpointError: when the index is malformed, a shard is missing or a tensor is not in its shard.
    """
    homes = _weight_map(index)
    shards = sorted(set(homes.values()))
    loaded = {shard: load(_shard(_beside(index, shard))) for shard in shards}
    for key, shard in homes.items():
        if key not in loaded[shard]:
            raise CheckpointError(index, f"{key} is not in {shard}, where the index says it is")
    unlisted = [key for tensors in loaded.values() for key in tensors if key not in homes]
    if unlisted:
        raise CheckpointError(index, f"the shards hold {unlisted[0]}, which the index does not list")
    return {key: loaded[shard][key] for key, shard in homes.items()}


def shard_files(index: Path) -> tuple[Path, ...]:
    """Return an index and the shards that it names, without opening them.

    Args:
        index: the ``*.safetensors.index.json`` file.

    Returns:
        The index, then the shards by name.

    Raises:
        CheckpointError: when the index is malformed, or names anything that does not lie beside it.
    """
    return (index, *(_beside(index, shard) for shard in sorted(set(_weight_map(index).values()))))


def index_in(folder: Path) -> Path | None:
    """Find the safetensors checkpoint of a folder.

    Args:
        folder: any folder.

    Returns:
        Its only index, else its only safetensors file, else None.

    Raises:
        CheckpointError: when there are several indices, or several files and no index.
    """
    for pattern in (f"*{INDEX_SUFFIX}", "*.safetensors"):
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            raise CheckpointError(
                folder, f"holds several checkpoints, pass one: {', '.join(f.name for f in found)}"
            )
        if found:
            return found[0]
    return None


def _beside(index: Path, name: str) -> Path:
    if "/" in name or "\\" in name or "\0" in name or name in {"", ".", ".."}:
        raise CheckpointError(index, f"names a shard outside its own folder: {name!r}")
    return check_inside(index.parent / name, index.parent)


def _shard(path: Path) -> Path:
    if container(path) is not Container.SAFETENSORS:
        raise CheckpointError(path, "listed as a shard, but not a safetensors file")
    return path


def _weight_map(index: Path) -> dict[str, str]:
    tree = read_json(index)
    homes = tree.get("weight_map") if isinstance(tree, dict) else None
    if homes is None:
        raise CheckpointError(index, "not an index of safetensors shards: no weight_map in it")
    if not isinstance(homes, dict) or not homes or not all(isinstance(name, str) for name in homes.values()):
        raise CheckpointError(index, "its weight_map is not a table from tensors to files")
    return homes

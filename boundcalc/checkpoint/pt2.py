"""torch.export archives (.pt2), read as plain zip files; torch.export.load, which can execute pickles, is not used.

There are two layouts. Since PyTorch 2.8: ``<root>/models/*.json`` with raw buffers under ``<root>/data/weights``. Before:
``serialized_exported_program.json`` with the state dict as a torch.save file.
"""

from __future__ import annotations

import json
import sys
import zlib
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from boundcalc.archive import OLD_EXPORT, open_zip
from boundcalc.budget import Budget
from boundcalc.checkpoint.container import is_pt2
from boundcalc.checkpoint.pickled import load as load_pickled
from boundcalc.checkpoint.program import Program
from boundcalc.checkpoint.pt2_graph import SCALAR_TYPES, Graph, MalformedError, parse
from boundcalc.errors import CheckpointError
from boundcalc.files import open_file

_Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class _Archive:
    """A zip file that counts every unpacked byte in the budget, even if a member is read several times."""

    zip: ZipFile
    budget: Budget

    @property
    def names(self) -> set[str]:
        return set(self.zip.namelist())

    def read(self, name: str) -> bytes:
        self.budget.take(self.zip.getinfo(name).file_size, name)
        return self.zip.read(name)


def load(path: Path, budget: Budget) -> tuple[Program, dict[str, torch.Tensor]]:
    """Read a .pt2 file.

    Raises a `CheckpointError` when it is damaged, holds pickled code, or is not a straight-line forward pass.

    Args:
        path: path of the file.
        budget: memory budget of the file.

    Returns:
        The program and the state dict it was exported with.
    """
    with open_file(path) as file, open_zip(file, path) as archive:
        return _read(_Archive(archive, budget), path)


def program_from_bytes(
    data: bytes, path: Path | str, state: _Tensors | None = None
) -> tuple[Program, dict[str, torch.Tensor]]:
    """Read what torch.export.save wrote to memory.

    Args:
        data: the archive.
        path: path for errors.
        state: weights to use instead of those in the archive, which are then not read.

    Returns:
        The program and the state dict it was exported with, or ``state``.

    Raises:
        CheckpointError: when it is damaged, holds pickled code, or is not a straight-line forward pass.
    """
    with open_zip(BytesIO(data), path) as archive:
        if not is_pt2(archive.namelist()):
            raise CheckpointError(path, "not a torch.export archive")
        return _read(_Archive(archive, Budget.of(path, len(data))), path, state)


def _read(archive: _Archive, path: Path | str, state: _Tensors | None = None) -> tuple[Program, _Tensors]:
    names = archive.names
    try:
        if OLD_EXPORT in names:
            return _read_old(archive, names, path, state)
        return _read_new(archive, names, path, state)
    except MalformedError as problem:
        raise CheckpointError(path, str(problem)) from None
    except (
        BadZipFile,
        zlib.error,
        OSError,
        RuntimeError,
        NotImplementedError,
        EOFError,
        ValueError,
    ) as problem:
        raise CheckpointError(path, f"damaged torch.export archive ({problem})") from None
    except (KeyError, TypeError, AttributeError, IndexError) as problem:
        raise CheckpointError(path, f"not in the form that torch.export writes ({problem!r})") from None


def _read_old(
    archive: _Archive, names: set[str], path: Path | str, state: _Tensors | None
) -> tuple[Program, _Tensors]:
    graph = parse(_json(archive, OLD_EXPORT))
    if state is None:
        state = _pickled_table(archive, "serialized_state_dict.pt", path)
    constants: _Tensors = {}
    if graph.constants and "serialized_constants.pt" in names:
        constants = _pickled_table(archive, "serialized_constants.pt", path)
    return _complete(graph, state, constants), state


def _read_new(
    archive: _Archive, names: set[str], path: Path | str, state: _Tensors | None
) -> tuple[Program, _Tensors]:
    root = next(name for name in sorted(names) if name.endswith("/archive_format")).removesuffix(
        "archive_format"
    )
    model = _model_name(names, root)
    _check_byte_order(archive, names, root)
    graph = parse(_json(archive, f"{root}models/{model}.json"))
    if state is None:
        weights = f"{model}_weights_config.json"
        state = _payload(archive, names, f"{root}data/weights/", weights, f"{model}.pt", path)
    constants: _Tensors = {}
    if graph.constants:
        folder = f"{root}data/constants/"
        constants = _payload(archive, names, folder, f"{model}_constants_config.json", f"{model}.pt", path)
    return _complete(graph, state, constants), state


def _model_name(names: set[str], root: str) -> str:
    start = f"{root}models/"
    models = sorted(
        name[len(start) : -5] for name in names if name.startswith(start) and name.endswith(".json")
    )
    if not models:
        raise MalformedError(
            "a torch.export archive without a model's graph (compiled only?): save it with torch.export.save"
        )
    if len(models) > 1 and "model" not in models:
        raise MalformedError(f"holds several models ({', '.join(models)}); save one of them by itself")
    return "model" if "model" in models else models[0]


def _check_byte_order(archive: _Archive, names: set[str], root: str) -> None:
    order = (
        archive.read(f"{root}byteorder").decode("ascii", "replace")
        if f"{root}byteorder" in names
        else "little"
    )
    if order.strip() != sys.byteorder:
        raise MalformedError(
            f"written in {order.strip()!r} byte order, which is not the byte order of this machine"
        )


def _complete(graph: Graph, state: _Tensors, constants: _Tensors) -> Program:
    for value, key in graph.program.state.items():
        if key not in state:
            raise MalformedError(f"its graph uses {key} ({value}), which is not among its weights")
    for value, key in graph.constants.items():
        if key not in constants and key not in state:
            raise MalformedError(f"its graph uses the constant {key} ({value}), which is not a tensor in it")
    found = {
        value: constants[key] if key in constants else state[key] for value, key in graph.constants.items()
    }
    return replace(graph.program, constants=found)


def _json(archive: _Archive, name: str) -> Any:
    try:
        return json.loads(archive.read(name))
    except RecursionError:
        raise MalformedError(f"{name} is nested too deeply") from None
    except ValueError:
        raise MalformedError(f"{name} is not JSON") from None


def _pickled_table(archive: _Archive, name: str, path: Path | str) -> _Tensors:
    table = load_pickled(BytesIO(archive.read(name)), f"{path} ({name})", archive.budget)
    if not isinstance(table, dict):
        raise MalformedError(f"{name} holds no table of tensors")
    return {str(key): value.detach() for key, value in table.items() if isinstance(value, torch.Tensor)}


def _payload(
    archive: _Archive, names: set[str], folder: str, config: str, old: str, path: Path | str
) -> _Tensors:
    if folder + config not in names:
        return _pickled_table(archive, folder + old, path)
    buffers: dict[str, bytearray] = {}
    tensors: _Tensors = {}
    for key, entry in _json(archive, folder + config)["config"].items():
        member = folder + entry["path_name"]
        if member not in names:
            raise MalformedError(f"the bytes of {key} ({member}) are not in the archive")
        if entry["use_pickle"]:
            tensors[key] = _pickled_tensor(archive, member, key, path)
        elif entry["tensor_meta"] is not None:
            if member not in buffers:
                buffers[member] = bytearray(archive.read(member))
            tensors[key] = _raw_tensor(buffers[member], entry["tensor_meta"], key)
    return tensors


def _pickled_tensor(archive: _Archive, member: str, key: str, path: Path | str) -> torch.Tensor:
    tensor = load_pickled(BytesIO(archive.read(member)), f"{path} ({key})", archive.budget)
    if not isinstance(tensor, torch.Tensor):
        raise MalformedError(f"{key} is not a tensor")
    return tensor.detach()


def _raw_tensor(buffer: bytearray, meta: dict[str, Any], key: str) -> torch.Tensor:
    if meta["dtype"] not in SCALAR_TYPES:
        raise MalformedError(f"{key} is of unknown type {meta['dtype']}")
    dtype = SCALAR_TYPES[meta["dtype"]]
    sizes, strides = _integers(meta["sizes"], key), _integers(meta["strides"], key)
    (offset,) = _integers([meta["storage_offset"]], key)
    elements = len(buffer) // dtype.itemsize
    if len(sizes) != len(strides) or min((*sizes, *strides, offset)) < 0:
        raise MalformedError(
            f"{key} has sizes {sizes}, strides {strides} and offset {offset}, which are no valid tensor"
        )
    if 0 in sizes:
        return torch.empty(sizes, dtype=dtype)
    count = 1
    for size in sizes:
        count *= size
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if last >= elements or count > elements:
        raise MalformedError(
            f"{key} of sizes {sizes} needs {max(last + 1, count)} numbers, but its bytes hold {elements}"
        )
    flat = torch.frombuffer(buffer, dtype=dtype, count=elements)
    return torch.as_strided(flat, sizes, strides, offset)


def _integers(values: list[Any], key: str) -> tuple[int, ...]:
    numbers = tuple(value.get("as_int") for value in values)
    if not all(isinstance(number, int) for number in numbers):
        raise MalformedError(f"{key} has symbolic sizes or strides")
    return numbers

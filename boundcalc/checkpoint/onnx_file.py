"""ONNX models: the package `onnx` parses the protobuf, which is read as data; no runtime, optimizer or checker processes
it.

Weights are stored in the file or in files beside it that it names (external data); only files inside its folder are opened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from boundcalc.budget import Budget
from boundcalc.checkpoint.onnx_graph import translate
from boundcalc.checkpoint.program import Program
from boundcalc.errors import CheckpointError
from boundcalc.extras import install
from boundcalc.files import check_inside, open_file, read_bytes, stamp_of

_TYPES: dict[int, torch.dtype] = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float16, 11: torch.float64, 16: torch.bfloat16,
}  # fmt: skip
"""`TensorProto.DataType` -> dtype, for the types that are read."""

_FIELDS = {
    torch.float32: "float_data", torch.float64: "double_data", torch.int64: "int64_data",
}  # fmt: skip
"""Dtype -> field of the numbers that are not stored as raw bytes; all other types use ``int32_data``."""

_EXTERNAL = 1
_MOST_NUMBERS = 1 << 40


def load(path: Path, budget: Budget) -> tuple[Program, dict[str, torch.Tensor], tuple[Path, ...]]:
    """Read an ONNX file.

    Args:
        path: path of the file.
        budget: memory budget of the file.

    Returns:
        The program, its weights under the file's own names, and the files that were read.

    Raises:
        CheckpointError: when it is damaged, is not a straight-line forward pass with one input and one output, or names a
            file outside its folder, or when the package `onnx` is missing.
    """
    model = _parsed(path)
    read = _Tensors(path, budget)
    found = translate(model, read.tensor, lambda problem: CheckpointError(path, problem))
    return found.program, found.state, (path, *_beside(path, model))


def files_of(path: Path) -> tuple[Path, ...]:
    """Return an ONNX file and the files with weights that it names.

    Args:
        path: path of the file.

    Raises:
        CheckpointError: under the same conditions as `load`.
    """
    return (path, *_beside(path, _parsed(path)))


def _parsed(path: Path) -> Any:
    try:
        from onnx import ModelProto
    except ImportError:
        raise CheckpointError(
            path, f"an ONNX model, which needs the package onnx: {install('onnx')}"
        ) from None
    from google.protobuf.message import DecodeError

    model = ModelProto()
    try:
        model.ParseFromString(read_bytes(path))
    except (DecodeError, RecursionError, ValueError) as problem:
        raise CheckpointError(path, f"damaged ONNX model ({type(problem).__name__})") from None
    if not model.graph.node:
        raise CheckpointError(path, "an ONNX model without a graph")
    return model


def _tensors(model: Any) -> Iterator[Any]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _beside(path: Path, model: Any) -> tuple[Path, ...]:
    places = {_place(path, tensor) for tensor in _tensors(model) if tensor.data_location == _EXTERNAL}
    return tuple(sorted(places))


def _entries(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _place(path: Path, tensor: Any) -> Path:
    location = _entries(tensor).get("location", "")
    if not location:
        raise CheckpointError(path, f"{tensor.name}: its external data has no location")
    return check_inside(path.parent / location, path.parent)


class _Tensors:
    """Makes tensors from the numbers in a file and beside it, and counts each in the memory budget first."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path, self.budget = path, budget

    def tensor(self, proto: Any) -> torch.Tensor:
        """Return a tensor of the file.

        Args:
            proto: a ``TensorProto``.

        Raises:
            CheckpointError: when its type is not supported, or its number of bytes does not match its sizes.
        """
        name, sizes = proto.name or "a constant", tuple(proto.dims)
        dtype = _TYPES.get(proto.data_type)
        if dtype is None:
            raise self._error(name, f"numbers of ONNX data type {proto.data_type} are not supported")
        count = math.prod(sizes)
        if min((*sizes, 0)) < 0 or count > _MOST_NUMBERS:
            raise self._error(name, f"its sizes {list(sizes)[:8]} are not those of a tensor")
        self.budget.take(count * dtype.itemsize, name)
        raw = self._raw(proto, name, count * dtype.itemsize)
        if raw is not None:
            if len(raw) != count * dtype.itemsize:
                raise self._error(
                    name, f"it holds {len(raw)} bytes for {count} numbers of {dtype.itemsize} bytes"
                )
            flat = torch.frombuffer(bytearray(raw), dtype=dtype) if count else torch.empty(0, dtype=dtype)
            return flat.reshape(sizes)
        return self._written_out(proto, name, dtype, count).reshape(sizes)

    def _raw(self, proto: Any, name: str, size: int) -> bytes | None:
        if proto.data_location == _EXTERNAL:
            return self._external(proto, name, size)
        return proto.raw_data if proto.HasField("raw_data") else None

    def _external(self, proto: Any, name: str, size: int) -> bytes:
        entries, file = _entries(proto), _place(self.path, proto)
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
        except ValueError:
            raise self._error(name, "the offset or length of its external data is not a number") from None
        if length != size or offset < 0 or offset + size > stamp_of(file).size:
            raise self._error(name, f"{file.name} does not hold its {size} bytes at {offset}")
        with open_file(file) as opened:
            opened.seek(offset)
            return opened.read(size)

    def _written_out(self, proto: Any, name: str, dtype: torch.dtype, count: int) -> torch.Tensor:
        numbers = getattr(proto, _FIELDS.get(dtype, "int32_data"))
        if len(numbers) != count:
            raise self._error(name, f"it holds {len(numbers)} numbers, but its sizes need {count}")
        if dtype in {torch.float16, torch.bfloat16}:
            bits = [number & 0xFFFF for number in numbers]
            return torch.tensor(bits, dtype=torch.int32).to(torch.uint16).view(dtype)
        return torch.tensor(list(numbers), dtype=dtype)

    def _error(self, name: str, problem: str) -> CheckpointError:
        return CheckpointError(self.path, f"damaged ONNX model: {name}: {problem}")

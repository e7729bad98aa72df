"""Substitutes for the few harmless classes that files of tensors mention; none of the original classes' code is run.

NumPy arrays of the usual number types become tensors with the same bytes; a defaultdict becomes a dict; NumPy scalars,
dtypes and Namespaces lose their content.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

_NUMBERS = frozenset({"b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4"})
_AS_SIGNED = {"u2": "<i8", "u4": "<i8"}
_STATE_OF_AN_ARRAY = 5


class Inert:
    """Substitute for a NumPy scalar or an argparse.Namespace; discards its content."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make one, ignoring the arguments in the file."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _Dtype(Inert):
    """Substitute for a NumPy dtype: its code and its byte order."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.code = args[0] if args and isinstance(args[0], str) else ""
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in {"<", ">"}:
            self.order = state[1]


class Array(Inert):
    """Substitute for a NumPy array: its bytes, shape and type, as stored in the file."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def objects(self) -> list[Any] | None:
        """Return the entries of an object array, None for any other array."""
        whole = isinstance(self.state, tuple) and len(self.state) == _STATE_OF_AN_ARRAY
        return self.state[-1] if whole and isinstance(self.state[-1], list) else None

    def tensor(self) -> torch.Tensor | None:
        """Return the array as a tensor, or None if it does not hold numbers or is not in the form that NumPy writes."""
        if not isinstance(self.state, tuple) or len(self.state) != _STATE_OF_AN_ARRAY:
            return None
        _, shape, dtype, by_columns, content = self.state
        sizes = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
        if not sizes or not isinstance(dtype, _Dtype) or dtype.code.lstrip("<>|=") not in _NUMBERS:
            return None
        code = dtype.code.lstrip("<>|=")
        kind = np.dtype(f"{dtype.order}{code}")
        if not isinstance(content, bytes) or len(content) != math.prod(shape) * kind.itemsize:
            return None
        values = np.frombuffer(content, dtype=kind).reshape(shape, order="F" if by_columns else "C")
        return torch.from_numpy(values.astype(_AS_SIGNED.get(code, kind.newbyteorder("<")), order="C"))


class _Reconstruct(Inert):
    """Substitute for the function that makes an array, which its pickled state then fills."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an empty array."""
        return STAND_INS["numpy.ndarray"]()


class _Table(Inert):
    """Substitute for a dict and for a defaultdict."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an empty dict, which the pickle then fills."""
        return {}


_STAND_IN_CLASSES: dict[str, type[Inert]] = {
    "argparse.Namespace": Inert,
    "builtins.dict": _Table,
    "collections.defaultdict": _Table,
    "numpy._core.multiarray._reconstruct": _Reconstruct,
    "numpy._core.multiarray.scalar": Inert,
    "numpy.core.multiarray._reconstruct": _Reconstruct,
    "numpy.core.multiarray.scalar": Inert,
    "numpy.dtype": _Dtype,
    "numpy.ndarray": Array,
}


def _stand_in(qualified: str, base: type[Inert]) -> type[Inert]:
    module, _, name = qualified.rpartition(".")
    return type(name, (base,), {"__module__": module, "__qualname__": name})


STAND_INS = {name: _stand_in(name, base) for name, base in _STAND_IN_CLASSES.items()}
"""Qualified name in a pickle -> what stands for it."""


def without_stand_ins(saved: Any) -> Any:
    """Return the content of a file with its arrays replaced by tensors.

    Args:
        saved: tables, lists and tuples of anything.
    """
    return _without_stand_ins(saved, {})


def _without_stand_ins(saved: Any, done: dict[int, Any]) -> Any:
    """Convert tables and lists in place, each only once: a file may contain one in several places, or within itself."""
    if isinstance(saved, Array):
        inner, found = saved.objects(), saved.tensor()
        if inner is not None:
            _without_stand_ins(inner, done)
        return saved if found is None else found
    if id(saved) in done:
        return done[id(saved)]
    if isinstance(saved, dict):
        done[id(saved)] = saved
        for key, value in saved.items():
            saved[key] = _without_stand_ins(value, done)
    elif isinstance(saved, list):
        done[id(saved)] = saved
        saved[:] = [_without_stand_ins(value, done) for value in saved]
    elif type(saved) is tuple:
        return tuple(_without_stand_ins(value, done) for value in saved)
    return saved

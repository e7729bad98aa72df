"""The leaves of a saved object: every tensor, list of numbers and plain value, with the keys that lead to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from boundcalc.checkpoint.stand_ins import Array
from boundcalc.errors import CheckpointError

_DEEPEST = 24
_LONGEST_KEY = 80
_NUMBERS = (bool, int, float)

Path = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Leaf:
    """One entry of a saved object.

    Attributes:
        path: the keys that lead to it, of any type.
        value: a tensor (lists of numbers and NumPy arrays are converted to one), None, a plain value or an unknown object.
        is_list: whether the file stores it as a list of numbers.
    """

    path: Path
    value: Any
    is_list: bool = False

    @property
    def name(self) -> str:
        """The keys, joined by dots, in printable form."""
        return path_text(self.path)

    @property
    def parts(self) -> tuple[str, ...]:
        """The keys as text, split at dots."""
        return tuple(part for key in self.path for part in str(key).split("."))

    @property
    def tensor(self) -> torch.Tensor | None:
        """The value if it is a tensor, else None."""
        return self.value if isinstance(self.value, torch.Tensor) else None


def path_text(path: Path) -> str:
    """Join keys by dots, in printable form.

    Example:
        >>> path_text(("masks", 0, ("fc1", "weight")))
        'masks.0.fc1.weight'
    """
    return ".".join(
        _printable_key(key) for one in path for key in (one if isinstance(one, tuple) else (one,))
    )


def _printable_key(key: Any) -> str:
    text = str(key)
    return text if text.isprintable() and len(text) <= _LONGEST_KEY else ascii(key)[:_LONGEST_KEY]


def leaves(value: Any, file: str, path: Path = ()) -> Iterator[Leaf]:
    """Walk a saved object.

    Args:
        value: tables, lists and tuples of anything.
        file: path of the file, for errors.
        path: the keys that lead to the object.

    Yields:
        Its leaves, in file order; a tuple used as a key counts as several keys.

    Raises:
        CheckpointError: when tables are nested too deeply, or one contains itself.
    """
    if len(path) > _DEEPEST:
        raise CheckpointError(
            file, f"{path_text(path[:3])}...: tables within tables, more than {_DEEPEST} deep"
        )
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, file, (*path, *(key if isinstance(key, tuple) else (key,))))
    elif isinstance(value, set | frozenset) and all(type(one) is int for one in value):
        yield Leaf(path, torch.tensor(sorted(value), dtype=torch.int64), is_list=True)
    elif isinstance(value, Array) and (objects := value.objects()) is not None:
        yield from leaves(objects[0] if len(objects) == 1 else objects, file, path)
    elif isinstance(value, list | tuple):
        numbers = _numbers(value)
        if numbers is not None:
            yield Leaf(path, numbers, is_list=True)
            return
        for place, inner in enumerate(value):
            yield from leaves(inner, file, (*path, place))
    else:
        yield Leaf(path, _of_numpy(value))


def _of_numpy(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(np.ascontiguousarray(value).astype(value.dtype.newbyteorder("="), copy=True))
    return value


def _numbers(value: list[Any] | tuple[Any, ...]) -> torch.Tensor | None:
    """Return a list of numbers, or of equally long lists of them, as a tensor; None for any other list."""
    first: Any = value
    for _ in range(_DEEPEST):
        if not isinstance(first, list | tuple):
            break
        if not first:
            return torch.zeros(0, dtype=torch.int64) if first is value else None
        first = first[0]
    if type(first) not in _NUMBERS:
        return None
    try:
        return torch.tensor(value)
    except (ValueError, TypeError, RuntimeError, OverflowError):
        return None

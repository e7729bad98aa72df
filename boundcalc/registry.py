"""A registry filled from the modules of a package that hold objects of a type, and from entry points of other packages."""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Objects by name, found when the registry is first read.

    Args:
        kind: the type of the objects.
        package: package whose modules are imported; their module-level objects of the type are collected.
        group: entry-point group by which other packages add objects; empty for none.
        order: key by which the objects are sorted.

    Example:
        >>> from boundcalc.parts.part import Part
        >>> found = Registry(Part, "boundcalc.parts", "", lambda part: part.rank)
        >>> list(found)[:2]
        ['bounds', 'samples']
    """

    def __init__(self, kind: type[T], package: str, group: str, order: Callable[[T], object]) -> None:
        self._kind, self._package, self._group, self._order = kind, package, group, order
        self._found: dict[str, T] | None = None

    def _load(self) -> dict[str, T]:
        if self._found is not None:
            return self._found
        found: dict[str, T] = {}
        for module in pkgutil.iter_modules(import_module(self._package).__path__, f"{self._package}."):
            for one in vars(import_module(module.name)).values():
                if isinstance(one, self._kind):
                    self._add(found, one)
        if self._group and _is_named(self._group):
            self._load_entry_points(found)
        self._found = dict(sorted(found.items(), key=lambda item: self._order(item[1])))  # type: ignore[arg-type, return-value]
        return self._found

    def _load_entry_points(self, found: dict[str, T]) -> None:
        from importlib.metadata import entry_points

        for entry in entry_points(group=self._group):
            one = entry.load()
            if not isinstance(one, self._kind):
                raise TypeError(
                    f"entry point {entry.name} of group {self._group}: {type(one).__name__} is no {self._kind.__name__}"
                )
            self._add(found, one)

    def _add(self, found: dict[str, T], one: T) -> None:
        name = str(getattr(one, "name", ""))
        if found.get(name, one) is not one:
            raise ValueError(f"two objects of {self._kind.__name__} are named {name}")
        found[name] = one

    def __getitem__(self, name: str) -> T:
        return self._load()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())

    def __len__(self) -> int:
        return len(self._load())


def _is_named(group: str) -> bool:
    """Return whether an installed package may name an entry-point group; this is faster than importing importlib.metadata.

    Anything on the path that is not a folder, such as an archive, may name it.
    """
    line = f"[{group}]"
    for place in dict.fromkeys(sys.path):
        folder = Path(place or os.curdir)
        if folder.is_file():
            return True
        for suffix in ("dist-info", "egg-info"):
            for file in folder.glob(f"*.{suffix}/entry_points.txt"):
                if file.is_file() and line in file.read_text("utf-8", "replace"):
                    return True
    return False

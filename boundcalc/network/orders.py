"""Possible orders of the layers of a state dict, for files that do not record the order."""

from __future__ import annotations

import itertools
import re
from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

MOST_STEPS = 20_000
"""Number of partial orders, in addition to a few per layer, after which the search is given up."""

STEPS_A_LAYER = 4

Shape = tuple[int, ...]


def follows(first: Shape, second: Shape) -> bool:
    """Return whether a layer can read the output of another, judging by the shapes of their weights.

    Args:
        first: weight shape of the layer before, (out, in) or (out, in / groups, kh, kw).
        second: weight shape of the layer after.
    """
    out, width = first[0], second[1]
    if len(first) == len(second) == 2:
        return width == out
    if out == 0 or width == 0:
        return False
    if len(second) == 2:
        return width % out == 0
    return len(first) == 4 and out % width == 0 and second[0] % (out // width) == 0


class OrderSearch:
    """Search for the orders in which shapes chain and the numbers in the names of a family increase.

    A family consists of the names that differ only in their numbers. The search keeps its own stack, and at every step
    considers only the names that are next in their family and whose input fits, so that its time is linear in the length of
    a chain.

    Attributes:
        steps: number of partial orders that may still be examined; the search is given up at 0.
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.steps = MOST_STEPS + STEPS_A_LAYER * len(shapes)
        self._shapes = shapes
        self._next, firsts = _turns(shapes)
        self._ready = _Ready(shapes)
        for name in firsts:
            self._ready.add(name)

    def orders(self, most: int) -> Iterator[list[str]]:
        """Yield complete orders.

        Args:
            most: largest number of orders to yield.
        """
        return itertools.islice(self._orders(), most)

    def _orders(self) -> Iterator[list[str]]:
        order: list[str] = []
        stack = [iter(self._choices(None))]
        while stack:
            name = next(stack[-1], None)
            if name is None:
                stack.pop()
                if order:
                    self._take_back(order.pop())
                continue
            self.steps -= 1
            if self.steps <= 0:
                return
            order.append(name)
            self._take(name)
            if len(order) == len(self._shapes):
                yield list(order)
                self._take_back(order.pop())
            else:
                stack.append(iter(self._choices(name)))

    def _choices(self, before: str | None) -> list[str]:
        fits = None if before is None else self._shapes[before]
        found = self._ready.after(fits)
        self.steps -= len(found) // 64
        return found

    def _take(self, name: str) -> None:
        self._ready.remove(name)
        for successor in self._next(name, +1):
            self._ready.add(successor)

    def _take_back(self, name: str) -> None:
        for successor in self._next(name, -1):
            self._ready.remove(successor)
        self._ready.add(name)


class _Ready:
    """The names that are next in their family, grouped by the input that they take."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._shapes = shapes
        self._by_input: dict[tuple[int, int], list[str]] = defaultdict(list)

    def add(self, name: str) -> None:
        shape = self._shapes[name]
        insort(self._by_input[len(shape), shape[1]], name)

    def remove(self, name: str) -> None:
        shape = self._shapes[name]
        group = self._by_input[len(shape), shape[1]]
        group.remove(name)
        if not group:
            del self._by_input[len(shape), shape[1]]

    def after(self, before: Shape | None) -> list[str]:
        """Return the sorted names that can follow a weight of this shape; all of them if there is no weight before."""
        if before is not None and len(before) == 2:
            return list(self._by_input.get((2, before[0]), ()))
        return sorted(
            name
            for group in self._by_input.values()
            for name in group
            if before is None or follows(before, self._shapes[name])
        )


def _turns(names: Iterable[str]) -> tuple[Callable[[str, int], list[str]], list[str]]:
    """Return a function that gives the names whose turn begins when a name is taken (or ends when it is put back), and the
    first names.
    """
    ranks: dict[str, list[tuple[tuple[int, ...], list[str]]]] = {}
    place: dict[str, tuple[str, int]] = {}
    families: dict[str, dict[tuple[int, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        family, numbers = family_of(name)
        families[family][numbers].append(name)
    for family, by_numbers in families.items():
        ranks[family] = sorted(by_numbers.items())
        for index, (_, members) in enumerate(ranks[family]):
            place.update(dict.fromkeys(members, (family, index)))
    left = {
        (family, index): len(members) for family in ranks for index, (_, members) in enumerate(ranks[family])
    }

    def moved(name: str, by: int) -> list[str]:
        family, index = place[name]
        complete_before = left[family, index] == 0
        left[family, index] -= by
        changed = complete_before or left[family, index] == 0
        return ranks[family][index + 1][1] if changed and index + 1 < len(ranks[family]) else []

    return moved, [name for family in ranks for name in ranks[family][0][1]]


def family_of(name: str) -> tuple[str, tuple[int, ...]]:
    """Return a name with its numbers replaced by #, which is the same for all names of a family, and the numbers.

    Example:
        >>> family_of("layers.2.fc10")
        ('layers.#.fc#', (2, 10))
    """
    numbers = tuple(int(number) for number in re.findall(r"\d+", name))
    return re.sub(r"\d+", "#", name), numbers

"""Masks without names: in the order of the layers, stacked, or concatenated in one vector."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from boundcalc.checkpoint.masks.fit import Ambiguous, Fitted, Misfit, fit
from boundcalc.checkpoint.masks.leaves import Leaf
from boundcalc.checkpoint.masks.targets import Targets
from boundcalc.checkpoint.masks.values import is_binary, looks_packed, ones

_MOST_WAYS = 2


def in_order(
    sequence: Sequence[Leaf | None], targets: Targets, *, positions: bool | None = False, units: bool = False
) -> list[str]:
    """Determine which weights a sequence of masks is for.

    Args:
        sequence: masks in the order of the layers; None for a layer without one.
        targets: the tensors that they may be for.
        positions: whether their names mention positions; None if they leave that open.
        units: whether their names mention whole filters, rows or channels.

    Returns:
        The name of each entry's weight, in the same order, including the None entries.

    Raises:
        Misfit: when there is no way to assign them in order, or several.
    """
    given = [None if leaf is None else leaf.tensor for leaf in sequence]
    if not targets.ordered:
        return _by_shape_alone(given, targets)
    shapes = targets.tensors
    for names in targets.classes():
        if len(names) == len(given) and all(
            value is None or _fits(value, tuple(shapes[name].shape), positions, units)
            for value, name in zip(given, names, strict=True)
        ):
            return list(names)
    if any(value is None for value in given):
        raise Misfit(
            f"holds {len(given)} entries, some of them None, for {len(targets.matrices)} weight matrices"
        )
    sizes = [tuple(value.shape) for value in given if value is not None]
    for names in (targets.matrices, list(shapes)):
        ways = _selections(sizes, [tuple(shapes[name].shape) for name in names])
        if len(ways) == 1:
            return [names[place] for place in ways[0]]
        if ways:
            raise Misfit(f"holds {len(given)} masks in an order that fits the weights in several ways")
    raise Misfit(
        f"holds {len(given)} masks whose shapes do not follow those of the {len(targets.matrices)} weight matrices"
    )


def _fits(value: torch.Tensor, shape: tuple[int, ...], positions: bool | None, units: bool) -> bool:
    try:
        fit(value, shape, positions=positions, units=units)
    except Ambiguous:
        return True
    except Misfit:
        return tuple(value.shape) == shape
    return True


def _by_shape_alone(given: Sequence[torch.Tensor | None], targets: Targets) -> list[str]:
    sizes = [() if value is None else tuple(value.shape) for value in given]
    found = [
        [name for name in targets.matrices if tuple(targets.tensors[name].shape) == size] for size in sizes
    ]
    if all(len(names) == 1 for names in found) and len({names[0] for names in found}) == len(found):
        return [names[0] for names in found]
    raise Misfit(
        "has no names, and the order of the keys of this file is unknown: save each mask under its "
        "weight's name"
    )


def _selections(sizes: list[tuple[int, ...]], shapes: list[tuple[int, ...]]) -> list[list[int]]:
    """Return the first two ways to select shapes, in order, that match the given sizes."""
    ways: list[list[int]] = [[]]
    for size in sizes:
        ways = [
            [*way, place]
            for way in ways
            for place in range(way[-1] + 1 if way else 0, len(shapes))
            if shapes[place] == size
        ]
        ways = _leftmost_and_others(ways)
    return ways[:_MOST_WAYS]


def _leftmost_and_others(ways: list[list[int]]) -> list[list[int]]:
    """Keep at most two of the ways that end at the same place: two are enough to show that the assignment is not unique."""
    kept: dict[int, list[list[int]]] = {}
    for way in ways:
        same = kept.setdefault(way[-1], [])
        if len(same) < _MOST_WAYS:
            same.append(way)
    return [way for same in kept.values() for way in same]


def in_one(value: torch.Tensor, targets: Targets) -> dict[str, Fitted]:
    """Split one tensor that holds the masks of several weights.

    Args:
        value: a vector over all weights in the order of their keys, or a stack of masks of equal shape.
        targets: the tensors that it may be for.

    Returns:
        Name of the weight -> where its mask is 1.

    Raises:
        Misfit: when its size is not that of the weights, or the weights are in no known order.
    """
    if not is_binary(value):
        packed = looks_packed(value, [targets.total])
        raise Misfit(
            "holds eight mask bits per byte in an unknown bit order: unpack it to zeros and ones"
            if packed
            else "has values other than 0 and 1"
        )
    where = ones(value)
    names = next(
        (
            names
            for names in targets.classes()
            if value.dim() == 1 and sum(targets.tensors[name].numel() for name in names) == value.numel()
        ),
        None,
    )
    if names is None:
        return _stacked(where, targets)
    if not targets.ordered and len(names) > 1:
        raise Misfit("is one vector over all weights, but the order of the keys of this file is unknown")
    found: dict[str, Fitted] = {}
    start = 0
    for name in names:
        size = targets.tensors[name].shape
        stop = start + math.prod(size)
        found[name] = Fitted(where[start:stop].reshape(size), "its part of one vector over all weights")
        start = stop
    return found


def _stacked(where: torch.Tensor, targets: Targets) -> dict[str, Fitted]:
    names = targets.matrices
    whole = targets.total
    alike = where.dim() > 2 and all(
        tuple(targets.tensors[name].shape) == tuple(where.shape[1:]) for name in names
    )
    if len(names) == where.shape[0] and alike and targets.ordered and names:
        return {name: Fitted(where[place], "its place in a stack") for place, name in enumerate(names)}
    raise Misfit(
        f"of shape {tuple(where.shape)} does not fit: it names no weight, and the {len(names)} weight "
        f"matrices have {whole} entries together"
    )

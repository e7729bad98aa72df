"""Fit one mask to one weight: by equal shape, by a shape that broadcasts in only one way, or by positions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from boundcalc.checkpoint.arrays import ENTRIES_AT_ONCE, array, every
from boundcalc.checkpoint.masks.values import is_binary, is_integer, looks_packed, ones, same

Shape = tuple[int, ...]


class Misfit(Exception):
    """An entry that is not a mask of the weight it is named after; the text says why."""


class Ambiguous(Misfit):
    """An entry that can be broadcast to its weight in several ways.

    Attributes:
        ways: name of the way -> bool tensor, true where the entry would then be 1.
    """

    def __init__(self, text: str, ways: dict[str, torch.Tensor]) -> None:
        super().__init__(text)
        self.ways = ways


@dataclass(frozen=True, eq=False)
class Fitted:
    """Where an entry is 1, in the shape of its weight.

    Attributes:
        ones: bool, true where the entry is 1.
        how: how the shapes were reconciled; empty if they are equal.
        positions: whether the entry lists positions instead of zeros and ones.
        entry: the key of the entry.
    """

    ones: torch.Tensor
    how: str = ""
    positions: bool = False
    entry: str = ""


def fit(value: torch.Tensor, shape: Shape, *, positions: bool | None, units: bool = False) -> Fitted:
    """Broadcast an entry to the shape of its weight.

    Args:
        value: the entry's tensor.
        shape: shape of the weight.
        positions: whether its name mentions positions; None if it mentions kept or pruned things without saying in which
            form.
        units: whether its name mentions whole filters, rows or channels.

    Returns:
        Where the entry is 1.

    Raises:
        Misfit: when it holds neither zeros and ones nor positions, or its shape fits in no way.
        Ambiguous: when its shape fits in several ways.
    """
    given = tuple(value.shape)
    if is_integer(value) and positions is not False:
        if not is_binary(value) or (positions and given != shape):
            return Fitted(_at(value, shape, units), "its positions", positions=True)
        if positions or _may_be_positions(value, shape, units):
            way_on = f"save zeros and ones in the shape of its weight, {shape}, in a type of floating point or bool"
            raise Misfit(f"of shape {given} can be read as zeros and ones or as positions: {way_on}")
    if not is_binary(value):
        raise Misfit(_not_binary(value, shape))
    where = ones(value)
    if given == shape:
        return Fitted(where)
    readings = _readings(where, shape)
    if not readings:
        raise Misfit(f"has shape {given}, but its weight has shape {shape}")
    if len(readings) > 1:
        text = f"has shape {given}, which may be {' or '.join(readings)} of a weight of shape {shape}: save it in the weight's shape"
        raise Ambiguous(text, readings)
    ((how, spread),) = readings.items()
    return Fitted(spread.contiguous(), how)


def _may_be_positions(value: torch.Tensor, shape: Shape, units: bool) -> bool:
    if value.dim() != 1:
        return bool(_grids(value, shape))
    try:
        _flat(value, (shape[0],) if units else shape, shape)
    except Misfit:
        return False
    return True


def _not_binary(value: torch.Tensor, shape: Shape) -> str:
    if looks_packed(value, [math.prod(shape)]):
        return "holds eight mask bits per byte in an unknown bit order: unpack it to zeros and ones"
    return "has values other than 0 and 1"


def _readings(where: torch.Tensor, shape: Shape) -> dict[str, torch.Tensor]:
    """Return the ways in which a mask of another shape covers a weight; ways with the same result appear once."""
    given = tuple(where.shape)
    views: list[tuple[str, Shape]] = []
    if where.numel() == math.prod(shape) and _is_folded(given, shape):
        views.append(("all its entries in a row", shape))
    elif len(given) == len(shape):
        views.append((_named(given, shape, "spread over its shape"), given))
    elif 0 < len(given) < len(shape):
        rest = (1,) * (len(shape) - len(given))
        views.append((_named((*given, *rest), shape, "one a kernel"), (*given, *rest)))
        views.append((_named((*rest, *given), shape, "one a position"), (*rest, *given)))
        if len(given) == 1 and len(shape) > 2:
            views.append(("one a column", (1, *given, *rest[1:])))
    found: dict[str, torch.Tensor] = {}
    for how, view in views:
        if not all(size in {1, whole} for size, whole in zip(view, shape, strict=True)) or max(view) == 1:
            continue
        spread = where.reshape(view).expand(shape)
        if not any(same(spread, other) for other in found.values()):
            found[how] = spread
    return found


def _is_folded(given: Shape, shape: Shape) -> bool:
    squeezed = [tuple(size for size in sizes if size > 1) for sizes in (given, shape)]
    return len(given) == 1 or given == (shape[0], math.prod(shape[1:])) or squeezed[0] == squeezed[1]


def _named(view: Shape, shape: Shape, other: str) -> str:
    wide = [axis for axis, size in enumerate(view) if size > 1]
    return "one a row" if wide == [0] else "one a column" if wide == [1] else other


def _at(value: torch.Tensor, shape: Shape, units: bool) -> torch.Tensor:
    """Return the mask given by positions; in several dimensions they are laid out like NumPy's or PyTorch's nonzero, or
    transposed.

    Raises:
        Misfit: when they are not positions in the shape, or can be read in two ways.
    """
    if value.dim() == 1:
        return _flat(value, (shape[0],) if units else shape, shape)
    readings = _grids(value, shape)
    if not readings:
        raise Misfit(f"of shape {tuple(value.shape)} holds no positions in a weight of shape {shape}")
    if any(not same(readings[0], other) for other in readings[1:]):
        raise Misfit(f"of shape {tuple(value.shape)} can be read row by row or column by column")
    return readings[0]


def _grids(value: torch.Tensor, shape: Shape) -> list[torch.Tensor]:
    """Return the possible masks of multi-dimensional positions, one per row or column, in the weight or its matrix form."""
    if value.dim() != 2:
        return []
    found = [
        _grid(rows, axes, shape)
        for axes in (shape, (shape[0], math.prod(shape[1:])))
        for rows in (value, value.T)
    ]
    return [pointed for pointed in found if pointed is not None]


def _flat(value: torch.Tensor, axes: Shape, shape: Shape) -> torch.Tensor:
    size = math.prod(axes)
    if not every(lambda positions: (positions >= 0) & (positions < size), value):
        raise Misfit(f"holds positions outside 0..{size - 1}")
    pointed = _pointed(
        (array(part).astype(np.int64) for part in value.split(ENTRIES_AT_ONCE)), value.numel(), size
    )
    if pointed is None:
        raise Misfit("holds a position twice")
    return (
        torch.from_numpy(pointed).reshape(*axes, *(1 for _ in shape[len(axes) :])).expand(shape).contiguous()
    )


def _grid(rows: torch.Tensor, axes: Shape, shape: Shape) -> torch.Tensor | None:
    if rows.shape[0] != len(axes) or len(axes) < 2:
        return None
    if not all(
        every(lambda row, size=size: (row >= 0) & (row < size), row)
        for row, size in zip(rows, axes, strict=True)
    ):
        return None
    flat = (
        np.ravel_multi_index(tuple(array(part).astype(np.int64)), axes)
        for part in rows.split(ENTRIES_AT_ONCE, dim=1)
    )
    pointed = _pointed(flat, rows.shape[1], math.prod(shape))
    return None if pointed is None else torch.from_numpy(pointed.reshape(shape))


def _pointed(positions: Iterable[np.ndarray], count: int, size: int) -> np.ndarray | None:
    """Return a bool vector, true at the positions; None if there are more positions than entries or one occurs twice."""
    if count > size:
        return None
    pointed = np.zeros(size, dtype=bool)
    for part in positions:
        pointed[part] = True
    return pointed if np.count_nonzero(pointed) == count else None

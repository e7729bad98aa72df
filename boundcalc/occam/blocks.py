"""Partitions of the units of every axis that make the masks short to code: a stochastic block model, the coded graphon.

The search minimizes the exact code length of the masks (minimum description length for block models: Peixoto 2013). It
starts from units sorted by degree, like the sort-and-smooth estimate of a graphon, and moves units as long as that shortens
the code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from boundcalc.occam.codeword import MAX_GROUPS, CodeLayout

Groups = tuple[NDArray[np.int64], ...]

FREE_GROUPS = (2, 3, 4, 6, 8)
FIXED_GROUPS = (1, 2, 3, 5)
"""Numbers of groups tried on axes whose units may and may not be reordered; each within 1..`MAX_GROUPS`."""
POSITION_GROUPS = 4
"""Largest number of groups of a kernel's positions that is tried."""
ROUNDS = 12
_LOG2 = float(np.log(2.0))
assert max(*FREE_GROUPS, *FIXED_GROUPS) <= MAX_GROUPS


@dataclass(frozen=True, eq=False)
class WeightCounts:
    """The number of surviving weights between every two units.

    Attributes:
        matrix: the counts, (rows, columns) sparse float64.
        entries: number of kernel entries between two units.
    """

    matrix: sparse.csr_array
    entries: int


def counts_of(masks: list[np.ndarray]) -> list[WeightCounts]:
    """Count the surviving weights between units, from bool masks (rows, columns, kernel entries)."""
    return [WeightCounts(sparse.csr_array(mask.sum(2).astype(np.float64)), mask.shape[2]) for mask in masks]


def one_group(plan: CodeLayout) -> Groups:
    """Return the partition that has all units of an axis in one group."""
    return tuple(np.zeros(axis.size, dtype=np.int64) for axis in plan.axes.axes)


def find_groups(plan: CodeLayout, counts: list[WeightCounts], relative: bool) -> Groups:
    """Search for the partition with the shortest mask code.

    Args:
        plan: the architecture.
        counts: surviving weights of each layer.
        relative: whether the reference fixes the order of all units.

    Returns:
        The group of each unit, per axis; group numbers have no gaps.
    """
    search = _Search(plan, counts, relative)
    found = [
        search.improved(search.by_degree(free, fixed))
        for free in (FREE_GROUPS if any(search.free) else (1,))
        for fixed in FIXED_GROUPS
    ]
    return min([one_group(plan), *found], key=search.bits)


def refine_groups(plan: CodeLayout, counts: list[WeightCounts], relative: bool, start: Groups) -> Groups:
    """Improve a partition that was found for similar masks, by moving units as long as that shortens the code."""
    return _Search(plan, counts, relative).improved(start)


def group_positions(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the grouping of a kernel's positions with the shortest mask code; groups are ranges of the positions sorted by
    survivors.

    Args:
        mask: (rows, columns, kernel entries) bool.
        rows: (rows,) int64, group of each row.
        columns: (columns,) int64, group of each column.

    Returns:
        The group of each position, (kernel entries,) int64; all 0 if one group is best.
    """
    entries = mask.shape[2]
    by_row, by_column = _onehot(rows), _onehot(columns)
    held = np.einsum("rg,rcp,ch->ghp", by_row, mask, by_column, optimize=True)
    room = np.outer(by_row.sum(0), by_column.sum(0))[:, :, None]
    order = np.argsort(held.sum((0, 1)), kind="stable")
    upto = np.concatenate([np.zeros((*held.shape[:2], 1)), np.cumsum(held[:, :, order], axis=2)], axis=2)
    cost = np.full((entries, entries + 1), np.inf)
    for start in range(entries):
        size = np.arange(1, entries - start + 1)
        blocks = room * size, upto[:, :, start + 1 :] - upto[:, :, start : start + 1]
        bits = (np.log2(blocks[0] + 1) + _log2_binomial(*blocks)).sum((0, 1))
        cost[start, start + 1 :] = bits - gammaln(size + 1) / _LOG2
    ends = [np.array([entries])]
    lengths = [cost[0]]
    best, edges = np.inf, [0, entries]
    for number in range(1, min(POSITION_GROUPS, entries) + 1):
        if number > 1:
            sums = lengths[-1][:entries, None] + cost
            ends.append(sums.argmin(0))
            lengths.append(sums.min(0))
        sizes = float(_log2_binomial(np.array(entries + number - 1.0), np.array(number - 1.0)))
        if sizes + lengths[-1][entries] < best - 1e-9:
            best, edges = sizes + lengths[-1][entries], [entries]
            for back in range(number - 1, 0, -1):
                edges.append(int(ends[back][edges[-1]]))
            edges = [0, *reversed(edges)]
    groups = np.zeros(entries, dtype=np.int64)
    groups[order] = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    return groups


def _log2_binomial(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    logs: np.ndarray = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return logs / _LOG2


class _Search:
    def __init__(self, plan: CodeLayout, counts: list[WeightCounts], relative: bool) -> None:
        self.plan, self.counts = plan, counts
        self.free = [axis.free and not relative for axis in plan.axes.axes]
        self.turned = [sparse.csr_array(count.matrix.T) for count in counts]

    def by_degree(self, free: int, fixed: int) -> Groups:
        degrees = [np.zeros(axis.size) for axis in self.plan.axes.axes]
        for layer, count in zip(self.plan.layers, self.counts, strict=True):
            degrees[layer.rows] += count.matrix.sum(1)
            degrees[layer.columns] += count.matrix.sum(0)
        return tuple(
            _equal_groups(degree, free if is_free else fixed)
            for degree, is_free in zip(degrees, self.free, strict=True)
        )

    def bits(self, groups: Groups) -> float:
        sizes = [np.bincount(g).astype(np.float64) for g in groups]
        total = sum(self._axis_bits(i, size) for i, size in enumerate(sizes))
        for layer, count in zip(self.plan.layers, self.counts, strict=True):
            held = _onehot(groups[layer.rows]).T @ (count.matrix @ _onehot(groups[layer.columns]))
            room = np.outer(sizes[layer.rows], sizes[layer.columns]) * count.entries
            total += float((np.log2(room + 1) + _log2_binomial(room, held)).sum())
        return total

    def improved(self, groups: Groups) -> Groups:
        best, shortest = groups, self.bits(groups)
        for _ in range(ROUNDS):
            before = shortest
            for axis in range(len(groups)):
                moved = tuple(self._moved(best, i) if i == axis else g for i, g in enumerate(best))
                length = self.bits(moved)
                if length < shortest:
                    best, shortest = moved, length
            if shortest > before - 1.0:
                break
        return best

    def _axis_bits(self, axis: int, sizes: np.ndarray) -> float:
        n, k = float(sizes.sum()), float(sizes.size)
        total = float(_log2_binomial(np.array(n + k - 1), np.array(k - 1)))
        if not self.free[axis]:
            total += float(gammaln(n + 1) - gammaln(sizes + 1).sum()) / _LOG2
        return total

    def _moved(self, groups: Groups, axis: int) -> np.ndarray:
        own = _onehot(groups[axis])
        sizes = own.sum(0)
        cost = np.zeros_like(own)
        for layer, count, turned in zip(self.plan.layers, self.counts, self.turned, strict=True):
            for mine, other, matrix in (
                (layer.rows, layer.columns, count.matrix),
                (layer.columns, layer.rows, turned),
            ):
                if mine == axis:
                    cost += _coding_cost(matrix, own, sizes, _onehot(groups[other]), count.entries)
        if not self.free[axis]:
            cost -= np.log2((sizes + 0.5) / (sizes.sum() + 0.5 * sizes.size))
        return _without_gaps(cost.argmin(1))


def _coding_cost(
    matrix: sparse.csr_array, own: np.ndarray, sizes: np.ndarray, other: np.ndarray, entries: int
) -> np.ndarray:
    """Return the bits that each unit's survivors would cost in each group, (units, groups)."""
    held = matrix @ other
    room = other.sum(0) * entries
    share = (own.T @ held + 0.02) / (np.outer(sizes, room) + 0.04)
    share = np.clip(share, 1e-12, 1 - 1e-12)
    found: np.ndarray = -(held @ np.log2(share).T) - (room - held) @ np.log2(1 - share).T
    return found


def _onehot(groups: np.ndarray) -> np.ndarray:
    found = np.zeros((groups.size, int(groups.max()) + 1))
    found[np.arange(groups.size), groups] = 1.0
    return found


def _without_gaps(groups: np.ndarray) -> np.ndarray:
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _equal_groups(degree: np.ndarray, number: int) -> np.ndarray:
    """Return the groups of units by degree: units of degree 0 in group 0, the others in `number - 1` groups of increasing
    degree.
    """
    groups = np.zeros(degree.size, dtype=np.int64)
    used = np.flatnonzero(degree > 0)
    if number > 1 and used.size:
        ranks = np.argsort(np.argsort(degree[used], kind="stable"), kind="stable")
        groups[used] = 1 + ranks * (number - 1) // used.size
    return _without_gaps(groups)

"""The recursion of the graphon NTK in numpy: pairs a few inputs with a block of later inputs at a time, with cells as rows.

For inputs i and j let q_i(u) be the square root of S~(x_i, x_i)(u) and rho = S~ / (q_i q_j). All layers carry
``A = S~ / q_i`` and ``B = Theta / q_i``, Theta_1 = S~_1; with psi = pi - arccos(rho) = arccos(-A / q_j),

      s = sqrt(q_j^2 - A^2) + psi A,                 t = s + psi B,
      A' = diag(1/q'_i) M diag(q_i) s / (2 pi),      B' = the same of t,      Theta = M_out diag(q_i) t / (2 pi),

where M is the matrix of `boundcalc.graphon.ntk_maps`. This is the recursion of docs/theory/pham2025.md in forward form,
Theta_{l+1} = M (S_l + Sdot_l Theta_l), so that earlier layers need not be stored and any number of outputs costs one product. The
scales of i are multiplied into the matrices, those of j are applied elementwise; the diagonal has the closed form
Theta_l(x, x) = l S~_l(x, x).

Products and elementary functions run at the rate of the machine; what the kernel can save are passes over memory, so that each is
counted. Where an input is nearly parallel to another in some cell, the root cancels, and (1 - rho) (1 + rho) q_j^2 stands under it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from queue import SimpleQueue

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

from boundcalc.graphon.ntk_maps import Floats, Maps
from boundcalc.graphon.ntk_products import Dense, Grouped, Product, ScaledMatrix, best_form

CHUNK = 9 * 2**12
"""Cells times inputs of a block: few enough for caches, and so many that threads seldom wait for each other's turn at the
interpreter. With a third of them two threads took a tenth more processor time."""

MATRICES, SUMS = 2**16, 2**11
"""Entries of a layer's matrices that a stretch of inputs has, and rows of its sums over groups of coordinates, at most (a stretch has
one input in any case)."""

NEARLY = 1.0 + 16 * np.finfo(float).eps
"""Correlations are multiplied by this before they are cut at +-1: those that are +-1 but for rounding, as of parallel inputs or of
cells that read one coordinate, become exact; where arccos would turn 1e-16 into 1e-8."""

NARROWEST = 96
"""Fewest inputs of a block: below, calls cost more than work."""

APART = 2.0**-15
"""Least 1 - abs(rho) at which q_j^2 - A^2 is used: the angle of the root and that of the arc cosine, each of a few roundings, differ
by at most 6 roundings over sqrt(2 APART), which the error of a layer in `boundcalc.graphon.kernel_bound` has room for."""

SMALLEST = -900
"""Log2 of the least term of a diagonal below which terms may be lost to underflow; (1 - rho) (1 + rho) q_j^2 is taken then."""

BUFFERS = 4
MIRROR = 256
"""Side of the squares in which the upper triangle is copied to the lower."""


@dataclass(frozen=True, eq=False)
class Block:
    """Precomputed values of a range of inputs, contiguous in memory.

    Attributes:
        start: index of the first input.
        columns: inputs, transposed, (d, n).
        squares: q^2 of each layer, (K_l, n).
        negative: -1/q of each layer, 0 where q is 0.
    """

    start: int
    columns: Floats
    squares: tuple[Floats, ...]
    negative: tuple[Floats, ...]

    def since(self, first: int) -> Block:
        """Return the part of the block from an index on."""
        skip = max(0, first - self.start)
        if not skip:
            return self
        part = slice(skip, None)
        squares, negative = (tuple(_copy(a, part) for a in every) for every in (self.squares, self.negative))
        return Block(first, _copy(self.columns, part), squares, negative)


@dataclass(frozen=True, eq=False)
class SharedBlocks:
    """Data shared by all threads; only `result` is written to.

    Attributes:
        x: inputs, (m, d).
        blocks: the inputs in blocks of `width`.
        width: number of inputs of a block.
        forms: matrices M_1 .. M_L; M_1 reads the sums over groups of coordinates if there are groups.
        groups: sums over the coordinates whose columns of M_1 are equal; None if every coordinate is read on its own.
        output: M_out divided by 2 pi, (R, K_L).
        apart: limit of the absolute correlations of the first layer, below which no layer has a correlation near +-1.
        result: kernels, (R, m, m).
    """

    x: Floats
    blocks: tuple[Block, ...]
    width: int
    forms: tuple[ScaledMatrix, ...]
    groups: Grouped | None
    output: Floats
    apart: float
    result: Floats


def theta(maps: Maps, x: Floats, threads: int | None = None, forms: Sequence[ScaledMatrix] = ()) -> Floats:
    """Return the kernels of all outputs.

    Args:
        maps: maps of the chain, with C outputs.
        x: inputs, (m, d) float64, finite, of moderate size (see `boundcalc.graphon.ntk`).
        threads: number of threads; None for one per core.
        forms: forms of the hidden matrices; if empty, the forms with the least work are chosen.

    Returns:
        (C, m, m) float64, symmetric.
    """
    count = threads or len(os.sched_getaffinity(0))
    with threadpool_limits(limits=1, user_api="blas"):
        plan = _plan(maps, x, tuple(forms) or _best_forms(maps, x))
        groups = 0 if plan.groups is None else len(plan.groups.members)
        stretch = stretch_of(maps, groups)
        rows_of_buffers = [max(maps.cells)] * BUFFERS + [stretch * groups]
        buffers: SimpleQueue[list[Floats]] = SimpleQueue()
        for _ in range(count):
            buffers.put([np.empty(rows * plan.width) for rows in rows_of_buffers])

        def fill(start: int) -> None:
            own = buffers.get()
            try:
                _rows(plan, range(start, min(start + stretch, len(x))), own)
            finally:
                buffers.put(own)

        with ThreadPoolExecutor(count) as pool:
            for _ in pool.map(fill, range(0, len(x), stretch)):
                pass
    last = diagonals(maps, x)[-1]
    for kernel, matrix in zip(plan.result, maps.output, strict=True):
        np.fill_diagonal(kernel, (len(maps.hidden) + 1) / 2 * (matrix @ last))
        _mirror(kernel)
    return plan.result


def width_of(maps: Maps, m: int) -> int:
    """Return the number of inputs of a block, of m inputs in all."""
    return min(m, max(NARROWEST, CHUNK // max(maps.cells)))


def stretch_of(maps: Maps, groups: int) -> int:
    """Return the number of inputs that are processed together.

    Args:
        maps: maps of the chain.
        groups: number of groups of coordinates, 0 for none.
    """
    return max(1, min(MATRICES // max(maps.cells) ** 2, SUMS // max(1, groups)))


def diagonals(maps: Maps, x: Floats) -> tuple[Floats, ...]:
    """Return S~_l(x, x) of every hidden layer, (K_l, m)."""
    found = [maps.hidden[0] @ np.square(x).T]
    for matrix in maps.hidden[1:]:
        found.append(matrix @ (found[-1] / 2))
    return tuple(found)


def _best_forms(maps: Maps, x: Floats) -> tuple[ScaledMatrix, ...]:
    used = np.count_nonzero(x) / max(x.size, 1)
    return (best_form(maps.hidden[0], used), *(best_form(matrix) for matrix in maps.hidden[1:]))


def _plan(maps: Maps, x: Floats, forms: tuple[ScaledMatrix, ...]) -> SharedBlocks:
    squares = diagonals(maps, x)
    negative = tuple(-inverse(np.sqrt(diagonal)) for diagonal in squares)
    width = width_of(maps, len(x))
    blocks = tuple(
        Block(
            start, _copy(x.T, part), *(tuple(_copy(a, part) for a in every) for every in (squares, negative))
        )
        for start in range(0, len(x), width)
        for part in [slice(start, start + width)]
    )
    first, *later = forms
    groups = first if isinstance(first, Grouped) else None
    result = np.zeros((maps.output.shape[0], len(x), len(x)))
    own = (first if groups is None else Dense(groups.matrix), *later)
    return SharedBlocks(x, blocks, width, own, groups, maps.output / (2 * math.pi), _apart(maps, x), result)


def _apart(maps: Maps, x: Floats) -> float:
    """Return the limit of `SharedBlocks.apart`.

    The map k of correlations through the arc cosine is convex with k(-1) = 0 and k(1) = 1, so that 1 - k(rho) >= (1 - rho) / 2; a
    mean of nonnegative correlations with the weights of the diagonals is at most the largest. Hence 1 - rho halves at most, layer by
    layer.
    """
    smallest = 2 * _log2_least(np.abs(x)) + sum(_log2_least(matrix) - 1 for matrix in maps.hidden)
    return -1.0 if smallest < SMALLEST else 1.0 - APART * 2.0 ** (len(maps.hidden) - 1)


def _log2_least(array: Floats) -> float:
    """Return log2 of the least positive entry; 0 if there is none."""
    return math.log2(array.min(where=array > 0, initial=np.inf)) if (array > 0).any() else 0.0


def inverse(roots: Floats) -> Floats:
    """Return 1/q, 0 where q is 0."""
    return np.divide(1.0, roots, out=np.zeros_like(roots), where=roots > 0)


def _copy(array: Floats, part: slice) -> Floats:
    return np.ascontiguousarray(array[:, part])


def _rows(plan: SharedBlocks, rows: range, buffers: list[Floats]) -> None:
    """Fill consecutive rows of the result, from the diagonal on; entries left of the diagonal are not used."""
    readers = [_reader(plan, i) for i in rows]
    own, *later = plan.blocks[rows.start // plan.width :]
    own = own.since(rows.start)
    *arrays, sums = buffers
    for block in (own, *later):
        sources: Iterable[Floats] = repeat(block.columns)
        if plan.groups is not None:
            sources = plan.groups.between(plan.x[rows.start : rows.stop], block.columns, sums)
        end = block.start + block.columns.shape[1]
        views = [
            [buffer[: square.size].reshape(square.shape) for buffer in arrays] for square in block.squares
        ]
        for i, source, (products, output) in zip(rows, sources, readers, strict=False):
            s = t = source
            near = False
            for layer, (product, (for_a, for_b, root, psi)) in enumerate(zip(products, views, strict=True)):
                a = product.times(s, for_a)
                b = product.times(t, for_b) if layer else a
                if not layer and block.start <= i < end:
                    a[:, i - block.start] = 0.0  # the diagonal has a closed form
                np.multiply(a, block.negative[layer], out=psi)
                near = near or (not layer and max(psi.max(), -psi.min()) >= plan.apart)
                s, t = _arc_cosine(a, b, root, psi, block.squares[layer], near, layer + 1 == len(products))
            plan.result[:, i, block.start : end] = output @ t


def _reader(plan: SharedBlocks, i: int) -> tuple[list[Product], Floats]:
    """Return the matrices of all layers, and of the output, with the scales of input i."""
    block = plan.blocks[i // plan.width]
    own = i - block.start
    roots = [np.sqrt(square[:, own]) for square in block.squares]
    lefts = [-negative[:, own] for negative in block.negative]
    read = plan.x[i] if plan.groups is None else np.ones(plan.groups.matrix.shape[1])
    products = [plan.forms[0].at(lefts[0], read)]
    for form, left, right in zip(plan.forms[1:], lefts[1:], roots, strict=False):
        products.append(form.at(left / (2 * math.pi), right))
    return products, plan.output * roots[-1]


def _arc_cosine(
    a: Floats, b: Floats, root: Floats, psi: Floats, squares: Floats, near: bool, last: bool
) -> tuple[Floats, Floats]:
    """Return s and t of the module's formula, without 1 / (2 pi), in the two buffers; a is overwritten.

    Args:
        a: A, (K, n).
        b: B, (K, n); A itself in the first layer.
        root: buffer.
        psi: -rho.
        squares: q_j^2.
        near: whether correlations may be near +-1.
        last: whether t alone is used.
    """
    if near:
        psi *= NEARLY
        psi.clip(-1.0, 1.0, out=psi)
        np.multiply(1.0 - psi, 1.0 + psi, out=root)
        root *= squares
    else:
        np.square(a, out=root)
        np.subtract(squares, root, out=root)
    np.sqrt(root, out=root)
    np.arccos(psi, out=psi)
    if last and a is not b:
        a += b
        a *= psi
        root += a
        return root, root
    a *= psi
    root += a
    if a is b:
        np.add(root, a, out=psi)
    else:
        psi *= b
        psi += root
    return root, psi


def _mirror(kernel: Floats) -> None:
    """Copy the upper triangle to the lower."""
    m = len(kernel)
    for low in range(0, m, MIRROR):
        high = min(low + MIRROR, m)
        square = kernel[low:high, low:high]
        square[...] = np.triu(square) + np.triu(square, 1).T
        kernel[high:, low:high] = kernel[low:high, high:].T

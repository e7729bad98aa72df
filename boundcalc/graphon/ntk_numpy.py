"""The recursion of the graphon NTK in numpy: pairs some inputs with a block of later inputs at a time, with cells as rows.

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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

from boundcalc.graphon.ntk_maps import Floats, Maps
from boundcalc.graphon.ntk_products import Dense, Grouped, Product, ScaledMatrix, best_form

CHUNK = 2**16
"""Cells times pairs of inputs that are computed at a time: few enough for caches, and so many that threads seldom wait for each
other's turn at the interpreter."""

NARROWEST, WIDEST = 96, 128
"""Fewest and most inputs of a block. In narrower ones calls cost more than work; products with wider ones run at a lower rate."""

MATRICES, SUMS = 2**18, 2**11
"""Entries of the matrices that a stretch of inputs has, and rows of its sums over groups of coordinates, at most (a stretch has one
input in any case)."""

MOST_PADDING = 2
"""Largest ratio to the number of coordinates that groups of them may have when all are as long as the longest."""

NEARLY = 1.0 + 16 * np.finfo(float).eps
"""Correlations are multiplied by this before they are cut at +-1: those that are +-1 but for rounding, as of parallel inputs or of
cells that read one coordinate, become exact; where arccos would turn 1e-16 into 1e-8."""

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
        columns: inputs, transposed, (d, n); or group by group, (H, g, n).
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
        columns = _copy(self.columns, part) if self.columns.ndim == 2 else self.columns[..., part]
        return Block(first, columns, squares, negative)


@dataclass(frozen=True, eq=False)
class SharedBlocks:
    """Data shared by all threads; only `result` is written to.

    Attributes:
        x: inputs, (m, d); or group by group, (H, m, g), if M_1 reads sums over groups of coordinates.
        last: q^2 of the last layer, (K_L, m).
        lefts: 1/q of each layer, in hidden layers but the first divided by 2 pi, (m, K_l).
        roots: q of each layer, (m, K_l).
        blocks: the inputs in blocks of `width`.
        width: number of inputs of a block.
        at_once: number of inputs that are paired with a block at a time.
        stretch: number of inputs whose matrices are made at a time.
        forms: matrices M_1 .. M_L.
        output: M_out divided by 2 pi, (R, K_L).
        apart: limit of the absolute correlations of the first layer, below which no layer has a correlation near +-1.
        result: kernels, (R, m, m).
    """

    x: Floats
    last: Floats
    lefts: tuple[Floats, ...]
    roots: tuple[Floats, ...]
    blocks: tuple[Block, ...]
    width: int
    at_once: int
    stretch: int
    forms: tuple[ScaledMatrix, ...]
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
        groups = len(plan.x) if plan.x.ndim == 3 else 0
        rows = [plan.at_once * max(maps.cells)] * BUFFERS + [plan.stretch * groups]
        sizes = [each * plan.width for each in rows] + [plan.stretch * form.room for form in plan.forms]
        buffers: SimpleQueue[list[Floats]] = SimpleQueue()
        for _ in range(count):
            buffers.put([np.empty(size) for size in sizes])

        def fill(start: int) -> None:
            own = buffers.get()
            try:
                _rows(plan, range(start, min(start + plan.stretch, len(x))), own)
            finally:
                buffers.put(own)

        with ThreadPoolExecutor(count) as pool:
            for _ in pool.map(fill, range(0, len(x), plan.stretch)):
                pass
    for kernel, matrix in zip(plan.result, maps.output, strict=True):
        np.fill_diagonal(kernel, (len(maps.hidden) + 1) / 2 * (matrix @ plan.last))
        _mirror(kernel)
    return plan.result


def width_of(maps: Maps, m: int) -> int:
    """Return the number of inputs of a block, of m inputs in all."""
    return min(m, WIDEST, max(NARROWEST, CHUNK // max(maps.cells)))


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
    roots = tuple(np.sqrt(square) for square in squares)
    negative = tuple(-inverse(root) for root in roots)
    width, limit = width_of(maps, len(x)), _apart(maps, x)
    result = np.zeros((maps.output.shape[0], len(x), len(x)))
    first, *later = forms
    groups = 0
    if isinstance(first, Grouped) and first.members.size <= MOST_PADDING * x.shape[1]:
        groups = len(first.members)
        x, first = first.gathered(x), Dense(first.matrix)
    own = (first, *later)
    blocks = tuple(
        Block(
            start,
            np.ascontiguousarray(x[..., part, :].swapaxes(-1, -2)),
            *(tuple(_copy(a, part) for a in every) for every in (squares, negative)),
        )
        for start in range(0, len(result[0]), width)
        for part in [slice(start, start + width)]
    )
    lefts = tuple(
        np.ascontiguousarray(-one.T) / (2 * math.pi if layer else 1.0) for layer, one in enumerate(negative)
    )
    return SharedBlocks(
        x=x,
        last=squares[-1],
        lefts=lefts,
        roots=tuple(np.ascontiguousarray(root.T) for root in roots),
        blocks=blocks,
        width=width,
        at_once=max(1, CHUNK // (max(maps.cells) * width)),
        stretch=max(1, min(MATRICES // max(1, sum(form.room for form in own)), SUMS // max(1, groups))),
        forms=own,
        output=maps.output / (2 * math.pi),
        apart=limit,
        result=result,
    )


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
    own, *later = plan.blocks[rows.start // plan.width :]
    own = own.since(rows.start)
    arrays, sums, rooms = buffers[:BUFFERS], buffers[BUFFERS], buffers[BUFFERS + 1 :]
    parts = [slice(start, min(start + plan.at_once, rows.stop)) for start in rows[:: plan.at_once]]
    readers = [_readers(plan, part, rooms, part.start - rows.start) for part in parts]
    for block in (own, *later):
        end = block.start + block.columns.shape[-1]
        sources = [block.columns] * len(parts)
        if plan.x.ndim == 3:
            every = np.matmul(
                plan.x[:, rows.start : rows.stop],
                block.columns,
                out=_room(sums, (len(plan.x), len(rows), end - block.start)),
            ).swapaxes(0, 1)
            sources = [every[part.start - rows.start : part.stop - rows.start] for part in parts]
        for part, source, (products, output) in zip(parts, sources, readers, strict=True):
            s = t = source
            near = False
            for layer, (product, square) in enumerate(zip(products, block.squares, strict=True)):
                shape = (part.stop - part.start, *square.shape)
                for_a, for_b, root, psi = (_room(array, shape) for array in arrays)
                a = product.times(s, for_a)
                b = product.times(t, for_b) if layer else a
                if not layer:
                    for i in range(max(part.start, block.start), min(part.stop, end)):
                        a[i - part.start, :, i - block.start] = 0.0  # the diagonal has a closed form
                np.multiply(a, block.negative[layer], out=psi)
                near = near or (not layer and max(psi.max(), -psi.min()) >= plan.apart)
                s, t = _arc_cosine(a, b, root, psi, square, near, layer + 1 == len(products))
            plan.result[:, part, block.start : end] = np.matmul(output, t).swapaxes(0, 1)


def _room(array: Floats, shape: tuple[int, ...]) -> Floats:
    return array[: math.prod(shape)].reshape(shape)


def _readers(
    plan: SharedBlocks, part: slice, rooms: list[Floats], before: int
) -> tuple[list[Product], Floats]:
    """Return the matrices of all layers, and of the output, (r, R, K_L), with the scales of r inputs.

    Args:
        plan: of all inputs.
        part: the r inputs.
        rooms: of the matrices of each layer.
        before: inputs whose matrices are in the rooms already.
    """
    roots = [each[part] for each in plan.roots]
    rights = (None if plan.x.ndim == 3 else plan.x[part], *roots)
    products = [
        form.at(left[part], right, room[before * form.room :])
        for form, left, right, room in zip(plan.forms, plan.lefts, rights, rooms, strict=False)
    ]
    return products, plan.output * roots[-1][:, None, :]


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

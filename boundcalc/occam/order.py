"""The bits refunded to a codeword for the order of hidden units, which it specifies although the function does not depend
on it.

Permuting the units of one group of a free axis gives codewords of the same length that describe the same function. Their
prior probabilities 2^-bits add up, so the function costs log2 of the number of codewords fewer bits. There are prod n_g!
permutations; those that leave the codeword unchanged permute only within classes of indistinguishable units, so there are
at most prod |class|! of them. Classes are found by color refinement: two units are separated when the multisets of what
they read, or of what reads them, differ.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable

import numpy as np

from boundcalc.norms.rounding import LGAMMA
from boundcalc.occam.coder import log2_factorial
from boundcalc.occam.codeword import CodeLayout, Codeword, LayerWord


def order_bits(plan: CodeLayout, word: Codeword) -> float:
    """Return an upper bound, at most 0, on minus log2 of the number of codewords that differ from this one only in the
    order of units.

    Args:
        plan: the architecture.
        word: a codeword of it.
    """
    if word.relative:
        return 0.0
    free = [axis.free for axis in plan.axes.axes]
    colors = _refined(plan, word, free)
    terms = []
    for index in range(len(free)):
        if free[index]:
            terms += [-log2_factorial(size) * (1 - LGAMMA) for size in word.sizes[index]]
            terms += [log2_factorial(count) * (1 + LGAMMA) for count in Counter(colors[index]).values()]
    return min(0.0, math.fsum(terms) + LGAMMA * math.fsum(map(abs, terms)))


def _refined(plan: CodeLayout, word: Codeword, free: list[bool]) -> list[list[int]]:
    """Return a color for each unit of each axis; on an axis that is not free every unit has its own color."""
    colors = [
        group.tolist() if is_free else list(range(group.size))
        for group, is_free in zip(word.groups, free, strict=True)
    ]
    edges = [_edges(layer.mask, layer.values.numbers) for layer in word.layers]
    biases = [_biases(layer) for layer in word.layers]
    while True:
        seen: list[list[list[Hashable]]] = [[[color] for color in axis] for axis in colors]
        for number, (layer, (rows, columns, places, values)) in enumerate(
            zip(plan.layers, edges, strict=True)
        ):
            row_colors, column_colors = colors[layer.rows], colors[layer.columns]
            for r, c, place, value in zip(rows, columns, places, values, strict=True):
                seen[layer.rows][r].append((number, 0, column_colors[c], place, value))
                seen[layer.columns][c].append((number, 1, row_colors[r], place, value))
            for r, value in enumerate(biases[number]):
                seen[layer.rows][r].append((number, 2, 0, 0, value))
        found = []
        for axis in seen:
            known: dict[Hashable, int] = {}
            keys = [(unit[0], tuple(sorted(unit[1:]))) for unit in axis]  # type: ignore[type-var]
            found.append([known.setdefault(key, len(known)) for key in keys])
        if all(len(set(new)) == len(set(old)) for new, old in zip(found, colors, strict=True)):
            return found
        colors = found


def _edges(mask: np.ndarray, numbers: np.ndarray) -> tuple[list[int], list[int], list[int], list[float]]:
    rows, columns, places = np.nonzero(mask)
    return rows.tolist(), columns.tolist(), places.tolist(), numbers.tolist()


def _biases(layer: LayerWord) -> list[float]:
    if layer.bias is None:
        return []
    found = np.zeros(layer.bias.mask.size)
    found[layer.bias.mask] = layer.bias.values.numbers
    return [float(number) for number in found]

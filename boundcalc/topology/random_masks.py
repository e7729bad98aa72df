"""What density alone predicts: the scores of random masks with the same number of weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from boundcalc.norms.rounding import mean, scaled
from boundcalc.topology.bipartite import Bipartite, Floats, Layout, build
from boundcalc.topology.hoang2023 import SCORES, Scores, score

EQUAL_SPREAD = 1e-9
"""Relative spread below which random masks count as equal: rounding, not chance."""


@dataclass(frozen=True)
class Chance:
    """A score on random masks, and the position of the layer's own score relative to them.

    Attributes:
        mean: mean over the draws that have the score; None if none has it.
        sd: sample standard deviation; None with fewer than two such draws.
        draws: number of draws that have the score.
        z: (score - mean) / sd; None if one of the three is None or sd is 0.
    """

    mean: float | None
    sd: float | None
    draws: int
    z: float | None


def draw(layout: Layout, sizes: Floats, rng: np.random.Generator) -> Bipartite:
    """Return the graph of a uniformly random mask.

    Args:
        layout: layout of the layer; the mask is drawn among its weights, and then rolled if the layout is rolled.
        sizes: n absolute weights for the n drawn places, (n,); sorted, so that permuting neurons changes nothing.
        rng: random generator.

    Returns:
        The graph with all vertices, isolated ones included.
    """
    chosen = np.zeros(layout.positions, dtype=bool)
    chosen[rng.choice(layout.positions, len(sizes), replace=False, shuffle=False)] = True
    return build(layout, np.flatnonzero(chosen), rng.permutation(sizes))


def baseline(own: Scores, layout: Layout, sizes: Floats, seeds: Sequence[Sequence[int]]) -> dict[str, Chance]:
    """Compare a layer's scores with those of random masks.

    Args:
        own: the layer's scores.
        layout: layout of the layer.
        sizes: absolute values of its surviving weights, (n,).
        seeds: one seed per draw.

    Returns:
        Field name of a score -> its comparison; empty without draws.
    """
    ordered = np.sort(sizes)
    drawn = [score(draw(layout, ordered, np.random.default_rng(list(seed)))) for seed in seeds]
    if not drawn:
        return {}
    return {key: chance(getattr(own, key), [getattr(one, key) for one in drawn]) for key in SCORES}


def chance(own: float | None, drawn: Sequence[float | None]) -> Chance:
    """Return mean, spread and z-score, computed after scaling by a power of two so that nothing overflows.

    Example:
        >>> chance(5.0, [1.0, 3.0, None]).z
        2.1213203435596424
    """
    values = [value for value in drawn if value is not None]
    if not values:
        return Chance(None, None, 0, None)
    middle = mean(values)
    if len(values) == 1:
        return Chance(middle, None, 1, None)
    exponent = math.frexp(max(map(abs, values)))[1]
    steps = [math.ldexp(value, -exponent) - math.ldexp(middle, -exponent) for value in values]
    sd = math.hypot(*steps) / math.sqrt(len(values) - 1)
    if sd <= EQUAL_SPREAD * math.ldexp(max(map(abs, values)), -exponent):
        return Chance(middle, 0.0, len(values), None)
    shift = None if own is None else scaled(own, -exponent)
    z = None if shift is None else (shift - math.ldexp(middle, -exponent)) / sd
    return Chance(middle, math.ldexp(sd, exponent), len(values), z)


def one_in_ten(draws: int) -> float | None:
    """Return the value that the absolute z-score of a random mask exceeds one time in ten if scores are normal; None
    below two draws.

    Mean and spread are estimated from the draws, so that z is a Student t variable times ``sqrt(1 + 1 / draws)``.

    Example:
        >>> round(one_in_ten(5), 2)
        2.34
    """
    if draws < 2:
        return None
    return float(special.stdtrit(draws - 1, 0.95)) * math.sqrt(1 + 1 / draws)

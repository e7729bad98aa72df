"""Decide which cells describe a mask best, by the likelihood of held-out entries.

A tenth of the entries is held out; kernels are split entry by entry. Cells and shares are computed from the other entries, and
each held-out entry is coded by the share of its product of cells. The shares are shrunk toward the density by a prior
Beta(a p, a (1 - p)), whose strength a is chosen by the marginal likelihood of the seen entries, so that small cells
without surviving entries do not rule survivors out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from boundcalc.graphon.counts import EntryCounts
from boundcalc.graphon.estimate import block_sums
from boundcalc.graphon.ordering import by_degree, cut
from boundcalc.graphon.spectral_cells import spectral_cells
from boundcalc.graphon.step import Floats

Ints = NDArray[np.int64]
Cells = tuple[Ints, Ints]
Unsigned = NDArray[np.unsignedinteger[Any]]

HELD_OUT_SHARE = 0.1
"""Share of the entries that is held out."""

STRENGTHS = 2.0 ** np.arange(-2, 21)
"""Possible strengths of the prior, in numbers of entries."""


@dataclass(frozen=True)
class HeldOut:
    """Code lengths of the held-out entries of a mask, in bits per entry; lower is better.

    Attributes:
        entries: number of held-out entries.
        constant: code length with the density alone.
        sorted: code length with cells of units sorted by degree.
        spectral: code length with spectral cells; None if no singular value is above the noise.
    """

    entries: int
    constant: float
    sorted: float
    spectral: float | None

    @property
    def best(self) -> str:
        """The better estimate, ``"sorted"`` or ``"spectral"``."""
        return "spectral" if self.spectral is not None and self.spectral < self.sorted else "sorted"


@dataclass(frozen=True, eq=False)
class HeldOutEntries:
    """A mask of which only some entries are seen.

    Attributes:
        counts: counts of surviving entries among those seen.
        seen: number of seen entries of each pair, (outputs, inputs) unsigned integers.
    """

    counts: EntryCounts
    seen: Unsigned

    @property
    def sums(self) -> tuple[int, int]:
        """Number of surviving entries among those seen, and number of entries seen."""
        return self.counts.surviving, int(self.seen.sum(dtype=np.int64))

    @property
    def degrees(self) -> tuple[Floats, Floats]:
        """Shares of seen entries that survive, for rows and for columns; the density for a unit without seen entries."""
        whole = self.counts.surviving / max(self.sums[1], 1)
        seen = EntryCounts(self.seen, self.counts.taps)
        sides = ((self.counts.row_sums, seen.row_sums), (self.counts.column_sums, seen.column_sums))
        rows, columns = (
            np.divide(sums, known, out=np.full(len(sums), whole), where=known > 0) for sums, known in sides
        )
        return rows, columns

    def by_block(self, cells: Cells) -> tuple[Ints, Ints]:
        """Return the numbers of surviving and of seen entries in every product of cells."""
        return block_sums(self.counts, *cells), block_sums(EntryCounts(self.seen, self.counts.taps), *cells)


def whole(counts: EntryCounts) -> HeldOutEntries:
    """Return a mask with all entries seen."""
    return HeldOutEntries(counts, np.full(counts.shape, counts.taps, dtype=counts.counts.dtype))


def sorted_cells(sample: HeldOutEntries, cells: int) -> Cells:
    """Return the cells of rows and columns, each sorted by degree."""
    rows, columns = (cut(by_degree(degrees), cells) for degrees in sample.degrees)
    return rows, columns


def singular_cells(sample: HeldOutEntries, cells: int) -> Cells | None:
    """Return the spectral cells of rows and columns; None if no singular value is above the noise."""
    surviving, seen = sample.sums
    expected = sample.seen * np.float32(surviving / seen)
    residual = (sample.counts.counts - expected) / np.float32(sample.counts.taps)
    return spectral_cells(residual, sample.degrees, cells)


def hold_out(counts: EntryCounts, cells: int, rng: np.random.Generator) -> HeldOut | None:
    """Compare the estimates on entries that were held out from them.

    Args:
        counts: counts of a layer.
        cells: largest number of cells per side.
        rng: random generator that chooses the held-out entries.

    Returns:
        The comparison; None if the layer is too small to hold anything out.
    """
    seen, unseen = divided(counts, rng)
    if not seen.sums[1] or not unseen.sums[1]:
        return None
    everything = (np.zeros(counts.shape[0], dtype=np.int64), np.zeros(counts.shape[1], dtype=np.int64))
    singular = singular_cells(seen, cells)
    return HeldOut(
        unseen.sums[1],
        bits(seen, unseen, everything),
        bits(seen, unseen, sorted_cells(seen, cells)),
        None if singular is None else bits(seen, unseen, singular),
    )


def divided(counts: EntryCounts, rng: np.random.Generator) -> tuple[HeldOutEntries, HeldOutEntries]:
    """Split a mask into seen and held-out entries; every entry is held out with the same probability."""
    own, taps, kind = counts.counts, counts.taps, counts.counts.dtype
    if taps == 1:
        hidden = (rng.random(own.shape, dtype=np.float32) < HELD_OUT_SHARE).astype(kind)
        surviving = own * hidden
    else:
        hidden = rng.binomial(taps, HELD_OUT_SHARE, own.shape).astype(kind)
        surviving = rng.hypergeometric(own, taps - own, hidden).astype(kind)
    return (
        HeldOutEntries(EntryCounts(own - surviving, taps), taps - hidden),
        HeldOutEntries(EntryCounts(surviving, taps), hidden),
    )


def bits(seen: HeldOutEntries, unseen: HeldOutEntries, cells: Cells) -> float:
    """Return the mean code length of the unseen entries, in bits.

    Args:
        seen: entries from which the shares are computed.
        unseen: entries that are coded.
        cells: cells of rows and columns, computed from `seen`.
    """
    ones, entries = seen.by_block(cells)
    surviving, known = seen.sums
    density = (surviving + 0.5) / (known + 1.0)
    share = smoothed(ones, entries, density)
    coded, all_coded = unseen.by_block(cells)
    nats = special.xlogy(coded, share) + special.xlog1py(all_coded - coded, -share)
    return max(0.0, -float(nats.sum()) / (int(all_coded.sum()) * math.log(2)))


def smoothed(ones: Ints, entries: Ints, density: float) -> Floats:
    """Return posterior means of the shares, under the prior strength with the highest marginal likelihood.

    Args:
        ones: number of surviving entries of each product of cells.
        entries: number of entries of each product of cells.
        density: mean of the prior, inside (0, 1).
    """
    likelihoods = [_log_marginal(ones, entries, density, strength) for strength in STRENGTHS]
    strength = STRENGTHS[int(np.argmax(likelihoods))]
    return np.asarray((ones + strength * density) / (entries + strength), dtype=np.float64)


def _log_marginal(ones: Ints, entries: Ints, density: float, strength: float) -> float:
    alpha, beta = strength * density, strength * (1 - density)
    return float((special.betaln(ones + alpha, entries - ones + beta) - special.betaln(alpha, beta)).sum())
